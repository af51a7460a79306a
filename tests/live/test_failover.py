"""A primary with two streaming standbys: who is found, how the load is spread, and what a failover costs under load."""
import asyncio
import contextlib
import itertools
import os
import random
import time
from collections import Counter

import pytest

import asyncpg_core
from tests.support.chaos import IS_FULL, note, times
from tests.support.cluster import TRUST_USER
from tests.support.deaf_port import deaf_port
from tests.support.fault_proxy import FaultProxy
from tests.support.open_sockets import no_socket_left
from tests.support.trio import Trio
from tests.support.waiting import until
from tests.support.writers import Writers

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300), pytest.mark.usefixtures("bare_environment"),
              pytest.mark.skipif(os.name == "nt", reason="missing feature: embedded server on Windows")]

ALL_WISHES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
FOR_WRITERS, FOR_READERS = ("primary", "read-write"), ("standby", "prefer-standby", "read-only")
POOL_SIZE = 5
# The promise, also the test's bound: most of it is back-off that nobody has to wait for.
RECOVERY_SECONDS = 5.0
# (how the primary's time ends, whether a commit waits for a standby)
WAYS = [("killed", True), ("switchover", False)]
if IS_FULL:
    WAYS = list(itertools.product(("killed", "switchover", "demoted", "cut off"), (True, False)))


@pytest.fixture(scope="module")
def trio():
    with Trio(is_synchronous=False) as three:
        yield three


def backends(servers):
    asked = f"select count(*) from pg_stat_activity where usename = '{TRUST_USER}'"
    return sum(int(server.sql(asked)[0][0]) for server in servers)


# Who is found

@pytest.mark.parametrize("wanted", ALL_WISHES)
async def test_each_wish_finds_the_first_server_of_its_kind_in_every_order(trio, wanted):
    async with no_socket_left():
        for order in itertools.permutations(trio.servers):
            connection = await asyncpg_core.connect(trio.dsn(order, target_session_attrs=wanted), timeout=10)
            port = connection._addr[1]
            await connection.close()
            fitting = [server.port for server in order if wanted == "any" or
                       (wanted in FOR_WRITERS and server is trio.primary) or
                       (wanted in FOR_READERS and server is not trio.primary)]
            assert port == fitting[0]
    await until(lambda: backends(trio.servers) == 0)


@pytest.mark.parametrize("wanted", ALL_WISHES)
async def test_asyncpg_finds_the_same_servers(trio, wanted):
    asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg")
    for order in itertools.permutations(trio.servers):
        found = []
        for driver in (asyncpg, asyncpg_core):
            connection = await driver.connect(trio.dsn(order, target_session_attrs=wanted), timeout=10)
            found.append(connection._addr[1])
            await connection.close()
        assert found[0] == found[1]


async def test_balanced_load_spreads_connects_within_ten_percent(trio, monkeypatch):
    n = times(1000, 300)
    random.seed(1)
    found = Counter()
    for _ in range(n):
        connection = await asyncpg_core.connect(trio.dsn(load_balance_hosts="random"), timeout=10)
        found[connection._addr[1]] += 1
        await connection.close()
    share = n / len(trio.servers)
    off = max(abs(count - share) / share for count in found.values())
    note("connects spread over three servers", connects=n, counts=sorted(found.values()), off=f"{off:.1%}")
    assert len(found) == 3 and off <= 0.1


# A host that is silent

# What a server writes of a client that went without a word, or in the middle of its log-in.
TOLD_OF_CLIENTS = ("client", "connection", "startup packet", "authentication", "FATAL", "ERROR")


async def test_a_connect_passes_a_server_that_accepts_and_is_silent_and_leaves_nothing_on_it(trio):
    lengths = [len(server.log_path.read_bytes()) for server in trio.servers]
    async with no_socket_left(), FaultProxy(trio.primary.socket_path, TRUST_USER) as proxy:
        for wanted, expected in (("any", trio.standbys), ("standby", trio.standbys), ("prefer-standby", trio.standbys)):
            proxy.is_black_hole = True
            began = time.monotonic()
            ports = [proxy.port, *(server.port for server in trio.standbys)]
            connection = await asyncpg_core.connect(
                host=["127.0.0.1"] * 3, port=ports, user=TRUST_USER, database="postgres", timeout=10,
                target_session_attrs=wanted)
            seconds = time.monotonic() - began
            assert connection._addr[1] == expected[0].port and seconds < 3
            assert await connection.fetchval("select 1") == 1
            await connection.close()
            proxy.is_black_hole = False     # what was written meanwhile arrives, and its end
        note("connect past a silent host", seconds=f"{seconds:.2f}")
        await until(lambda: backends(trio.servers) == 0)
    for server, length in zip(trio.servers, lengths, strict=True):
        # Of a standby's own work it may tell.
        said = server.log_path.read_bytes()[length:].decode(errors="replace").splitlines()
        assert [line for line in said if any(word in line for word in TOLD_OF_CLIENTS)] == []


