"""Methods of asyncpg's that tracers replace: calls travel through them, and what comes out is what it was."""
import asyncio
import functools
import inspect
import sys

import pytest

import asyncpg_core
from asyncpg_core import Connection
from asyncpg_core.compat.homes import METHODS, OWN_CALLS
from asyncpg_core.cursor import BaseCursor
from asyncpg_core.protocol import Protocol
from asyncpg_core.transaction import Transaction
from tests.integrations.tracing import program

SEEN = []


def watched(function, name):
    @functools.wraps(function)
    async def seeing(*args, **kwargs):
        text = next((getattr(arg, "query", arg) for arg in args[1:] if isinstance(getattr(arg, "query", arg), str)), "")
        SEEN.append((name, text))
        return await function(*args, **kwargs)

    return seeing


@pytest.fixture
def replace(monkeypatch):
    """Replaces methods of a class by ones that note their calls in SEEN, until the test is over."""
    SEEN.clear()

    def replace_all(cls, *names):
        for name in names:
            monkeypatch.setattr(cls, name, watched(getattr(cls, name), name), raising=True)

    yield replace_all
    monkeypatch.undo()
    assert Connection.__dict__["_calls"] is OWN_CALLS and Connection._transaction_class is Transaction


@pytest.fixture
async def fresh(connection):
    await connection.execute("DROP TABLE IF EXISTS t")
    return connection


async def whole_program(connection, dsn):
    for part in program.PARTS:
        await part(connection)
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        await program.in_a_pool(pool)


async def test_nothing_replaced_is_nothing_seen(fresh, dsn, replace):
    await whole_program(fresh, dsn)
    assert not SEEN


@pytest.mark.parametrize("cls, names", [
    (Connection, ["execute"]), (Connection, ["_execute", "_executemany"]), (Protocol, METHODS),
    (BaseCursor, ["_bind_exec", "_exec"]), (Connection, ["execute", "_execute", "_executemany", "fetch", "fetchval"])])
async def test_the_program_gives_the_same_whatever_is_replaced(cls, names, fresh, dsn, replace):
    replace(cls, *names)
    await whole_program(fresh, dsn)
    assert {name for name, _ in SEEN} == {*names}


async def test_a_connection_that_existed_before_is_seen_and_unseen_afterwards(connection, monkeypatch):
    monkeypatch.setattr(Connection, "_execute", watched(Connection._execute, "_execute"))
    SEEN.clear()
    assert await connection.fetchval("SELECT $1::int", 1) == 1
    monkeypatch.undo()
    assert await connection.fetchval("SELECT 2") == 2
    assert SEEN == [("_execute", "SELECT $1::int")]


async def test_a_pool_that_existed_before_is_seen_and_unseen_afterwards(dsn, monkeypatch):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        monkeypatch.setattr(Protocol, "query", watched(Protocol.query, "query"))
        SEEN.clear()
        await pool.execute("SELECT 1")
        monkeypatch.undo()
        await pool.execute("SELECT 2")
    assert SEEN == [("query", "SELECT 1")]


async def test_a_method_put_back_by_deleting_it_is_the_old_one(connection):
    original = Protocol.query
    Protocol.query = watched(original, "query")
    del Protocol.query
    assert Protocol.query is original and Connection.__dict__["_calls"] is OWN_CALLS


async def test_a_class_with_a_private_method_of_its_own_is_seen_and_no_other(connect, replace):
    class Own(Connection):
        _execute = watched(Connection._execute, "own")

    own, other = await connect(connection_class=Own), await connect()
    assert await own.fetchrow("SELECT 1 AS a") == (1,) and await other.fetchval("SELECT 2") == 2
    assert SEEN == [("own", "SELECT 1 AS a")]


async def test_begin_and_commit_pass_through_an_execute_of_ones_own(connect, replace):
    class Own(Connection):
        execute = watched(Connection.execute, "own")

    own = await connect(connection_class=Own)
    async with own.transaction(readonly=True):
        await own.execute("SELECT 1")
    assert [text for _, text in SEEN] == ["BEGIN READ ONLY;", "SELECT 1", "COMMIT;"]
    assert not own.is_in_transaction()


async def test_listen_and_reset_pass_through_an_execute_of_ones_own(connect, replace):
    class Own(Connection):
        execute = watched(Connection.execute, "own")

    own = await connect(connection_class=Own)
    await own.add_listener("news", print)
    await own.remove_listener("news", print)
    await own.reset()
    assert [text.split()[0] for _, text in SEEN] == ["LISTEN", "UNLISTEN", "RESET"]


async def test_begin_has_no_flight_of_its_own_when_it_is_seen(connection, replace):
    replace(Connection, "execute")
    async with connection.transaction():
        assert connection.is_in_transaction() and connection._protocol.session.frontend.transaction_status == "I"
    assert [text for _, text in SEEN] == ["BEGIN;", "COMMIT;"]


@pytest.mark.parametrize("wrapper", ["comments", "swallows", "adds a query"])
async def test_a_transaction_happens_whatever_a_wrapper_does_with_its_statements(connect, connection, wrapper):
    class Own(Connection):
        async def execute(self, query, *args, timeout=None):
            if wrapper == "swallows" and query in ("BEGIN;", "COMMIT;"):
                return "nothing"
            if wrapper == "comments":
                query = f"/* by {wrapper} */ {query}"
            if wrapper == "adds a query":
                await self.fetchval("SELECT 1")
            return await super().execute(query, *args, timeout=timeout)

    own = await connect(connection_class=Own)
    await own.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (a int)")
    async with own.transaction():
        await own.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(LookupError):
        async with own.transaction():
            await own.execute("INSERT INTO t VALUES (2)")
            raise LookupError
    assert await connection.fetch("SELECT a FROM t") == [(1,)] and not own.is_in_transaction()


