"""What fetch and its like return: a coroutine to those who want one, a future to those who can use one."""
import asyncio
import collections.abc
import ctypes
import gc
import inspect
import sys
import types
from unittest.mock import AsyncMock

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.live.conftest import FACTORIES


class Watched(asyncpg_core.Record):
    """A row that says when it is freed."""

    n_freed = 0

    def __del__(self):
        Watched.n_freed += 1


# Who can wait for it

async def test_gather_takes_the_call_itself_and_makes_no_task(connection):
    n_tasks = len(asyncio.all_tasks())
    gathered = asyncio.gather(*[connection.fetchval("select $1::int", i) for i in range(20)])
    assert len(asyncio.all_tasks()) == n_tasks
    assert await gathered == list(range(20))


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_a_loop_that_does_not_run_yet_takes_the_call(dsn, factory):
    loop = factory()
    try:
        connection = loop.run_until_complete(asyncpg_core.connect(dsn))
        assert loop.run_until_complete(connection.fetchval("select 1")) == 1
        with pytest.raises(exceptions.DivisionByZeroError):
            loop.run_until_complete(connection.fetchval("select 1/0"))
        pool = loop.run_until_complete(asyncpg_core.create_pool(dsn, min_size=1, max_size=1))
        assert loop.run_until_complete(pool.fetchval("select 2")) == 2
        loop.run_until_complete(pool.close())
        loop.run_until_complete(connection.close())
    finally:
        loop.close()


async def test_gather_with_return_exceptions_keeps_order_and_errors_apart(connection):
    outcomes = await asyncio.gather(*[connection.fetchval("select 6 / $1::int", i) for i in (1, 0, 2, 0, 3)],
                                    return_exceptions=True)
    assert [outcomes[i] for i in (0, 2, 4)] == [6, 3, 2]
    assert [type(outcomes[i]) for i in (1, 3)] == [exceptions.DivisionByZeroError] * 2


async def test_wait_for_returns_the_value(connection):
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_wait_for_times_out_and_the_connection_stays_usable(connection):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(connection.fetchval("select pg_sleep(30)"), 0.05)
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_shield_keeps_the_statement_alive(connection):
    await connection.execute("create temp table t (a int)")
    shielded = asyncio.shield(connection.execute("insert into t select 1 from pg_sleep(0.05)"))
    waiting = asyncio.ensure_future(asyncio.wait_for(shielded, 0.001))
    with pytest.raises(asyncio.TimeoutError):
        await waiting
    assert await connection.fetchval("select count(*) from t") == 1


async def test_create_task_takes_it_as_a_coroutine(connection):
    task = asyncio.get_running_loop().create_task(connection.fetchval("select 1"))
    assert await task == 1


async def test_ensure_future_returns_the_call(connection):
    call = connection.fetchval("select 1")
    assert asyncio.ensure_future(call) is call
    assert await call == 1


async def test_ensure_future_starts_what_nobody_awaits(connection):
    await connection.execute("create temp table seen(n int)")
    calls = [asyncio.ensure_future(connection.execute("insert into seen values ($1)", n)) for n in range(3)]
    del calls
    await asyncio.sleep(0)
    assert await connection.fetchval("select count(*) from seen") == 3


async def test_a_call_that_ensure_future_took_may_be_cancelled_before_it_starts(connection):
    await connection.execute("create temp table seen(n int)")
    call = asyncio.ensure_future(connection.execute("insert into seen values (1)"))
    assert call.cancel()
    await asyncio.sleep(0.01)
    assert await connection.fetchval("select count(*) from seen") == 0
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_isfuture_of_another_thread_starts_nothing(connection):
    call = connection.fetchval("select 1")
    assert await asyncio.to_thread(asyncio.isfuture, call)
    await asyncio.sleep(0.01)
    with pytest.raises(asyncio.InvalidStateError):
        call.result()
    assert await call == 1


async def test_as_completed_yields_all(connection):
    values = [await one for one in asyncio.as_completed([connection.fetchval("select $1::int", i) for i in range(5)])]
    assert sorted(values) == list(range(5))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="missing feature: asyncio.TaskGroup")
async def test_task_group_takes_it(connection):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(connection.fetchval("select $1::int", i)) for i in range(5)]
    assert [task.result() for task in tasks] == list(range(5))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="missing feature: asyncio.TaskGroup")
