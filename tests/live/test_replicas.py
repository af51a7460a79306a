"""Reading from standbys: who is asked, how old an answer may be, and what becomes of a server that changes its role."""
import asyncio
import contextlib
import io
import os
import time

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.cluster import TRUST_USER, Cluster
from tests.support.standby import Standby
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture(scope="module")
def pair():
    if os.name == "nt":
        pytest.skip("missing feature: embedded server on Windows")
    with Cluster() as primary, Standby(primary) as standby:
        primary.sql(f"create table seen (a int primary key); grant all on seen to {TRUST_USER}")
        yield primary, standby


def at(*clusters, **settings):
    return {"host": ["127.0.0.1"] * len(clusters), "port": [cluster.port for cluster in clusters], "user": TRUST_USER,
            "database": "postgres", "timeout": 10, "min_size": 1, "max_size": 3} | settings


def uri(cluster):
    return f"postgresql://{TRUST_USER}@127.0.0.1:{cluster.port}/postgres"


IS_STANDBY = "select pg_is_in_recovery()"


@contextlib.contextmanager
def paused(standby):
    """The standby replays nothing."""
    standby.sql("select pg_wal_replay_pause()")
    try:
        yield
    finally:
        standby.sql("select pg_wal_replay_resume()")


@pytest.mark.parametrize("where", ["its own hosts", "a DSN", "a callable"])
async def test_reads_go_to_a_standby_and_all_else_to_the_primary(pair, where):
    primary, standby = pair

    async def dsn():
        return uri(standby)

    replicas = {"its own hosts": True, "a DSN": uri(standby), "a callable": dsn}[where]
    clusters = (standby, primary) if where == "its own hosts" else (primary,)
    async with asyncpg_core.create_pool(**at(*clusters, read_replicas=replicas)) as pool:
        assert await pool.fetchval(IS_STANDBY) is False
        assert await pool.fetchval(IS_STANDBY, read_only=True) is True
        assert (await pool.fetchrow(IS_STANDBY, read_only=True))[0] is True
        assert [row[0] for row in await pool.fetch(IS_STANDBY, read_only=True, timeout=5)] == [True]
        async with pool.acquire(read_only=True) as connection, pool.acquire() as other:
            assert await connection.fetchval(IS_STANDBY) is True and await other.fetchval(IS_STANDBY) is False
        lent = await pool.acquire(read_only=True, timeout=5)
        assert await lent.fetchval(IS_STANDBY) is True
        await pool.release(lent)
        with pytest.raises(exceptions.InterfaceError, match="released back"):
            await lent.fetchval(IS_STANDBY)
        stats = pool.stats()
        assert stats.replicas is not None and stats.replicas.n_acquired == 5 and stats.replicas.lent == 0
    assert pool.stats().size == pool.stats().replicas.size == 0


async def drain(things):
    async for _ in things:
        pass


async def columns_of(pool, **reading):
    with contextlib.suppress(exceptions.InterfaceError):    # numpy may be missing: the connection is chosen before
        await pool.fetch_numpy("select 1 as a", **reading)


# Each asks once for something that every server has.
READS = {
    "fetchmany": lambda pool, **reading: pool.fetchmany("select $1::int", [(1,), (2,)], **reading),
    "fetch_arrow": lambda pool, **reading: pool.fetch_arrow("select 1 as a", **reading),
    "fetch_numpy": columns_of,
    "stream_arrow": lambda pool, **reading: drain(pool.stream_arrow("select 1 as a", **reading)),
    "copy_rows": lambda pool, **reading: drain(pool.copy_rows("select 1 as a", **reading)),
    "copy_from_query": lambda pool, **reading: pool.copy_from_query("select 1", output=io.BytesIO(), **reading),
    "copy_from_table": lambda pool, **reading: pool.copy_from_table("seen", output=io.BytesIO(), **reading),
}


