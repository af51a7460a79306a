"""How the connections of a pool are replaced, looked at and counted while borrowers go on."""
import asyncio
import logging
import time

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.live.test_pool import assert_usable, eventually, is_free
from tests.live.test_pool import make as make  # a fixture
from tests.support.backends import end_backends
from tests.support.cluster import PASSWORD, SCRAM_USER
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import until


def pids(pool):
    return {member.session.frontend.backend_pid for member in (*pool._state.idle, *pool._state.lent)}


# Lifetimes

async def test_a_lifetime_replaces_all_under_constant_load_and_nobody_notices(make):
    pool = await make(min_size=4, max_size=4, max_lifetime=0.6)
    before, is_over = pids(pool), False

    async def work():
        n = 0
        while not is_over:
            assert await pool.fetchval("select $1::int", n) == n
            async with pool.acquire() as connection:
                assert await connection.fetchval("select $1::int", n) == n
            n += 1
        return n

    workers = [asyncio.ensure_future(work()) for _ in range(6)]
    began = time.monotonic()
    await until(lambda: not before & pids(pool))
    assert time.monotonic() - began < 0.6 * 1.5
    is_over = True
    assert sum(await asyncio.gather(*workers)) > 100
    assert pool.stats().n_lost == 0
    await assert_usable(pool, 4)


async def test_an_idle_floor_is_replaced_after_its_lifetime(make):
    pool = await make(min_size=2, max_size=2, max_lifetime=0.2)
    before = pids(pool)
    await until(lambda: pool.get_idle_size() == 2 and not before & pids(pool))
    await assert_usable(pool, 2)


# The check

async def test_a_connection_that_does_not_pass_the_check_is_replaced_unseen(make, caplog):
    caplog.set_level(logging.INFO, "asyncpg_core.pool")
    refused = []

    async def check(connection):
        refused.append(connection.get_server_pid())
        if len(refused) == 1:
            raise RuntimeError("not this one")

    pool = await make(check=check, check_after=0)
    before = pids(pool)
    async with pool.acquire() as connection:
        assert connection.get_server_pid() not in before
    assert set(refused) == before and "not this one" in caplog.text
    assert await pool.fetchval("select 1") == 1
    assert len(refused) == 2 and pool.stats().n_check_failed == 1 and pool.stats().n_lost == 1


@pytest.mark.parametrize("how", ["acquire", "fetchval"])
async def test_a_check_that_is_not_answered_ends_at_its_own_deadline(cluster, how):
    async with FaultProxy(cluster.socket_path) as proxy, asyncpg_core.create_pool(
            proxy.dsn, min_size=2, max_size=2, check=True, check_after=0, check_timeout=0.1) as pool:
        proxy.is_black_hole = True

        async def ask():
            if how == "fetchval":
                return await pool.fetchval("select 7")
            async with pool.acquire() as connection:
                return await connection.fetchval("select 7")

        asked = asyncio.ensure_future(ask())
        await until(lambda: pool.stats().n_check_failed == 2)
        proxy.is_black_hole = False
        assert await asyncio.wait_for(asked, 5) == 7


async def test_the_time_to_acquire_includes_the_check(cluster):
    async with FaultProxy(cluster.socket_path) as proxy, asyncpg_core.create_pool(
            proxy.dsn, min_size=1, max_size=1, check=True, check_after=0, check_timeout=5) as pool:
        proxy.is_black_hole = True
        began = time.monotonic()
        with pytest.raises(exceptions.PoolTimeout, match=r"within 0\.2 s"):
            await pool.acquire(timeout=0.2)
        with pytest.raises(exceptions.PoolTimeout, match=r"within 0\.2 s"):
            await pool.fetchval("select 1", timeout=0.2)
        assert time.monotonic() - began < 1.5
        pool.terminate()


async def test_what_was_used_this_moment_is_not_looked_at(make):
    seen = []

    async def check(connection):
        seen.append(connection)

    pool = await make(check=check, check_after=0.2)
    for _ in range(20):
        assert await pool.fetchval("select 1") == 1
        async with pool.acquire():
            pass
    assert seen == []
    await asyncio.sleep(0.25)
    assert await pool.fetchval("select 1") == 1 and len(seen) == 1


