"""What asyncpg's pools promise and other files do not show: sizes at the start, changed settings, secrets, the end."""
import asyncio
import random

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.cluster import PASSWORD, SCRAM_USER
from tests.support.waiting import until


@pytest.mark.parametrize(("sizes", "opened"), [
    ({"min_size": 0, "max_size": 3}, 0), ({"min_size": 0, "max_size": 3, "init_size": 2}, 2),
    ({"min_size": 1, "max_size": 3, "init_size": 3}, 3), ({"min_size": 2, "max_size": 3}, 2)])
async def test_init_size_is_opened_at_the_start_and_the_floor_without_it(dsn, sizes, opened):
    async with asyncpg_core.create_pool(dsn, **sizes) as pool:
        assert (pool.get_size(), pool.get_idle_size()) == (opened, opened)
        assert pool.get_min_size() == sizes["min_size"] and pool.get_init_size() == sizes.get("init_size", opened)
        assert await pool.fetchval("select 1") == 1
        assert pool.get_size() == max(opened, 1)


async def test_new_settings_go_for_the_connections_that_are_made_from_now_on(dsn):
    async with asyncpg_core.create_pool(
            dsn, min_size=1, max_size=2, server_settings={"application_name": "old"}, command_timeout=5) as pool:
        pool.set_connect_args(dsn, server_settings={"application_name": "new"})
        first, second = await pool.acquire(), await pool.acquire()
        assert [await c.fetchval("show application_name") for c in (first, second)] == ["old", "new"]
        await pool.release(first)
        await pool.release(second)
        await pool.expire_connections()
        first, second = await pool.acquire(), await pool.acquire()
        assert [await c.fetchval("show application_name") for c in (first, second)] == ["new", "new"]
        await pool.release(first)
        await pool.release(second)


async def test_settings_that_cannot_work_leave_what_is_open_alone(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=2) as pool:
        pool.set_connect_args(dsn, database="none such")
        async with pool.acquire() as open_one:
            with pytest.raises(exceptions.InvalidCatalogNameError):
                await pool.acquire()
            assert await open_one.fetchval("select 1") == 1
        assert await pool.fetchval("select 1") == 1


async def test_a_query_logger_learns_no_password(cluster):
    records = []
    async with asyncpg_core.create_pool(
            cluster.dsn(SCRAM_USER), password=PASSWORD, max_size=1) as pool, pool.acquire() as connection:
        with connection.query_logger(records.append):
            await connection.fetchval("select $1::int", 7)
            with pytest.raises(exceptions.DivisionByZeroError):
                await connection.execute("select 1 / 0")
            await until(lambda: len(records) == 2)
    assert [(record.query, type(record.exception).__name__) for record in records] == [
        ("select $1::int", "NoneType"), ("select 1 / 0", "DivisionByZeroError")]
    for record in records:
        assert record.conn_params.user == SCRAM_USER
        assert PASSWORD not in repr(record) and PASSWORD not in str(vars_of(record.conn_params))


def vars_of(value, depth=3):
    """All that can be read off an object, as asyncpg's users do with conn_params."""
    if depth == 0 or isinstance(value, str | bytes | int | float | type(None)):
        return value
    return {name: vars_of(getattr(value, name, None), depth - 1) for name in dir(value) if not name.startswith("__")}


@pytest.mark.parametrize("seed", range(4))
async def test_close_lends_no_connection_that_it_is_going_to_cut(dsn, seed):
    """Whoever was lent a connection may use it to the end of his block; everybody else is refused."""
    chance = random.Random(seed)
    pool = await asyncpg_core.create_pool(dsn, min_size=2, max_size=3)
    outcomes = []

    async def work():
        try:
            while True:
                if chance.random() < 0.3:
                    assert await pool.fetchval("select 1") == 1
                    continue
                async with pool.acquire() as connection:
                    for _ in range(3):
                        assert await connection.fetchval("select 1") == 1
                        await asyncio.sleep(chance.random() / 500)
        except Exception as error:
            outcomes.append(error)

    tasks = [asyncio.create_task(work()) for _ in range(12)]
    await asyncio.sleep(0.03)
    await asyncio.wait_for(pool.close(), 5)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert [type(outcome) for outcome in outcomes] == [exceptions.PoolClosed] * 12
    assert pool.get_size() == 0


async def test_close_while_connections_are_being_opened_lends_none_of_them(dsn):
    pool = await asyncpg_core.create_pool(dsn, min_size=0, max_size=4)
    waiting = [asyncio.create_task(pool.fetchval("select 1")) for _ in range(4)]
    await asyncio.sleep(0)
    await asyncio.wait_for(pool.close(), 5)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(outcome == 1 or isinstance(outcome, exceptions.PoolClosed) for outcome in outcomes)


async def test_a_released_connection_is_refused_although_another_borrower_has_its_session(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        first = await pool.acquire()
        pid = first.get_server_pid()
        await pool.release(first)
        async with pool.acquire() as second:
            assert second.get_server_pid() == pid
            with pytest.raises(exceptions.InterfaceError, match="connection has been released"):
                await first.fetchval("select 1")
            await pool.release(first)
            assert await second.fetchval("select 1") == 1


async def test_a_prepared_statement_and_a_cursor_of_a_released_connection_are_refused(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        async with pool.acquire() as connection:
            statement = await connection.prepare("select 1")
            transaction = connection.transaction()
        for call in (statement.fetch, statement.fetchval, transaction.start):
            with pytest.raises(exceptions.InterfaceError, match="has been released back to the pool"):
                await call()