@pytest.mark.parametrize("name", READS)
async def test_all_that_fetches_can_ask_a_standby(pair, name):
    async with asyncpg_core.create_pool(**at(*pair, read_replicas=True)) as pool:
        await READS[name](pool)
        assert pool.stats().replicas.n_acquired == 0
        await READS[name](pool, read_only=True)
        assert pool.stats().replicas.n_acquired == 1
        await READS[name](pool, read_only=True, wait_for_lsn=await pool.lsn())
        assert pool.stats().replicas.n_acquired == 2
        assert pool.stats().replicas.lent == pool.stats().lent == 0


    async with asyncpg_core.create_pool(**at(pair[0])) as pool:
        assert await pool.fetchval(IS_STANDBY, read_only=True, wait_for_lsn=await pool.lsn()) is False
        async with pool.acquire(read_only=True) as connection:
            assert await connection.fetchval(IS_STANDBY) is False


async def test_a_read_sees_the_write_whose_place_it_waits_for(pair):
    async with asyncpg_core.create_pool(**at(*pair, read_replicas=True, replica_timeout=5)) as pool:
        for i in range(30):
            await pool.execute("insert into seen values ($1)", i)
            token = await pool.lsn()
            row = await pool.fetchrow("select pg_is_in_recovery(), (select max(a) from seen)", read_only=True,
                                      wait_for_lsn=token)
            assert row == (True, i)
        await pool.execute("delete from seen")


async def test_a_standby_that_stays_behind_gives_way_to_the_primary_in_time(pair):
    primary, standby = pair
    async with asyncpg_core.create_pool(**at(primary, standby, read_replicas=True, replica_timeout=0.2)) as pool:
        assert await pool.fetchval(IS_STANDBY, read_only=True) is True
        with paused(standby):
            await pool.execute("insert into seen values (100)")
            token = await pool.lsn()
            began = time.monotonic()
            row = await pool.fetchrow(
                "select pg_is_in_recovery(), max(a) from seen", read_only=True, wait_for_lsn=token)
            assert row == (False, 100) and 0.2 <= time.monotonic() - began < 2
            assert await pool.fetchval(IS_STANDBY, read_only=True) is True, "who does not mind its age"
        await pool.execute("delete from seen")


async def test_a_waiting_read_goes_on_as_soon_as_the_standby_is_there(pair):
    primary, standby = pair
    async with asyncpg_core.create_pool(**at(primary, standby, read_replicas=True, replica_timeout=5)) as pool:
        with paused(standby):
            await pool.execute("insert into seen values (200)")
            token = await pool.lsn()
            read = asyncio.ensure_future(
                pool.fetchrow("select pg_is_in_recovery(), max(a) from seen", read_only=True, wait_for_lsn=token))
            await until(lambda: pool.stats().replicas.lent == 1)
            await asyncio.sleep(0.1)
            assert not read.done()
        assert await asyncio.wait_for(read, 3) == (True, 200)
        await pool.execute("delete from seen")


async def test_what_is_no_place_in_the_log_is_refused_at_once(pair):
    async with asyncpg_core.create_pool(**at(*pair, read_replicas=True)) as pool:
        for lsn in ("", "x", "0/", "1/2/3", 5, "'; drop table seen; --", "123456789/0"):
            with pytest.raises(ValueError, match="wait_for_lsn is expected"):
                await pool.acquire(read_only=True, wait_for_lsn=lsn)


async def test_reads_go_to_the_primary_while_there_is_no_standby():
    with Cluster() as primary, Standby(primary) as standby:
        async with asyncpg_core.create_pool(**at(primary, standby, read_replicas=True, replica_timeout=1)) as pool:
            assert await pool.fetchval(IS_STANDBY, read_only=True) is True
            standby.stop()
            began = time.monotonic()
            assert [await pool.fetchval(IS_STANDBY, read_only=True) for _ in range(20)] == [False] * 20
            assert time.monotonic() - began < 4
            standby.start()

            async def is_back():
                return await pool.fetchval(IS_STANDBY, read_only=True)

            deadline = time.monotonic() + 10
            while not await is_back():
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


