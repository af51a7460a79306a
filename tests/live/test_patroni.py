"""Three Patroni members over etcd: which is found, and what a failover costs that Patroni decides on.

Only in `make chaos`: after a death Patroni waits at least 20 s before another one leads.
"""
import asyncio
import itertools
import os
import time
from collections import Counter

import pytest

import asyncpg_core
from tests.support.chaos import IS_FULL, note
from tests.support.features import REASON
from tests.support.open_sockets import no_socket_left
from tests.support.writers import Writers

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300), pytest.mark.usefixtures("bare_environment"),
              pytest.mark.skipif(os.name == "nt" or not IS_FULL, reason=REASON + "Patroni outside of `make chaos`")]

POOL_SIZE = 5
# The promise, also the test's bound.
RECOVERY_SECONDS = 5.0
FAULT_SECONDS = 90.0
WAYS = ("switchover", "restart", "server killed", "both killed")


@pytest.fixture(scope="module")
def patroni():
    from tests.support.patroni import Patroni
    from tests.support.postgres_binaries import Unavailable

    try:
        cluster = Patroni()
    except Unavailable as why:
        note("missing", kind="patroni", why=str(why))
        pytest.skip(REASON + "patroni")
    with cluster:
        yield cluster


# Who is found

@pytest.mark.parametrize("wanted", ["primary", "read-write", "standby", "prefer-standby"])
async def test_each_wish_finds_the_members_of_its_kind_in_every_order(patroni, wanted):
    found, leader = Counter(), patroni.leader()
    async with no_socket_left():
        for order in itertools.permutations(patroni.members):
            connection = await asyncpg_core.connect(patroni.dsn(order, target_session_attrs=wanted), timeout=10)
            is_standby = await connection.fetchval("select pg_is_in_recovery()")
            port = connection._addr[1]
            await connection.close()
            fitting = [one.port for one in order if (one is leader) == (wanted in ("primary", "read-write"))]
            assert port == fitting[0] and is_standby == (port != leader.port)
            found[port] += 1
    note("patroni: found", wanted=wanted, counts=sorted(found.values()))


# Faults under load

async def break_it(patroni, how):
    """Do it to the leader; returns when it is done or under way."""
    leader = patroni.leader()
    if how == "switchover":
        await asyncio.to_thread(patroni.post, leader, "switchover", {"leader": leader.name})
    elif how == "restart":
        await asyncio.to_thread(patroni.post, leader, "restart", {})
    else:
        if how == "both killed":
            leader.kill_patroni()
        leader.kill_server()


def next_primary(patroni, before):
    """The primary that is not that life of that server, and the moment at which it took writes."""
    deadline = time.monotonic() + FAULT_SECONDS
    while True:
        for member in patroni.members:
            if member.is_primary() and (member, member.started_at()) not in (before, (member, None)):
                return member, time.monotonic()
        assert time.monotonic() < deadline, patroni.rows()
        time.sleep(0.01)


async def through(patroni, how, writers):
    """One fault under load; returns the primary after it and the seconds of the first write there and the last."""
    old, enough = patroni.leader(), len(writers.acknowledged) + 100
    before = old, old.started_at()
    while len(writers.acknowledged) < enough:
        await asyncio.sleep(0.001)
    fault = asyncio.ensure_future(break_it(patroni, how))
    began = time.monotonic()
    new, since = await asyncio.to_thread(next_primary, patroni, before)
    last, first = await writers.all_write_on(new.port, since)
    await fault
    note("patroni: fault under load", how=how, same_server=new is old, without_primary=f"{since - began:.2f} s",
         first_write=f"{first:.2f} s", all_writers=f"{last:.2f} s", errors=dict(writers.errors))
    assert last < RECOVERY_SECONDS
    if old.process.poll() is not None:
        patroni.start(old)
    await asyncio.to_thread(patroni.wait_healthy)
    assert patroni.leader() is new
    return new


def backends(member):
    asked = f"select count(*) from pg_stat_activity where usename = '{member.user}'"
    return int(member.sql(asked)[0][0])


@pytest.mark.parametrize("how", WAYS)
async def test_writes_recover_after_a_fault_and_nothing_acknowledged_is_lost(patroni, how):
    patroni.wait_healthy()
    leader = patroni.leader()
    leader.sql("drop table if exists written; create table written (n int primary key); "
               f"grant all on written to {leader.user}")
    async with asyncpg_core.create_pool(patroni.dsn(target_session_attrs="read-write"), min_size=2, timeout=10,
                                        max_size=POOL_SIZE, command_timeout=1) as pool:
        writers = Writers(pool)
        async with writers.at_work():
            leader = await through(patroni, how, writers)
        lent = [await pool.acquire() for _ in range(POOL_SIZE)]
        ports = {await one.fetchval("select current_setting('port')::int") for one in lent}
        there = {row["n"] for row in await lent[0].fetch("select n from written")}
        for one in lent:
            await pool.release(one)
        assert ports == {leader.port} and pool.stats().size == POOL_SIZE
        # On the old primary nothing is left, on the new one nothing that the pool does not know of.
        assert [backends(one) for one in patroni.members] == [POOL_SIZE * (one is leader) for one in patroni.members]
    lost = writers.acknowledged.keys() - there
    note("patroni: what was acknowledged", how=how, rows=len(writers.acknowledged), lost=len(lost),
         denied=len(writers.denied), unsure=len(there - writers.acknowledged.keys()))
    assert not lost
    assert not there & set(writers.denied), "said to be not executed, and it was"
    assert "23505" not in writers.errors, "written twice"