async def test_a_failure_in_a_task_group_cancels_the_others_and_the_connection_stays_usable(connection):
    with pytest.raises(BaseExceptionGroup) as caught:  # noqa: F821  # as old as TaskGroup
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.fetchval("select 1 / 0"))
            group.create_task(connection.fetchval("select pg_sleep(30)"))
    assert [type(error) for error in caught.value.exceptions] == [exceptions.DivisionByZeroError]
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


def test_asyncio_run_takes_it(dsn):
    opened = []

    async def open_one():
        opened.append(await asyncpg_core.connect(dsn))
        value = await opened[0].fetchval("select 1")
        opened[0].terminate()
        return value

    assert asyncio.run(open_one()) == 1

    async def coroutine_of(call):
        return await call

    # asyncio.run wants a coroutine, and ours says that it is one; the connection belongs to another loop.
    call = opened[0].fetchval("select 1")
    assert asyncio.iscoroutine(call)
    with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
        asyncio.run(call)


async def test_asyncio_wait_takes_tasks_of_it(connection):
    tasks = [asyncio.ensure_future(connection.fetchval("select $1::int", i)) for i in range(3)]
    for task in tasks:
        task.add_done_callback(lambda _: None)
    done, pending = await asyncio.wait([asyncio.get_running_loop().create_task(connection.fetchval("select 5"))])
    assert (pending, done.pop().result()) == (set(), 5)
    assert [await task for task in tasks] == [0, 1, 2]


async def test_uncancelled_timeout_block_leaves_no_trace(connection):
    if sys.version_info < (3, 11):
        pytest.skip("missing feature: asyncio.timeout")
    async with asyncio.timeout(5):
        assert await connection.fetchval("select 1") == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connection.fetchval("select pg_sleep(30)")
    assert await connection.fetchval("select 2") == 2


# What it says it is

async def test_it_is_a_coroutine_and_its_methods_are_coroutine_functions(connection):
    call = connection.fetch("select 1")
    assert asyncio.iscoroutine(call)
    assert isinstance(call, collections.abc.Coroutine)
    assert inspect.isawaitable(call)
    assert asyncio.isfuture(call)
    await call
    for name in ("fetch", "fetchrow", "fetchval", "fetchmany", "execute", "executemany", "prepare", "close", "reset"):
        assert asyncio.iscoroutinefunction(getattr(connection, name)), name
    statement = await connection.prepare("select 1")
    for name in ("fetch", "fetchrow", "fetchval", "fetchmany", "executemany", "explain"):
        assert asyncio.iscoroutinefunction(getattr(statement, name)), name


async def test_async_mock_of_connection_returns_awaitables():
    mock = AsyncMock(spec=asyncpg_core.Connection)
    mock.fetchval.return_value = 5
    assert await mock.fetchval("select 5") == 5
    mock.fetchval.assert_awaited_once_with("select 5")
    for name in ("fetch", "fetchrow", "execute", "executemany", "fetchmany", "prepare", "close"):
        one = getattr(mock, name)("x")
        assert inspect.isawaitable(one), name
        await one
    assert not inspect.isawaitable(mock.is_closed())


# Its life

async def test_it_starts_only_when_awaited(connection):
    await connection.execute("create temp table t (a int)")
    call = connection.execute("insert into t values (1)")
    assert await connection.fetchval("select count(*) from t") == 0
    assert await call == "INSERT 0 1"
    assert await connection.fetchval("select count(*) from t") == 1


async def test_it_starts_with_add_done_callback(connection):
    done = asyncio.Event()
    call = connection.fetchval("select 1")
    call.add_done_callback(lambda _: done.set())
    await asyncio.wait_for(done.wait(), 5)
    assert (call.done(), call.cancelled(), call.exception(), call.result()) == (True, False, None, 1)
    assert call.result() == 1
    assert await call == 1


async def test_unstarted_and_unfinished_calls_have_no_result(connection):
    call = connection.fetchval("select 1")
    assert not call.done()
    with pytest.raises(asyncio.InvalidStateError):
        call.result()
    with pytest.raises(asyncio.InvalidStateError):
        call.exception()
    assert call.get_loop() is asyncio.get_running_loop()
    assert await call == 1


async def test_dropped_unstarted_it_warns_with_the_name_of_the_method(connection):
    for name, arguments in {"fetch": ("select 1",), "execute": ("select 1",), "executemany": ("select 1", [])}.items():
        with pytest.warns(RuntimeWarning, match=f"'Connection.{name}' was never awaited"):
            getattr(connection, name)(*arguments)


async def test_a_second_await_raises(connection):
    call = connection.fetchval("select 1")
    assert await call == 1
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        await call