async def test_a_wrapper_that_fails_before_begin_leaves_no_transaction(connect):
    class Own(Connection):
        async def execute(self, query, *args, timeout=None):
            if query == "BEGIN;":
                raise LookupError(query)
            return await super().execute(query, *args, timeout=timeout)

    own = await connect(connection_class=Own)
    with pytest.raises(LookupError, match="BEGIN;"):
        async with own.transaction():
            pass
    assert not own.is_in_transaction() and await own.fetchval("SELECT 1") == 1


async def test_seen_queries_of_one_connection_run_in_their_order_and_fail_alone(connection, replace):
    replace(Connection, "_execute")
    replace(Protocol, *METHODS)
    outcomes = await asyncio.gather(
        *[connection.fetchval("SELECT 10 / $1::int", n) for n in (1, 0, 2)], connection.execute("SELECT 3"),
        return_exceptions=True)
    assert outcomes[0] == 10 and outcomes[2:] == [5, "SELECT 1"]
    assert isinstance(outcomes[1], asyncpg_core.DivisionByZeroError)


async def test_a_seen_query_is_cancelled_and_times_out_as_any(connection, replace):
    replace(Connection, "_execute")
    replace(Protocol, *METHODS)
    with pytest.raises(asyncio.TimeoutError):
        await connection.fetch("SELECT pg_sleep(10), $1::int", 1, timeout=0.05)
    sleeping = asyncio.ensure_future(connection.execute("SELECT pg_sleep(10)"))
    await asyncio.sleep(0.05)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert await connection.fetchval("SELECT 1") == 1


async def test_a_seen_block_that_is_cancelled_is_rolled_back(table, replace):
    connection, other = table
    replace(Connection, "execute")

    async def block():
        async with connection.transaction():
            await connection.execute("INSERT INTO t VALUES (1)")
            await asyncio.sleep(10)

    task = asyncio.ensure_future(block())
    while ("execute", "INSERT INTO t VALUES (1)") not in SEEN or not connection.is_in_transaction():
        await asyncio.sleep(0.005)
    await other.fetchval("SELECT 1")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await connection.fetch("SELECT a FROM t") == [] and not connection.is_in_transaction()
    assert [text for _, text in SEEN] == ["BEGIN;", "INSERT INTO t VALUES (1)", "ROLLBACK;"]


async def test_a_released_connection_is_refused_when_it_is_seen(dsn, replace):
    replace(Connection, "_execute")
    replace(Protocol, *METHODS)
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        for call in (connection.fetch, connection.execute):
            with pytest.raises(asyncpg_core.InterfaceError, match="released back to the pool"):
                await call("SELECT 1")


async def test_a_private_method_called_by_hand_gives_what_asyncpg_gives(connection):
    query = "SELECT generate_series(1, $1) AS n"
    assert await connection._execute(query, (3,), 0, None) == [(1,), (2,), (3,)]
    assert await connection._execute(query, (3,), 1, None) == [(1,)]
    assert await connection._execute(query, (3,), 2, None) == [(1,), (2,)]
    assert await connection._execute(query, (1,), 0, None, return_status=True) == ([(1,)], "SELECT 1", True)
    assert await connection._executemany(query, [(1,), (1,)], None, True) == [(1,), (1,)]
    assert await connection._executemany(query, [(1,)], None) is None
    assert await connection._protocol.query("SELECT 1; SELECT 2", None) == "SELECT 1"
    with pytest.raises(asyncpg_core.InterfaceError, match="called by connections"):
        await connection._protocol.copy_out("COPY t TO STDOUT", print, None)


def test_what_tracers_wrap_is_a_coroutine_function():
    for method in [Connection._execute, Connection._executemany, *[getattr(Protocol, name) for name in METHODS]]:
        assert inspect.iscoroutinefunction(method)


# What it costs those who have no tracer.

async def test_a_query_asks_no_class_whether_it_is_seen(dsn):
    asked = []

    class Asked(type(Connection)):
        def __getattribute__(cls, name):
            asked.append(name)
            return super().__getattribute__(name)

    class Own(Connection, metaclass=Asked):
        pass

    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, connection_class=Own) as pool:
        async with pool.acquire() as connection:
            await connection.fetch("SELECT 1")
            asked.clear()
            await connection.fetch("SELECT 1")
            await connection.execute("SELECT 1")
            assert asked == []
        await pool.fetchval("SELECT 1")
        asked.clear()
        await pool.fetchval("SELECT 1")
        await pool.execute("SELECT $1::int", 1)
        assert asked == []


async def test_a_query_runs_no_python_function_but_its_own(connection):
    await connection.fetch("SELECT 1")
    called = []

    def note(frame, event, argument):
        if event == "call" and "asyncpg_core" in frame.f_code.co_filename:
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        rows = await connection.fetch("SELECT 1")
    finally:
        sys.setprofile(None)
    assert rows == [(1,)] and called == ["fetch"]
    assert connection._calls is connection._session.calls
