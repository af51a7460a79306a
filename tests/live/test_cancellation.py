"""Deadlines and cancellation: who gets what at once, what the server is told, and that neighbours keep their own."""
import asyncio
import random

import pytest

import asyncpg_core
from asyncpg_core import canceller, exceptions
from tests.support.fake_server import BOUND, DESCRIBED, ONE_ROW, FakeServer, complete, data_row, error, ready
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import until, until_active

CANCELLED = error("57014", "canceling statement due to user request")


def status(connection):
    return connection._session.frontend.transaction_status


def n_pending(connection):
    return connection._session.frontend.n_pending


# Deadlines

@pytest.mark.parametrize("call", [
    lambda c: c.fetch("select pg_sleep(30)", timeout=0.05), lambda c: c.fetchval("select pg_sleep(30)", timeout=0.05),
    lambda c: c.execute("select pg_sleep(30)", timeout=0.05),
    lambda c: c.fetchrow("select pg_sleep($1)", 30, timeout=0.05),
    lambda c: c.executemany("select pg_sleep($1)", [(30,)], timeout=0.05),
    lambda c: c.fetchmany("select pg_sleep($1)", [(30,)], timeout=0.05)])
async def test_a_call_that_takes_too_long_times_out_and_the_connection_stays_usable(connection, call):
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(asyncio.TimeoutError) as caught:
        await call(connection)
    assert 0.04 < loop.time() - began < 0.5
    assert isinstance(caught.value, exceptions.QueryTimeout)
    assert "0.05 s" in str(caught.value)
    assert await asyncio.wait_for(connection.fetchval("select 1"), 2) == 1
    assert (status(connection), n_pending(connection)) == ("I", 0)


async def test_command_timeout_is_the_default_and_a_call_may_have_more(connect):
    connection = await connect(command_timeout=0.05)
    with pytest.raises(asyncio.TimeoutError):
        await connection.fetchval("select pg_sleep(30)")
    assert await connection.fetchval("select 1 from pg_sleep(0.1)", timeout=5) == 1
    statement = await connection.prepare("select pg_sleep($1)")
    with pytest.raises(asyncio.TimeoutError):
        await statement.fetch(30)
    assert await connection.fetchval("select 1") == 1


async def test_each_of_many_deadlines_is_kept(connection):
    # The later calls wait behind the first and are dropped unwritten or abandoned, each at its own time.
    loop = asyncio.get_running_loop()
    began = loop.time()
    ended = {}

    async def one(seconds):
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval("select pg_sleep(30)", timeout=seconds)
        ended[seconds] = loop.time() - began

    await asyncio.gather(*[one(seconds) for seconds in (0.15, 0.05, 0.1)])
    assert all(seconds - 0.01 < at < seconds + 0.1 for seconds, at in ended.items()), ended
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_a_timeout_in_a_transaction_leaves_it_failed(connection):
    transaction = connection.transaction()
    await transaction.start()
    await connection.fetchval("select 1")
    with pytest.raises(asyncio.TimeoutError):
        await connection.fetchval("select pg_sleep(30)", timeout=0.05)
    with pytest.raises(exceptions.InFailedSQLTransactionError):
        await connection.fetchval("select 1")
    await transaction.rollback()
    assert (await connection.fetchval("select 2"), status(connection)) == (2, "I")