async def test_close_of_an_unstarted_call_is_silent_and_final(connection):
    call = connection.fetchval("select 1")
    call.close()
    with pytest.raises(RuntimeError):
        await call


async def test_throw_into_an_unstarted_call_raises_it(connection):
    call = connection.fetchval("select 1")
    with pytest.raises(KeyError):
        call.throw(KeyError("mine"))
    assert await connection.fetchval("select 2") == 2


@pytest.mark.expects_loop_errors
async def test_a_failure_that_nobody_looked_at_is_reported(connection, quiet_loop):
    done = asyncio.Event()
    call = connection.fetchval("select 1 / 0")
    call.add_done_callback(lambda _: done.set())
    await asyncio.wait_for(done.wait(), 5)
    del call
    gc.collect()
    assert len(quiet_loop) == 1
    assert "nobody looked" in quiet_loop[0]


async def test_a_failure_that_somebody_looked_at_is_not_reported(connection, quiet_loop):
    done = asyncio.Event()
    call = connection.fetchval("select 1 / 0")
    call.add_done_callback(lambda _: done.set())
    await asyncio.wait_for(done.wait(), 5)
    assert type(call.exception()) is exceptions.DivisionByZeroError
    del call
    gc.collect()
    assert quiet_loop == []


async def test_a_result_lives_no_longer_than_its_user_wants(connection):
    n_freed = Watched.n_freed
    call = connection.fetchrow("select 1 as a", record_class=Watched)
    row = await call
    assert Watched.n_freed == n_freed
    del row
    assert Watched.n_freed == n_freed + 1


async def test_a_large_list_is_not_kept_by_the_connection(connection):
    rows = await connection.fetch("select i from generate_series(1, 10) i")
    assert sys.getrefcount(rows) == 2
    rows = await asyncio.get_running_loop().create_task(connection.fetch("select 1"))
    # The handle that resumes us holds the task, and the task its result, until the next round of the loop.
    await asyncio.sleep(0)
    assert sys.getrefcount(rows) == 2


async def test_tuples_exceptions_and_none_arrive_as_themselves(connection):
    # StopIteration(value) takes a tuple apart, so the value must not be built that way.
    rows = await connection.fetch("select 1, 2")
    assert rows == [(1, 2)]
    assert await connection.fetchval("select null") is None
    task = asyncio.get_running_loop().create_task(connection.fetchrow("select 1, 2, 3"))
    assert await task == (1, 2, 3)
    statement = await connection.prepare("select 1")
    assert type(statement) is asyncpg_core.prepared_statement.PreparedStatement


# Cancelling

async def test_cancel_of_a_started_call_cancels_its_awaiter_with_the_message(connection):
    call = connection.fetchval("select pg_sleep(30)")
    call.add_done_callback(lambda _: None)
    assert call.cancel(msg="enough")
    assert not call.cancel()
    assert (call.done(), call.cancelled()) == (True, True)
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    assert caught.value.args == ("enough",)
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_cancelled_call_says_so_everywhere(connection):
    call = connection.fetchval("select pg_sleep(30)")
    call.add_done_callback(lambda _: None)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        call.result()
    with pytest.raises(asyncio.CancelledError):
        call.exception()
    assert type(call._make_cancelled_error()) is asyncio.CancelledError


async def test_cancel_of_an_unstarted_call_sends_nothing(connection):
    await connection.execute("create temp table t (a int)")
    call = connection.execute("insert into t values (1)")
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await connection.fetchval("select count(*) from t") == 0


async def test_cancel_of_a_done_call_does_nothing(connection):
    call = connection.fetchval("select 1")
    done = asyncio.Event()
    call.add_done_callback(lambda _: done.set())
    await done.wait()
    assert not call.cancel()
    assert await call == 1


