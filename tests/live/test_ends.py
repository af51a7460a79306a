"""How a connection ends: by close, terminate, the server, the network; what everyone who waits is told."""
import asyncio
import gc
import warnings

import pytest

import asyncpg_core
from asyncpg_core import canceller, exceptions
from tests.support.fake_server import DESCRIBED, ONE_ROW, CutReached, FakeServer, error, message, ready
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import until, until_active

SHUTDOWN = "terminating connection due to administrator command"


def every_call(connection):
    """One call of every method, none started."""
    return [connection.fetch("select 1"), connection.fetchrow("select 1"), connection.fetchval("select $1::int", 1),
            connection.execute("select 1"), connection.execute("select $1::int", 1),
            connection.executemany("select $1::int", [(1,)]), connection.fetchmany("select $1::int", [(1,)]),
            connection.prepare("select 1"), connection.reset()]


async def assert_closed(connection):
    assert connection.is_closed()
    for call in every_call(connection):
        with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
            await call
    with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
        connection.transaction()
    with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
        async with connection.pipeline():
            pass


# By the user

async def test_close_is_graceful_and_idempotent(connect, connection):
    victim = await connect()
    pid = victim.get_server_pid()
    await victim.close()
    await victim.close()
    victim.terminate()
    await assert_closed(victim)
    assert "closed" in repr(victim)
    deadline = asyncio.get_running_loop().time() + 5
    while await connection.fetchval("select count(*) from pg_stat_activity where pid = $1", pid):
        assert asyncio.get_running_loop().time() < deadline


async def test_close_tells_the_server():
    async def script(session):
        await session.start()
        assert await session.take() == ("X", b"")
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        await connection.close()


async def test_close_cancels_a_running_query_first(connect, connection):
    victim = await connect()
    task = asyncio.get_running_loop().create_task(victim.fetchval("select pg_sleep(30)"))
    await until_active(connection, victim, "pg_sleep(30)")
    began = asyncio.get_running_loop().time()
    await victim.close()
    assert asyncio.get_running_loop().time() - began < 2
    with pytest.raises(exceptions.QueryCanceledError):
        await task
    await assert_closed(victim)


async def test_close_that_takes_too_long_aborts_and_raises(monkeypatch):
    monkeypatch.setattr(canceller, "CANCEL_SECONDS", 0.3)

    async def script(session):
        await session.start()
        await session.gone()

    async with FakeServer(script, answers_cancel=False) as server:
        connection = await asyncpg_core.connect(server.dsn)
        task = asyncio.get_running_loop().create_task(connection.execute("select 1"))
        await until(lambda: connection._session.n_executed == 1)
        with pytest.raises(asyncio.TimeoutError):
            await connection.close(timeout=0.1)
        assert connection.is_closed()
        with pytest.raises((exceptions.ConnectionDoesNotExistError, exceptions.InterfaceError)):
            await task


async def test_terminate_fails_what_is_pending_and_what_is_queued(connect):
    victim = await connect()
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(victim.execute("select pg_sleep(30)"))]
    await until(lambda: victim._session.n_executed == 1)
    tasks += [loop.create_task(victim.fetchval(f"select {i}")) for i in range(5)]
    await asyncio.sleep(0)
    victim.terminate()
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [type(one) for one in outcomes] == [exceptions.ConnectionDoesNotExistError] * 6
    assert str(outcomes[0]).startswith("connection was closed in the middle of operation")
    assert [one.safe_to_retry for one in outcomes] == [False] + [True] * 5
    await assert_closed(victim)


# By the server

async def test_a_backend_that_is_terminated_says_why(connect, connection):
    victim = await connect()
    task = asyncio.get_running_loop().create_task(victim.fetchval("select pg_sleep(30)"))
    await until(lambda: victim._session.n_executed == 1)
    await until_active(connection, victim, "pg_sleep")
    await connection.execute("select pg_terminate_backend($1)", victim.get_server_pid())
    with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
        await asyncio.wait_for(task, 5)
    lost = caught.value
    assert str(lost).startswith("connection was closed in the middle of operation")
    assert str(lost).endswith(SHUTDOWN)
    assert type(lost.__cause__) is exceptions.AdminShutdownError
    assert (lost.sqlstate_of_cause, lost.safe_to_retry) == ("57P01", False)
    await assert_closed(victim)


async def test_an_idle_backend_that_is_terminated_closes_the_connection(connect, connection):
    victim = await connect()
    await connection.execute("select pg_terminate_backend($1)", victim.get_server_pid())
    await until(victim.is_closed)
    await assert_closed(victim)


async def test_a_call_after_the_end_of_an_idle_connection_may_be_retried():
    async def script(session):
        await session.start()
        await session.take()
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
            await connection.fetchval("select 1 as a")
        assert caught.value.safe_to_retry
        await assert_closed(connection)