async def test_a_wrong_setting_of_the_standby_is_told_and_hides_behind_no_primary(pair):
    primary, standby = pair
    where = uri(standby).replace("/postgres", "/no_such_database")
    async with asyncpg_core.create_pool(uri(primary), read_replicas=where, min_size=1) as pool:
        with pytest.raises(exceptions.InvalidCatalogNameError):
            await pool.fetchval("select 1", read_only=True)


# A server that is no longer what it was

@pytest.mark.parametrize("how", ["acquire", "one-shot"])
async def test_a_member_whose_server_became_read_only_is_evicted_and_writes_recover(how):
    with Cluster() as old, Cluster() as new:
        for cluster in (old, new):
            cluster.sql(f"create table t (a int); grant all on t to {TRUST_USER}")
        async with asyncpg_core.create_pool(
                **at(old, new, target_session_attrs="read-write") | {"min_size": 3}) as pool:
            assert await pool.fetchval("select inet_server_port()") == old.port
            # As a provider that demotes a server and keeps its connections.
            old.sql("alter system set default_transaction_read_only = on; ")
            old.sql("select pg_reload_conf()")
            began = time.monotonic()
            n_failed = 0
            while True:
                try:
                    if how == "one-shot":
                        await pool.execute("insert into t values ($1)", 1)
                    else:
                        async with pool.acquire() as connection:
                            await connection.execute("insert into t values (1)")
                except exceptions.ReadOnlySQLTransactionError:
                    n_failed += 1
                    await asyncio.sleep(0.01)
                else:
                    if await pool.fetchval("select inet_server_port()") == new.port:
                        break
                assert time.monotonic() - began < 5
            print(f"writes have recovered after {time.monotonic() - began:.2f} s and {n_failed} errors")
            assert n_failed >= 1 and pool.stats().n_evicted >= 1
            for _ in range(10):
                await pool.execute("insert into t values (2)")
            assert pool.stats().size <= 3


async def test_a_user_who_writes_in_a_read_only_transaction_costs_no_connection(pair):
    async with asyncpg_core.create_pool(**at(pair[0], target_session_attrs="read-write") | {"max_size": 1}) as pool:
        pid = await pool.fetchval("select pg_backend_pid()")
        for _ in range(3):
            async with pool.acquire() as connection:
                with pytest.raises(exceptions.ReadOnlySQLTransactionError):
                    async with connection.transaction(readonly=True):
                        await connection.execute("create table no (a int)")
        assert await pool.fetchval("select pg_backend_pid()") == pid and pool.stats().n_evicted == 0


async def test_writes_recover_after_a_promotion_and_the_promoted_standby_is_evicted_from_the_readers():
    with Cluster() as primary, Standby(primary) as standby:
        async with asyncpg_core.create_pool(
                **at(primary, standby, target_session_attrs="read-write", read_replicas=True)) as pool:
            assert await pool.fetchval(IS_STANDBY, read_only=True) is True
            reader = await pool.acquire(read_only=True)
            primary.stop()
            standby.promote()
            began = time.monotonic()
            while True:
                try:
                    await pool.execute("create table if not exists written (a int)")
                    break
                except (OSError, exceptions.PostgresError, exceptions.InterfaceError, asyncio.TimeoutError):
                    assert time.monotonic() - began < 5
                    await asyncio.sleep(0.02)
            print(f"writes have recovered {time.monotonic() - began:.2f} s after the promotion")
            assert await pool.fetchval("select inet_server_port()") == standby.port
            await reader.fetchval("select 1")
            await pool.release(reader)
            if standby.version[0] >= 14:        # the server says that it is no standby any more
                await until(lambda: pool.stats().replicas.n_evicted == 1)
            assert await pool.fetchval(IS_STANDBY, read_only=True) is False