@pytest.mark.parametrize("fault", ["returns False", "leaves a transaction", "closes"])
async def test_a_check_that_fails_in_another_way_fails_too(make, fault):
    n = 0

    async def check(connection):
        nonlocal n
        n += 1
        if n > 1:
            return None
        if fault == "returns False":
            return False
        await (connection.execute("begin") if fault == "leaves a transaction" else connection.close())
        return None

    pool = await make(check=check, check_after=0)
    before = pids(pool)
    assert await pool.fetchval("select pg_backend_pid()") not in before
    await assert_usable(pool)


async def test_a_borrower_cancelled_during_the_check_leaves_the_connection(make):
    at_check = asyncio.Event()

    async def check(connection):
        at_check.set()
        await asyncio.sleep(30)

    pool = await make(check=check, check_after=0)
    for ask in (lambda: pool.acquire(), lambda: pool.fetchval("select 1")):
        at_check.clear()

        async def wait(ask=ask):
            return await ask()

        task = asyncio.ensure_future(wait())
        await at_check.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    pool._lender.checks.check = True
    await eventually(lambda: is_free(pool) or pool._tasks)
    for task in pool._tasks:
        task.cancel()       # the call's check, which nobody waits for
    await eventually(lambda: is_free(pool))
    await assert_usable(pool)


async def test_a_pool_that_is_terminated_during_the_check_tells_the_call(make):
    at_check = asyncio.Event()

    async def check(connection):
        at_check.set()
        await asyncio.sleep(30)

    pool = await make(check=check, check_after=0)
    call = asyncio.ensure_future(pool.fetchval("select 1"))
    await at_check.wait()
    pool.terminate()
    with pytest.raises(exceptions.PoolClosed):
        await asyncio.wait_for(call, 5)


# Who may wait

async def test_nobody_waits_in_a_queue_that_is_full(make):
    pool = await make(max_waiting=3)
    held = await pool.acquire()
    waiting = [asyncio.ensure_future(ask) for ask in (
        asyncio.wait_for(pool.acquire(), 10), pool.fetchval("select 1"), asyncio.wait_for(pool.acquire(), 10))]
    await until(lambda: pool.stats().waiting == 3)
    for ask in (pool.acquire, lambda: pool.fetchval("select 1"), lambda: pool.acquire(timeout=5)):
        began = time.monotonic()
        with pytest.raises(exceptions.TooManyRequests, match="^3 callers wait"):
            await ask()
        assert time.monotonic() - began < 0.1
    waiting[0].cancel()
    await until(lambda: pool.stats().waiting == 2)
    waiting.append(asyncio.ensure_future(pool.fetchval("select 2")))
    await until(lambda: pool.stats().waiting == 3)
    await pool.release(held)
    assert await waiting[1] == 1
    await pool.release(await waiting[2])
    assert await waiting[3] == 2
    stats = pool.stats()
    assert (stats.n_refused, stats.n_waited, stats.waiting) == (3, 3, 0)
    await assert_usable(pool)


# Sizes

async def test_a_pool_grows_for_those_who_wait_and_shrinks_without_cutting_anybody(make):
    pool = await make()
    held = [await pool.acquire()]
    waiting = [asyncio.ensure_future(asyncio.wait_for(pool.acquire(), 10)) for _ in range(2)]
    await pool.resize(max_size=3)
    held += await asyncio.gather(*waiting)
    assert (pool.get_size(), pool.get_max_size(), pool.get_min_size()) == (3, 3, 1)
    await pool.resize(min_size=0, max_size=1)
    assert [await c.fetchval("select 5") for c in held] == [5] * 3
    for c in held:
        await pool.release(c)
    await eventually(lambda: pool.get_size() == 1 and is_free(pool))
    await assert_usable(pool)
    await pool.resize(min_size=4, max_size=4)
    await eventually(lambda: pool.get_idle_size() == 4)