async def test_a_server_that_says_goodbye_and_does_not_hang_up_is_left():
    async def script(session):
        await session.start()
        session.send(error("57P01", SHUTDOWN, severity="FATAL"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        await asyncio.sleep(0.05)
        call = asyncio.ensure_future(connection.fetchval("select 1 as a"))
        with pytest.raises((exceptions.ConnectionDoesNotExistError, exceptions.InterfaceError)):
            await asyncio.wait_for(call, 3)
        await until(connection.is_closed)


@pytest.mark.parametrize("hostile", [
    message("?", b""), message("Z", b"II"), message("D", b"\0\1\0\0"), message("C", b"no zero"),
    message("T", b"\0\xff"), b"Z\0\0\0\3I", message("2"), message("G", b"\0\0\0"), b"Z\x7f\xff\xff\xff"])
async def test_a_server_that_breaks_the_protocol_is_left_with_a_protocol_error(hostile):
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(hostile)
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        tasks = [asyncio.ensure_future(connection.fetchval(f"select {i}")) for i in range(3)]
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert [type(one) for one in outcomes] == [exceptions.ConnectionDoesNotExistError] * 3
        assert type(outcomes[0].__cause__) is exceptions.ProtocolError
        assert connection.is_closed()


# By the network, at every byte

async def simple_session(dsn):
    """Connect, query twice, run a transaction; the values, and the connection or None."""
    connection = await asyncpg_core.connect(dsn, timeout=5)
    try:
        first = await connection.fetchval("select 1 as a", timeout=5)
        second = await asyncio.gather(*[connection.fetchval("select 1 as a", timeout=5) for _ in range(2)])
        return [first, *second, await connection.execute("select 1", timeout=5)]
    finally:
        connection.terminate()


@pytest.mark.parametrize("how", ["hang_up", "reset"])
async def test_a_cut_at_every_byte_ends_in_a_typed_error(how):
    cut_at = None

    async def script(session):
        session.cut_at = cut_at
        try:
            await session.start()
            await session.serve()
        except CutReached:
            getattr(session, how)()

    async with FakeServer(script) as server:
        assert await simple_session(server.dsn) == [1, 1, 1, "SELECT 1"]
        n_bytes = server.sessions[0].n_sent
        assert n_bytes > 300
        for cut_at in range(n_bytes):
            with pytest.raises((exceptions.ConnectionDoesNotExistError, exceptions.PostgresConnectionError, OSError,
                                exceptions.InterfaceError)) as caught:
                await asyncio.wait_for(simple_session(server.dsn), 5)
            assert not isinstance(caught.value, asyncio.TimeoutError), cut_at


async def test_a_reset_in_mid_result_fails_everyone(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await connection.fetchval("select 1")
        proxy.cut_after = 100_000
        tasks = [asyncio.ensure_future(connection.fetch("select repeat('x', 1000) from generate_series(1, 1000) i"))
                 for _ in range(3)]
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert [type(one) for one in outcomes] == [exceptions.ConnectionDoesNotExistError] * 3
        assert not outcomes[0].safe_to_retry
        await assert_closed(connection)


async def test_a_black_hole_ends_at_the_timeout_of_each_call(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await connection.fetchval("select $1::int", 1)
        proxy.is_black_hole = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await asyncio.gather(*[connection.fetchval("select $1::int", 1, timeout=0.1) for _ in range(3)],
                                        return_exceptions=True)
        assert all(isinstance(one, asyncio.TimeoutError) for one in outcomes)
        with pytest.raises(asyncio.TimeoutError):
            await connection.close(timeout=0.1)
        assert loop.time() - began < 1
        assert connection.is_closed()


# Misuse

def test_use_from_another_loop_is_refused_and_the_connection_stays_usable(dsn):
    ours = asyncio.new_event_loop()
    connection = ours.run_until_complete(asyncpg_core.connect(dsn))

    async def use():
        await connection.fetchval("select 1")

    with pytest.raises(exceptions.InterfaceError, match="event loop"):
        asyncio.run(use())
    assert ours.run_until_complete(asyncio.wait_for(connection.fetchval("select 2"), 5)) == 2
    ours.run_until_complete(connection.close())
    ours.close()


async def test_an_unclosed_connection_warns_and_is_closed(dsn, connection):
    victim = await asyncpg_core.connect(dsn)
    pid = victim.get_server_pid()
    with pytest.warns(ResourceWarning, match="unclosed connection"):
        del victim
    deadline = asyncio.get_running_loop().time() + 5
    while await connection.fetchval("select count(*) from pg_stat_activity where pid = $1", pid):
        assert asyncio.get_running_loop().time() < deadline


async def test_a_closed_connection_does_not_warn(dsn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for end in ("close", "terminate"):
            victim = await asyncpg_core.connect(dsn)
            if end == "close":
                await victim.close()
            else:
                victim.terminate()
            del victim
            gc.collect()


async def test_a_connection_is_freed_without_the_garbage_collector(dsn):
    import weakref

    victim = await asyncpg_core.connect(dsn)
    await victim.fetchval("select 1")
    await victim.close()
    watched = weakref.ref(victim)
    del victim
    assert watched() is None


async def test_what_was_answered_before_the_end_is_delivered():
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        session.send(ONE_ROW, ready(), error("57P01", SHUTDOWN, severity="FATAL"))
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        assert await connection.fetchval("select 1 as a") == 1
        await until(connection.is_closed)


async def test_the_first_call_of_a_connection_is_written_when_it_starts(dsn):
    """The question in front of it does not hold it back: what begins before a close is executed and cancelled."""
    connection = await asyncpg_core.connect(dsn)
    query = asyncio.ensure_future(connection.execute("select pg_sleep(10)"))
    await asyncio.sleep(0)
    await connection.close()
    with pytest.raises(exceptions.QueryCanceledError):
        await query