async def test_a_connect_that_began_before_the_promotion_finds_the_new_primary():
    with Trio(is_synchronous=False) as trio:
        async with no_socket_left(), FaultProxy(trio.primary.socket_path, TRUST_USER) as proxy:
            proxy.is_black_hole = True
            began = asyncio.ensure_future(asyncpg_core.connect(
                host=["127.0.0.1"] * 3, port=[proxy.port, *(server.port for server in trio.standbys)], user=TRUST_USER,
                database="postgres", timeout=30, target_session_attrs="read-write"))
            await until(lambda: backends(trio.standbys) == 2)
            promoted = await asyncio.to_thread(trio.fail_over, "cut off")
            connection = await began
            note("connect that began before the promotion", seconds=f"{time.monotonic() - promoted:.2f}")
            assert time.monotonic() - promoted < RECOVERY_SECONDS and connection._addr[1] == trio.primary.port
            await connection.execute("create temporary table writable ()")
            await connection.close()
            await until(lambda: backends(trio.standbys) == 0)


@pytest.mark.parametrize("wanted", ["any", "read-write", "prefer-standby"])
async def test_a_connect_passes_hosts_that_swallow_packets(trio, wanted):
    with deaf_port() as deaf:
        async with no_socket_left():
            began = time.monotonic()
            connection = await asyncpg_core.connect(
                host=["127.0.0.1"] * 4, port=[deaf, deaf, trio.standbys[0].port, trio.primary.port], user=TRUST_USER,
                database="postgres", timeout=10, target_session_attrs=wanted)
            seconds = time.monotonic() - began
            expected = trio.primary if wanted == "read-write" else trio.standbys[0]
            assert connection._addr[1] == expected.port and seconds < 3
            await connection.close()
    note("connect past two hosts that swallow packets", wanted=wanted, seconds=f"{seconds:.2f}")
    await until(lambda: backends(trio.servers) == 0)


# A failover under load

def rows_of(server):
    return {int(row[0]) for row in server.sql("select n from written")}


@contextlib.asynccontextmanager
async def reachable(trio, how):
    """What to connect to; what is to be cut off later stands behind a proxy."""
    async with contextlib.AsyncExitStack() as stack:
        ports, proxies = [], {}
        for server in trio.servers:
            if how == "cut off":
                proxies[server] = await stack.enter_async_context(FaultProxy(server.socket_path, TRUST_USER))
            ports.append(proxies[server].port if server in proxies else server.port)
        yield {"host": ["127.0.0.1"] * 3, "port": ports, "user": TRUST_USER, "database": "postgres", "ssl": False,
               "timeout": 10}, proxies


async def fail_over(trio, how, writers, proxies):
    """One failover under load; returns the seconds until the first writer and the last had written again."""
    old, before = trio.primary, len(writers.acknowledged)
    await until(lambda: len(writers.acknowledged) > before + 100)
    if how == "cut off":
        proxies[old].is_black_hole = True
    promoted = await asyncio.to_thread(trio.fail_over, how)
    last, first = await writers.all_write_on(trio.primary.port, promoted)
    return first, last


@pytest.mark.parametrize(("how", "is_synchronous"), WAYS)
async def test_writes_recover_after_a_failover_and_nothing_acknowledged_is_lost(how, is_synchronous):
    with Trio(is_synchronous=is_synchronous) as trio:
        trio.primary.sql(f"create table written (n int primary key); grant all on written to {TRUST_USER}")
        old, retired = trio.primary, []
        async with reachable(trio, how) as (where, proxies), asyncpg_core.create_pool(
                **where, target_session_attrs="read-write", min_size=2, max_size=POOL_SIZE, command_timeout=1) as pool:
            writers = Writers(pool)
            async with writers.at_work():
                for _ in range(times(2, 1)):
                    retired.append(trio.primary)
                    first, last = await fail_over(trio, how, writers, proxies)
                    note("failover under load", how=how, synchronous=is_synchronous, first_write=f"{first:.2f} s",
                         all_writers=f"{last:.2f} s", errors=dict(writers.errors), evicted=pool.stats().n_evicted)
                    assert last < RECOVERY_SECONDS * (2 if how == "cut off" else 1)
            if how != "cut off":    # where nothing tells that a connection is dead
                # Whoever borrows now is on the new primary.
                lent = [await pool.acquire() for _ in range(POOL_SIZE)]
                ports = {await one.fetchval("select current_setting('port')::int") for one in lent}
                assert ports == {trio.primary.port}
                for one in lent:
                    await pool.release(one)
            assert pool.stats().size <= POOL_SIZE
            assert pool.stats().n_evicted >= (how == "demoted")
        check_what_was_written(trio, old, retired, writers, is_synchronous or how in ("switchover", "demoted"))


def check_what_was_written(trio, old, retired, writers, is_lossless):
    """Each acknowledged row is where it was acknowledged, and on the primary if nothing may be lost."""
    there = {trio.primary.port: rows_of(trio.primary)}
    for server in retired:
        if server.process is None:
            server.start()
        there[server.port] = rows_of(server)
    missing = [n for n, port in writers.acknowledged.items() if n not in there[port]]
    assert missing == [], "acknowledged by a server that has never written it"
    lost = [n for n in writers.acknowledged if n not in there[trio.primary.port]]
    note("what was acknowledged", rows=len(writers.acknowledged), lost=len(lost), denied=len(writers.denied))
    assert lost == [] or not is_lossless
    assert not set(writers.denied) & set().union(*there.values()), "said to be not executed, and it was"