async def test_cancel_of_the_task_cancels_the_call_and_task_cancelled_is_true(connection):
    task = asyncio.get_running_loop().create_task(connection.fetchval("select pg_sleep(30)"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


async def test_cancel_of_gather_cancels_all(connection):
    gathered = asyncio.gather(*[connection.fetchval("select pg_sleep(30)") for _ in range(3)])
    await asyncio.sleep(0)
    gathered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathered
    assert await asyncio.wait_for(connection.fetchval("select 1"), 5) == 1


# Callbacks

async def test_callbacks_are_called_once_in_order_with_the_call_and_in_their_context(connection):
    import contextvars

    variable = contextvars.ContextVar("variable", default=0)
    seen = []
    call = connection.fetchval("select 1")

    def note(n):
        return lambda done: seen.append((n, done is call, variable.get()))

    context = contextvars.copy_context()
    context.run(variable.set, 7)
    removed = note(99)
    call.add_done_callback(removed)
    call.add_done_callback(note(1))
    call.add_done_callback(note(2), context=context)
    call.add_done_callback(removed)
    assert call.remove_done_callback(removed) == 2
    assert call.remove_done_callback(removed) == 0
    finished = asyncio.Event()
    call.add_done_callback(lambda _: finished.set())
    await asyncio.wait_for(finished.wait(), 5)
    assert seen == [(1, True, 0), (2, True, 7)]
    call.add_done_callback(note(3))
    await asyncio.sleep(0)
    assert seen[2:] == [(3, True, 0)]
    assert await call == 1


async def test_two_waiters_through_shield_both_get_the_value(connection):
    call = connection.fetchval("select 1")
    assert await asyncio.gather(asyncio.shield(call), asyncio.shield(call)) == [1, 1]


# What instrumentations replace

@pytest.mark.parametrize(("name", "arguments", "value"), [
    ("execute", ("select 1",), "SELECT 1"), ("executemany", ("select $1::int", [(1,)]), None),
    ("fetch", ("select 1",), [(1,)]), ("fetchval", ("select 1",), 1), ("fetchrow", ("select 1",), (1,)),
    ("fetchmany", ("select $1::int", [(1,)]), [(1,)])])
async def test_a_wrapper_put_on_connection_is_called(connection, monkeypatch, name, arguments, value):
    original = getattr(asyncpg_core.Connection, name)
    seen = []

    async def wrapper(self, *args, **kwargs):
        seen.append(args)
        return await original(self, *args, **kwargs)

    monkeypatch.setattr(asyncpg_core.Connection, name, wrapper)
    assert await getattr(connection, name)(*arguments) == value
    assert seen == [arguments]


@pytest.mark.parametrize(("name", "arguments", "value"), [
    ("fetch", (1,), [(1,)]), ("fetchval", (1,), 1), ("fetchrow", (1,), (1,)), ("executemany", ([(1,)],), None),
    ("fetchmany", ([(1,)],), [(1,)])])
async def test_a_wrapper_put_on_prepared_statement_is_called(connection, monkeypatch, name, arguments, value):
    cls = asyncpg_core.prepared_statement.PreparedStatement
    original = getattr(cls, name)
    seen = []

    async def wrapper(self, *args, **kwargs):
        seen.append(self.get_query())
        return await original(self, *args, **kwargs)

    monkeypatch.setattr(cls, name, wrapper)
    statement = await connection.prepare("select $1::int")
    assert await getattr(statement, name)(*arguments) == value
    assert seen == ["select $1::int"]


async def test_a_wrapper_put_on_prepare_is_called(connection, monkeypatch):
    original = asyncpg_core.Connection.prepare
    seen = []

    async def wrapper(self, query, **kwargs):
        seen.append(query)
        return await original(self, query, **kwargs)

    monkeypatch.setattr(asyncpg_core.Connection, "prepare", wrapper)
    assert await (await connection.prepare("select 1")).fetchval() == 1
    assert seen == ["select 1"]


async def test_a_subclass_may_override_and_call_super(connect):
    class Counting(asyncpg_core.Connection):
        n_fetched = 0

        async def fetch(self, query, *args, **kwargs):
            type(self).n_fetched += 1
            return await super().fetch(query, *args, **kwargs)

    connection = await connect(connection_class=Counting)
    assert type(connection) is Counting
    assert await connection.fetch("select 1") == [(1,)]
    assert Counting.n_fetched == 1


async def test_connection_shows_what_instrumentations_read(connection):
    assert connection._params.user == "postgres"
    assert connection._params.database == "postgres"
    assert connection._addr


async def test_a_task_that_wakes_up_finds_result_without_a_str(connection):
    """Task asks for `result` by a C string; the slot for that answers with a builtin method, the type with its own."""
    call = connection.fetchval("SELECT 1")
    assert await call == 1
    by_c_string = ctypes.pythonapi.PyObject_GetAttrString
    by_c_string.restype = ctypes.py_object
    by_c_string.argtypes = [ctypes.py_object, ctypes.c_char_p]
    assert type(by_c_string(call, b"result")) is types.BuiltinMethodType is not type(call.result)
    assert by_c_string(call, b"done")() is True
    with pytest.raises(AttributeError, match="no_such_name"):
        by_c_string(call, b"no_such_name")
