"""Plain one-shot calls of a pool that share connections: each gets its own answer, and nobody else is touched."""
import asyncio
import random

import pytest

import asyncpg_core
from asyncpg_core.exceptions import ConnectionDoesNotExistError, DivisionByZeroError, PostgresError


@pytest.fixture
async def table(dsn):
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        await pool.execute("create table if not exists shared_rows (id int primary key)")
        await pool.execute("truncate shared_rows")
        yield "shared_rows"
        await pool.execute("drop table shared_rows")


async def pace_of(pool):
    """Let the pool see that statements are quick."""
    for _ in range(60):
        await pool.fetchval("select 1")


async def most_riders(pool, calls):
    """Run calls and return how many were on one connection at most."""
    most = 0
    tasks = [asyncio.ensure_future(call) for call in calls]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        most = max([most, *(member.n_riders for member in pool._state.lent)])
    return most, await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_plain_calls_go_together_and_each_gets_its_own_answer(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2) as pool:
        await pace_of(pool)
        most, answers = await most_riders(pool, [pool.fetchval("select $1::int", n) for n in range(200)])
        assert answers == list(range(200)) and most > 3
        assert not pool._state.carriers and pool.get_idle_size() == 2


@pytest.mark.parametrize("settings", [{"share": False}, {"reset": "always"}], ids=str)
async def test_sharing_can_be_turned_off(dsn, settings):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2, **settings) as pool:
        await pace_of(pool)
        most, answers = await most_riders(pool, [pool.fetchval("select $1::int", n) for n in range(100)])
        assert answers == list(range(100)) and most == 1


async def test_reset_always_resets_after_a_plain_call_too(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, reset="always") as pool:
        await pool.fetchval("select pg_advisory_lock(7)")
        before = pool._state.idle[0].session.n_executed
        await pool.fetchval("select 1")
        await asyncio.sleep(0.05)
        statements = await pool.fetchval("select query from pg_stat_activity where pid = pg_backend_pid()")
        assert "pg_stat_activity" in statements and pool._state.idle[0].session.n_executed == before + 2


@pytest.mark.parametrize("sql", ["begin", "set search_path = pg_catalog", "select set_config('a.b', 'c', false)"])
async def test_what_may_change_a_session_has_it_alone(dsn, sql):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pace_of(pool)
        _, answers = await most_riders(pool, [
            call for n in range(30) for call in (pool.execute(sql), pool.fetchval("show search_path"))])
        assert not any(isinstance(answer, BaseException) for answer in answers)
        assert set(answers[1::2]) == {'"$user", public'}


async def test_no_acknowledged_row_is_lost_when_others_begin(dsn, table):
    async with asyncpg_core.create_pool(dsn, min_size=4, max_size=4) as pool:
        await pace_of(pool)
        acknowledged = []

        async def insert(n):
            await pool.execute("insert into shared_rows values ($1)", n)
            acknowledged.append(n)

        async def begin():
            await pool.execute("BEGIN")

        await asyncio.gather(*[begin() if n % 7 == 0 else insert(n) for n in range(1000)])
        stored = {row["id"] for row in await pool.fetch("select id from shared_rows")}
        assert set(acknowledged) == stored == {n for n in range(1000) if n % 7}


async def test_an_error_is_the_callers_alone(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pace_of(pool)
        most, answers = await most_riders(pool, [pool.fetchval("select 1 / $1::int", n % 5) for n in range(100)])
        assert most > 3
        for n, answer in enumerate(answers):
            assert isinstance(answer, DivisionByZeroError) if n % 5 == 0 else answer == 1 // (n % 5)


async def test_a_borrower_gets_a_connection_although_calls_come_without_end(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2) as pool:
        await pace_of(pool)
        going = True

        async def ask():
            while going:
                await pool.fetchval("select 1")

        tasks = [asyncio.ensure_future(ask()) for _ in range(50)]
        await asyncio.sleep(0.05)
        for _ in range(20):
            async with asyncio.timeout(5) if hasattr(asyncio, "timeout") else Unbounded(), pool.acquire() as connection:
                assert await connection.fetchval("select 2") == 2
        going = False
        await asyncio.gather(*tasks)


class Unbounded:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None


async def test_slow_calls_are_spread_over_all_connections(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=8, max_size=8) as pool:
        for _ in range(3):
            await asyncio.gather(*[pool.fetchval("select pg_sleep(0.02)") for _ in range(8)])
        most, _ = await most_riders(pool, [pool.fetchval("select pg_sleep(0.02)") for _ in range(24)])
        assert most == 1


async def test_a_cancelled_call_takes_no_other_with_it(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2) as pool:
        await pace_of(pool)
        dice = random.Random(5)
        for _ in range(10):
            tasks = [asyncio.ensure_future(pool.fetchval("select $1::int", n)) for n in range(60)]
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
            cancelled = {n for n in range(60) if dice.random() < 0.2 and tasks[n].cancel()}
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            for n, answer in enumerate(answers):
                assert answer == n or (n in cancelled and isinstance(answer, asyncio.CancelledError))
        assert await pool.fetchval("select 3") == 3 and not pool._state.carriers


async def test_a_call_that_is_cancelled_before_the_reset_in_front_of_it_is_answered_takes_no_other_with_it(
        dsn, quiet_loop):
    slow, quick = "select $2::int from pg_sleep($1)", "select $1::int"
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pace_of(pool)
        for _ in range(60):
            assert (await pool.fetchval(slow, 0, 1), await pool.fetchval(quick, 2)) == (1, 2)
        connection = await pool.acquire()
        session = connection._session
        await connection.execute("begin")
        await pool.release(connection)
        pool._state.pace = 0.0      # However slow this machine is, the four go together.
        first, *others = calls = [pool.fetchval(slow, 0.2, 1), *[pool.fetchval(quick, n) for n in range(3)]]
        for call in calls:
            call.add_done_callback(lambda call: None)   # starts it
        # What the server has said last is of the borrower's transaction.
        assert session.is_resetting and pool._state.carriers[0].n_riders == 4
        assert len(quiet_loop) == 1 and "active transaction" in quiet_loop.pop()
        first.cancel()
        assert await asyncio.gather(*others) == [0, 1, 2]
        assert not session.is_closed and await pool.fetchval("select pg_current_xact_id_if_assigned() is null")


async def test_calls_that_were_not_executed_go_elsewhere_when_their_connection_dies(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2) as pool:
        await pace_of(pool)
        pid = await pool.fetchval("select pg_backend_pid()")
        tasks = [asyncio.ensure_future(pool.fetchval("select $1::int", n)) for n in range(100)]
        await asyncio.sleep(0)
        async with asyncpg_core.create_pool(dsn, max_size=1) as other:
            await other.fetchval("select pg_terminate_backend($1)", pid)
        for n, answer in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
            assert answer == n or isinstance(answer, (ConnectionDoesNotExistError, PostgresError))
        assert await pool.fetchval("select 3") == 3
