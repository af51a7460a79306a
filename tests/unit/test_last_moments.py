"""Ends that meet something else: a cancel and a result, a close and a reset, a release and calls that nobody awaits."""
import asyncio
import warnings

import pytest

import asyncpg_core
from asyncpg_core.limit import within
from tests.support.fake_server import DESCRIBED, FakeServer, complete, error, ready
from tests.support.waiting import until

CANCELLED = error("57014", "canceling statement due to user request")


async def one_answer(session):
    """Lets the client in, answers its first simple query, and says no more."""
    await session.start()
    await session.take_to("Q")
    session.send(complete("SELECT 1"), ready())
    await session.gone()


async def test_a_cancel_in_the_moment_of_the_result_is_heard():
    loop = asyncio.get_running_loop()
    for is_direct in (True, False):
        there = loop.create_future()

        async def wait(there=there):
            return await there

        task = loop.create_task(within(5, there if is_direct else wait()))
        await asyncio.sleep(0)
        there.set_result(17)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_within_gives_the_value_the_error_or_a_timeout_and_leaves_nothing_running():
    async def value():
        return 17

    async def fail():
        raise LookupError

    assert await within(5, value()) == await within(None, value()) == 17
    with pytest.raises(LookupError):
        await within(5, fail())
    before = asyncio.all_tasks()
    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, asyncio.sleep(5))
    assert asyncio.all_tasks() == before


async def test_a_connection_in_its_reset_is_closed_without_a_cancel_of_it(caplog):
    async with FakeServer(one_answer) as server:
        pool = await asyncpg_core.create_pool(server.dsn, min_size=1, max_size=1)
        async with pool.acquire() as connection:
            await connection.execute("SELECT 1")
            session = connection._session
        await until(lambda: session.is_resetting and session.frontend.n_pending)
        await pool.expire_connections()
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert server.cancels == [] and not session.is_closed
        pool.terminate()
        await asyncio.gather(*pool._tasks, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records] == []


async def test_explain_that_is_cancelled_does_not_wait_for_its_rollback():
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        statement = await connection.prepare("SELECT 1 AS a")
        task = asyncio.ensure_future(statement.explain(analyze=True))
        await until(lambda: connection._session.frontend.n_pending)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=1)
        assert done and task.cancelled() and not connection.is_in_transaction()
        connection.terminate()


async def test_calls_that_were_not_awaited_when_the_connection_was_released_fail_in_silence():
    complaints = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: complaints.append(context["message"]))
    async with FakeServer(one_answer) as server:
        pool = await asyncpg_core.create_pool(server.dsn, min_size=1, max_size=1)
        connection = await pool.acquire()
        await connection.execute("SELECT 1")
        block = connection.pipeline()
        await block.__aenter__()
        call = block.fetchval("SELECT 2")
        await pool.release(connection)
        assert call.done()
        del call, connection, block
        pool.terminate()
        await asyncio.gather(*pool._tasks, return_exceptions=True)
    loop.set_exception_handler(None)
    assert complaints == []


async def test_a_closed_connection_is_in_no_transaction():
    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.send(complete("BEGIN"), ready("T"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        await connection.execute("BEGIN")
        assert connection.is_in_transaction()
        connection.terminate()
        assert not connection.is_in_transaction()


async def test_listeners_of_a_connection_that_is_lost_are_not_complained_of_at_its_release():
    async def script(session):
        await session.start()
        await session.gone()

    async with FakeServer(script) as server:
        pool = await asyncpg_core.create_pool(server.dsn, min_size=1, max_size=1)
        connection = await pool.acquire()
        connection.add_log_listener(print)
        connection.terminate()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await pool.release(connection)
        pool.terminate()
        await asyncio.gather(*pool._tasks, return_exceptions=True)


async def test_a_group_whose_members_are_cancelled_half_written_gets_its_sync():
    """Nothing is answered before the Sync: the request to cancel must not keep it back."""
    async def script(session):
        await session.start()
        while not (await session.take_to("S", "E")).endswith("E"):
            session.send(DESCRIBED, ready())
        await asyncio.wait_for(server.cancelled.wait(), 5)
        await session.take_to("S")
        session.send(CANCELLED, ready())
        await session.take_to("Q")
        session.send(complete("SELECT 1"), ready())
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        async with connection.pipeline() as p:
            calls = [p.executemany("SELECT 1 AS a", [()] * 200_000), p.fetchval("SELECT 2 AS a")]
        gathered = asyncio.gather(*calls)
        await until(lambda: connection._session.n_executed)
        gathered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathered
        assert await asyncio.wait_for(connection.execute("SELECT 1"), 3) == "SELECT 1"
        connection.terminate()