async def test_a_size_that_makes_no_sense_changes_nothing(make):
    pool = await make(min_size=2, max_size=4)
    for sizes in ({"min_size": 5}, {"max_size": 0}, {"min_size": -1}, {"min_size": 3, "max_size": 2}):
        with pytest.raises(ValueError, match="size"):
            await pool.resize(**sizes)
    assert (pool.get_min_size(), pool.get_max_size()) == (2, 4)
    await pool.resize(max_size=1)
    assert (pool.get_min_size(), pool.get_max_size(), pool.get_init_size()) == (1, 1, 1)


# Draining and rotating

async def test_drain_returns_when_the_last_old_connection_has_come_back(make):
    pool = await make(min_size=2, max_size=3)
    lent = await pool.acquire()
    before = pids(pool)
    with pytest.raises(exceptions.PoolTimeout, match=r"^1 connections of the pool are still in use after 0\.05 s$"):
        await pool.drain(timeout=0.05)
    drained = asyncio.ensure_future(pool.drain())
    assert await lent.fetchval("select 1") == 1 and not drained.done()
    await pool.release(lent)
    await asyncio.wait_for(drained, 5)
    await eventually(lambda: pool.get_idle_size() == 2)
    assert not before & pids(pool)
    await assert_usable(pool, 3)


# Before PostgreSQL 14 a password is kept for MD5 unless told otherwise.
AS_SCRAM = "set password_encryption = 'scram-sha-256';"


async def test_rotate_changes_the_credentials_and_cuts_nobody(cluster):
    try:
        async with asyncpg_core.create_pool(cluster.dsn(SCRAM_USER), min_size=3, max_size=3) as pool:
            is_over = False

            async def work():
                n = 0
                while not is_over:
                    async with pool.acquire() as connection:
                        assert await connection.fetchval("select $1::int", n) == n
                        n += 1
                return n

            workers = [asyncio.ensure_future(work()) for _ in range(8)]
            lent = await pool.acquire()
            old = pids(pool)
            cluster.sql(f"{AS_SCRAM} alter role {SCRAM_USER} password 'new'")
            with pytest.raises(exceptions.InvalidPasswordError):
                await pool.rotate(password="neither")
            assert await lent.fetchval("select 1") == 1
            await pool.rotate(password="new")
            assert await lent.fetchval("select 2") == 2
            await pool.release(lent)
            await asyncio.wait_for(pool.drain(), 5)
            assert not old & pids(pool)
            is_over = True
            assert sum(await asyncio.gather(*workers)) > 8
            assert pool.stats().n_lost == 0
            await assert_usable(pool, 3)
            await eventually(lambda: is_free(pool))
    finally:
        cluster.sql(f"{AS_SCRAM} alter role {SCRAM_USER} password '{PASSWORD}'")


async def test_rotate_in_a_full_pool_takes_the_place_of_one_that_comes_back(make):
    pool = await make(min_size=1, max_size=1)
    lent = await pool.acquire()
    rotated = asyncio.ensure_future(pool.rotate(server_settings={"application_name": "rotated"}))
    waiting = asyncio.ensure_future(pool.fetchval("show application_name"))
    await until(lambda: pool.stats().waiting == 2)
    assert pool.stats().size == 1
    await pool.release(lent)
    await asyncio.wait_for(rotated, 5)
    assert await asyncio.wait_for(waiting, 5) == "rotated" and pool.stats().size == 1
    await pool.rotate()
    assert await pool.fetchval("show application_name") == "rotated"


async def test_rotate_that_is_cancelled_gives_its_place_back(make):
    pool = await make(min_size=1, max_size=1)
    lent = await pool.acquire()
    rotated = asyncio.ensure_future(pool.rotate(server_settings={"application_name": "rotated"}))
    await until(lambda: pool.stats().waiting == 1)
    rotated.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rotated
    await pool.release(lent)
    await assert_usable(pool)
    assert await pool.fetchval("show application_name") != "rotated"


async def test_a_password_that_changes_is_asked_for_each_connection(cluster, make):
    passwords = ["wrong", PASSWORD]
    users = []

    async def user():
        users.append(SCRAM_USER)
        return users[-1]

    async def password():
        return passwords[-1]

    pool = await make(cluster.dsn(SCRAM_USER), user=user, password=password, ssl=lambda: False)
    assert await pool.fetchval("select current_user::text") == SCRAM_USER and len(users) == 1
    await pool.expire_connections()
    assert await pool.fetchval("select 1") == 1 and len(users) == 2