async def test_the_deadline_covers_the_preparation(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        proxy.is_black_hole = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval("select 1 /* new */", timeout=0.1)
        assert loop.time() - began < 1
        connection.terminate()


# The rows of the design's table

async def test_not_yet_written_is_dropped(connection):
    await connection.execute("create temp table t (a int)")
    loop = asyncio.get_running_loop()
    slow = loop.create_task(connection.fetchval("select 1 from pg_sleep(0.05)"))
    await until(lambda: n_pending(connection) == 1)
    queued = loop.create_task(connection.execute("insert into t values (1)"))
    await asyncio.sleep(0)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    assert await slow == 1
    assert await connection.fetchval("select count(*) from t") == 0


async def test_written_but_not_at_the_head_is_abandoned(cluster, connection):
    await connection.execute("create temp table t (a int)")
    loop = asyncio.get_running_loop()
    slow = loop.create_task(connection.fetchval("select 1 from pg_sleep(0.1)"))
    behind = loop.create_task(connection.execute("insert into t values (1)"))
    last = loop.create_task(connection.execute("select 5"))
    await until(lambda: n_pending(connection) == 3)
    behind.cancel()
    with pytest.raises(asyncio.CancelledError):
        await behind
    assert not slow.done()
    # Nobody was cancelled on the server: the abandoned INSERT was executed.
    assert (await slow, await last) == (1, "SELECT 1")
    assert await connection.fetchval("select count(*) from t") == 1


async def test_alone_at_the_head_is_cancelled_on_the_server_and_writes_are_held():
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        await asyncio.wait_for(server.cancelled.wait(), 5)
        n_taken = len(session.taken)
        await asyncio.sleep(0.05)
        assert session.reader._buffer == b""
        assert len(session.taken) == n_taken
        session.send(CANCELLED, ready())
        await session.take_to("S")
        session.send(ONE_ROW, ready())
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        task = asyncio.get_running_loop().create_task(connection.fetchval("select 1 as a"))
        await until(lambda: connection._session.n_executed == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(connection.fetchval("select 1 as a"), 5) == 1
        assert server.cancels == [(4711, b"key!")]
        connection.terminate()


async def test_head_with_a_neighbour_waiting_gets_a_second_before_it_is_cancelled(connection, monkeypatch):
    monkeypatch.setattr(canceller, "STUCK_SECONDS", 0.1)
    await connection.fetchval("select $1::int", 0)
    loop = asyncio.get_running_loop()
    head = loop.create_task(connection.execute("select pg_sleep(30)"))
    neighbour = loop.create_task(connection.fetchval("select $1::int", 5))
    await until(lambda: n_pending(connection) == 2)
    began = loop.time()
    head.cancel()
    with pytest.raises(asyncio.CancelledError):
        await head
    assert loop.time() - began < 0.05
    assert await asyncio.wait_for(neighbour, 5) == 5
    assert 0.09 < loop.time() - began < 2


async def test_head_is_cancelled_when_the_last_neighbour_goes(dsn, connection):
    loop = asyncio.get_running_loop()
    observer = await asyncpg_core.connect(dsn)
    head = loop.create_task(connection.execute("select pg_sleep(30)"))
    neighbour = loop.create_task(connection.execute("select 1"))
    await until(lambda: n_pending(connection) == 2)
    # A request that comes before the server has begun is lost, and the next one is sent a second later.
    await until_active(observer, connection, "pg_sleep")
    await observer.close()
    head.cancel()
    await asyncio.gather(head, return_exceptions=True)
    began = loop.time()
    neighbour.cancel()
    await asyncio.gather(neighbour, return_exceptions=True)
    assert await asyncio.wait_for(connection.fetchval("select 2"), 5) == 2
    assert loop.time() - began < 0.9


@pytest.mark.parametrize("query", ["select 1 as a", "call x()"])
async def test_a_neighbour_hit_by_the_cancel_runs_once_more_if_it_is_plain(query, monkeypatch):
    # The request is meant for the first; it arrives when the server is already at the second.
    monkeypatch.setattr(canceller, "STUCK_SECONDS", 0.05)
    is_plain = query.startswith("select")

    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        session.send(ONE_ROW, ready())
        assert await session.take_to("S") == "QBES"
        await asyncio.wait_for(server.cancelled.wait(), 5)
        session.send(complete("SELECT 1"), ready(), BOUND, CANCELLED, ready())
        if is_plain:
            assert await session.take_to("S") == "BES"
            session.send(ONE_ROW, ready())
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        assert await connection.fetchval(query) == 1
        loop = asyncio.get_running_loop()
        head = loop.create_task(connection.execute("select pg_sleep(1)"))
        neighbour = loop.create_task(connection.fetchval(query))
        await until(lambda: n_pending(connection) == 2)
        head.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(head, neighbour, return_exceptions=True), 5)
        if is_plain:
            assert outcomes[1] == 1
        else:
            assert type(outcomes[1]) is exceptions.QueryCanceledError
        connection.terminate()


async def test_a_server_that_does_not_answer_a_cancelled_statement_is_given_up(monkeypatch):
    monkeypatch.setattr(canceller, "CANCEL_SECONDS", 0.2)

    async def script(session):
        await session.start()
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute("select 1", timeout=0.05)
        with pytest.raises(exceptions.ConnectionDoesNotExistError, match="has not answered a cancelled statement"):
            await asyncio.wait_for(connection.execute("select 2"), 5)
        assert 0.2 < loop.time() - began < 2
        assert connection.is_closed()
        assert len(server.cancels) == 1


async def test_a_cancel_request_that_gets_no_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(canceller, "CANCEL_SECONDS", 0.2)

    async def script(session):
        await session.start()
        await session.gone()

    async with FakeServer(script, answers_cancel=False) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute("select 1", timeout=0.05)
        with pytest.raises(exceptions.ConnectionDoesNotExistError):
            await asyncio.wait_for(connection.execute("select 2"), 5)
        assert connection.is_closed()


async def test_the_bounds_are_those_of_the_design():
    assert (canceller.CANCEL_SECONDS, canceller.STUCK_SECONDS) == (5.0, 1.0)


async def test_an_executemany_cancelled_half_written_applies_nothing(connection):
    await connection.execute("create temp table t (a int, b text)")
    taken = []

    def elements():
        for i in range(100_000):
            taken.append(i)
            yield i, "x" * 1000

    task = asyncio.get_running_loop().create_task(connection.executemany("insert into t values ($1, $2)", elements()))
    await until(lambda: len(taken) > 1000)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    n_taken = len(taken)
    assert await asyncio.wait_for(connection.fetchval("select count(*) from t"), 10) == 0
    assert len(taken) == n_taken < 100_000
    assert status(connection) == "I"


async def test_cancel_in_the_middle_of_a_large_result_leaves_the_connection_usable(connection):
    task = asyncio.get_running_loop().create_task(
        connection.fetch("select i, repeat('x', 500) from generate_series(1, 200000) i"))
    await until(lambda: connection._session.n_executed == 1)
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_cancel_of_prepare_leaves_the_connection_usable(connection):
    task = asyncio.get_running_loop().create_task(connection.prepare("select 1"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_thousands_of_calls_cancelled_at_random_points_never_mix_results(connection):
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    wrong = []
    counts = {"done": 0, "gone": 0}

    async def one(n):
        try:
            kind = n % 4
            if kind == 0:
                value = await connection.fetchval("select $1::int", n)
            elif kind == 1:
                value = (await connection.fetch("select $1::int + i * 0 from generate_series(1, 50) i", n))[49][0]
            elif kind == 2:
                seconds = chance.random() * 0.01
                value = await connection.fetchval("select $1::int from pg_sleep(0.001)", n, timeout=seconds)
            else:
                value = int((await connection.execute(f"select {n} from generate_series(1, {n})")).split()[1])
            counts["done"] += 1
            if value != n:
                wrong.append((n, value))
        except (asyncio.CancelledError, asyncio.TimeoutError):
            counts["gone"] += 1
        except exceptions.QueryCanceledError:
            # A simple Query that the server was already at when a request for its neighbour arrived.
            assert n % 4 == 3
            counts["gone"] += 1

    end = loop.time() + 2.5
    n = 1
    while loop.time() < end:
        tasks = [loop.create_task(one(n + i)) for i in range(20)]
        n += 20
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(chance.choice([0, 0, 0.0005]))
        for task in tasks:
            if chance.random() < 0.3:
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
    assert wrong == []
    assert counts["done"] > 200
    assert counts["gone"] > 100
    assert not connection.is_closed()
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1
    assert (status(connection), n_pending(connection)) == ("I", 0)


async def test_cancelled_twice_and_awaited_after(connection):
    call = connection.fetchval("select pg_sleep(30)")
    task = asyncio.get_running_loop().create_task(call)
    await until(lambda: n_pending(connection) == 1)
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_rows_of_an_abandoned_operation_are_not_decoded_for_the_next():
    abandoned = asyncio.Event()

    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        await session.take_to("S")
        await abandoned.wait()
        session.send(BOUND, data_row(1), data_row(2), complete("SELECT 2"), ready())
        session.send(BOUND, data_row(3), complete("SELECT 1"), ready())
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(connection.fetchval("select 1 as a")) for _ in range(2)]
        await until(lambda: n_pending(connection) == 2)
        tasks[0].cancel()
        await asyncio.sleep(0)
        abandoned.set()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert (type(outcomes[0]), outcomes[1]) == (asyncio.CancelledError, 3)
        connection.terminate()


async def test_a_request_that_came_too_early_is_sent_again(monkeypatch):
    monkeypatch.setattr(canceller, "RESEND_SECONDS", 0.05)

    async def script(session):
        await session.start()
        await session.take_to("Q")
        await until(lambda: len(server.cancels) >= 2)
        session.send(CANCELLED, ready())
        await session.take_to("Q")
        session.send(complete("SELECT 1"), ready())
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute("select pg_sleep(30)", timeout=0.05)
        assert await asyncio.wait_for(connection.execute("select 1"), 5) == "SELECT 1"
        n_requests = len(server.cancels)
        await asyncio.sleep(0.2)
        assert len(server.cancels) == n_requests
        connection.terminate()
