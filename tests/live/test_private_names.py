"""asyncpg's private names for facts that are elsewhere here: what they say is true."""
import asyncio
import gc
import warnings

import pytest

import asyncpg_core
from asyncpg_core import connect_utils, exceptions, utils
from tests.support.waiting import until


async def test_the_cache_shows_what_has_a_name_on_the_server(connection):
    cache = connection._stmt_cache
    assert (len(cache), cache.get_max_size(), cache.get_max_lifetime()) == (0, 100, 300)
    for n in range(3):
        await connection.fetchval(f"select {n}")
    assert [state.query for state in cache.iter_statements()] == ["select 0", "select 1", "select 2"]
    state = cache.get(("select 1", asyncpg_core.Record, False), promote=False)
    assert state is cache.get("select 1") and not state.closed and cache.has("select 1") and not cache.has("select 9")
    cache.set_max_size(2)
    assert [state.query for state in cache.iter_statements()] == ["select 1", "select 2"]
    assert len(connection._stmts_to_close) == 1
    assert await connection.fetchval("select 1") == 1
    assert not connection._stmts_to_close
    cache.set_max_size(0)
    assert state.closed and len(cache) == 0
    assert await connection.fetchval("select 1") == 1
    assert len(cache) == 0


async def test_a_lifetime_counts_from_when_it_is_set(connection):
    cache = connection._stmt_cache
    await connection.fetchval("select 1")
    state = cache.get("select 1")
    cache.set_max_lifetime(0.001)
    await asyncio.sleep(0.01)
    await connection.fetchval("select 1")
    assert state.closed and cache.get("select 1") is not state
    for refuse in (cache.set_max_lifetime, cache.set_max_size):
        with pytest.raises(ValueError, match="greater or equal to zero"):
            refuse(-1)


async def test_prepare_with_the_cache_shares_its_statement(connection):
    one = await connection._prepare("select 1", use_cache=True)
    two = await connection._prepare("select 1", use_cache=True)
    assert one._state is two._state and await one.fetchval() == await two.fetchval() == 1
    state = one._state
    del one, two
    gc.collect()
    assert not state.closed and len(connection._stmt_cache) == 1
    apart = await connection._prepare("select 1")
    assert apart._state is not state and apart._state.name == apart.get_name()
    assert await connection.fetchval("select count(*) from pg_prepared_statements where statement = 'select 1'") == 2


async def test_a_statement_that_was_marked_closed_is_refused(connection):
    statement = await connection.prepare("select 1")
    iterator = statement.cursor().__aiter__()
    statement._state.mark_closed()
    with pytest.raises(exceptions.InterfaceError, match="the prepared statement is closed"):
        await statement.fetch()
    with pytest.raises(exceptions.InterfaceError, match="the prepared statement is closed"):
        await iterator.__anext__()


async def test_literals_of_arguments_are_put_in_by_the_server(connection):
    assert await utils._mogrify(connection, "select $1::int[], $2, '$1'", [[1, 2], "it's"]) == (
        "select '{1,2}'::int[], 'it''s', '$1'")


async def test_the_outermost_transaction_and_the_loggers_are_shown(connection):
    assert connection._top_xact is None and len(connection._query_loggers) == 0
    async with connection.transaction():
        outer = connection._top_xact
        async with connection.transaction():
            assert connection._top_xact is outer is not None
    assert connection._top_xact is None
    with connection.query_logger(print):
        assert len(connection._query_loggers) == 1
    assert len(connection._query_loggers) == 0
    assert connection._server_caps.sql_copy_from_where
    with pytest.raises(AttributeError, match="_con"):
        connection._con  # noqa: B018


async def test_a_borrower_stands_in_front_of_the_pools_own_connection(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=0, init_size=1, max_size=2) as pool:
        first, second = pool._holders
        own = first._con
        assert first.is_connected() and not second.is_connected() and pool._queue.qsize() == 2
        assert first._in_use is None and first.is_idle() and first._inactive_callback is not None
        async with pool.acquire() as lent:
            assert lent._con is own and repr(own) in repr(lent)
            assert lent._holder._con is own and first._in_use is lent and pool._queue.qsize() == 1
            async with lent.transaction():
                assert own._top_xact is lent._top_xact is not None
            assert own._top_xact is None
        assert lent._con is None and lent._holder is None and "[released]" in repr(lent)
        own.terminate()
        assert first._con is None and [holder._con for holder in pool._holders] == [None, None]


async def test_a_cancel_request_goes_by_the_name_that_may_be_replaced(connection, monkeypatch):
    asked, way = [], connect_utils._cancel

    async def cancel(**facts):
        asked.append(facts)
        assert connection._protocol._is_cancelling() and len(connection._cancellations) == 1
        await way(**facts)

    monkeypatch.setattr(connect_utils, "_cancel", cancel)
    with pytest.raises(asyncio.TimeoutError):
        await connection.execute("select pg_sleep(10)", timeout=0.01)
    assert await connection.fetchval("select 1") == 1
    assert [facts["backend_pid"] for facts in asked] == [connection.get_server_pid()]
    assert not connection._protocol._is_cancelling() and not connection._cancellations


async def test_only_executions_count_as_queries(connection):
    statement = await connection.prepare("select 1")
    assert connection._protocol.queries_count == 0
    await statement.fetchval()
    await connection.execute("select 1")
    assert connection._protocol.queries_count == 2


def test_a_connection_whose_cancel_is_under_way_is_terminated_without_a_running_loop(dsn):
    async def abandoned():
        connection = await asyncpg_core.connect(dsn)
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute("select pg_sleep(10)", timeout=0.01)
        await until(lambda: connection._protocol.session.canceller.is_sent)
        return connection

    loop = asyncio.new_event_loop()
    try:
        connection = loop.run_until_complete(abandoned())
        assert connection._transport.is_closing() is connection.is_closed()
        connection.terminate()
        assert connection.is_closed() and connection._transport.is_closing()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


@pytest.mark.parametrize(("debug", "says"), [
    (False, "run in asyncio debug mode"), (True, "created at:\n(.|\n)*in test_a_connection_that_is_left")])
async def test_a_connection_that_is_left_says_where_it_comes_from(dsn, debug, says):
    loop = asyncio.get_running_loop()
    was = loop.get_debug()
    loop.set_debug(debug)
    try:
        connection = await asyncpg_core.connect(dsn)
    finally:
        loop.set_debug(was)
    session = connection._session
    with pytest.warns(ResourceWarning, match=f"unclosed connection(.|\n)*{says}"):
        del connection
        gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await until(lambda: session.is_closed)