async def test_connect_takes_callables_too(dsn):
    async def where():
        return dsn

    connection = await asyncpg_core.connect(where, server_settings=lambda: {"application_name": "called"})
    assert await connection.fetchval("show application_name") == "called"
    await connection.close()


async def test_a_server_that_refuses_the_password_is_not_stormed(cluster):
    pool = asyncpg_core.create_pool(
        cluster.dsn(SCRAM_USER), password=lambda: passwords[0], min_size=0, max_size=3)
    passwords = ["wrong"]
    async with pool:
        outcomes = await asyncio.gather(*[pool.fetchval("select 1") for _ in range(200)], return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {exceptions.InvalidPasswordError}
        assert pool.stats().n_connect_failed <= 6
        passwords[0] = PASSWORD
        await pool.rotate()
        assert await pool.fetchval("select 1") == 1


# What it says of itself

async def test_stats_tell_what_happened(make, connection, cluster):
    pool = await make(min_size=1, max_size=2, share=2)
    assert await pool.fetchval("select 1") == 1
    first, second = await pool.acquire(), await pool.acquire()
    waiting = asyncio.ensure_future(pool.fetchval("select 1"))
    await until(lambda: pool.stats().waiting == 1)
    with pytest.raises(exceptions.PoolTimeout):
        await pool.acquire(timeout=0.02)
    with pytest.raises(exceptions.PoolTimeout):
        await pool.fetchval("select 1", timeout=0.02)
    stats = pool.stats()
    assert (stats.min_size, stats.max_size, stats.size, stats.idle, stats.lent) == (1, 2, 2, 0, 2)
    await pool.release(first)
    await waiting
    await pool.release(second)
    end_backends(cluster, [*pids(pool)][:1])
    await eventually(lambda: pool.stats().n_lost == 1)
    stats = pool.stats()
    assert (stats.n_acquired, stats.n_opened, stats.n_closed, stats.n_timeouts) == (4, 2, 1, 2)
    assert stats.n_waited == 2 and 0 < stats.wait_seconds_max <= stats.wait_seconds
    assert stats.replicas is None
    with pytest.raises(AttributeError):
        stats.idle = 3


async def test_stats_tell_how_many_calls_share_a_connection(make):
    pool = await make(share=1)
    await asyncio.gather(*[pool.fetchval("select 1") for _ in range(50)])
    calls = [asyncio.ensure_future(pool.fetchval("select $1::int", i)) for i in range(20)]
    await asyncio.sleep(0)
    stats = pool.stats()
    assert stats.shared == 1 and stats.shared_calls == stats.shared_depth >= 2
    assert await asyncio.gather(*calls) == list(range(20))
    assert pool.stats().shared_calls == 0 and pool.stats().n_acquired == 70


# The end

async def test_close_that_has_a_timeout_ends_the_borrowers_and_says_so(make):
    pool = await make(min_size=2, max_size=2)
    lent = await pool.acquire()
    other = await pool.acquire()
    waiting = asyncio.ensure_future(pool.fetchval("select 1"))
    await until(lambda: pool.stats().waiting == 1)
    began = time.monotonic()
    with pytest.raises(exceptions.PoolTimeout, match=r"not all released within 0\.1 s"):
        await pool.close(timeout=0.1)
    assert time.monotonic() - began < 1
    with pytest.raises(exceptions.PoolClosed, match="^pool is closing"):
        await waiting
    assert lent.is_closed() and other.is_closed() and pool.get_size() == 0
    with pytest.raises(exceptions.PoolClosed, match="^pool is closed"):
        await pool.acquire()
    await pool.close(timeout=1)


async def test_close_that_is_in_time_says_nothing(make):
    pool = await make()
    lent = await pool.acquire()
    closing = asyncio.ensure_future(pool.close(timeout=5))
    await asyncio.sleep(0)
    assert await lent.fetchval("select 1") == 1
    await pool.release(lent)
    await asyncio.wait_for(closing, 2)
