"""Notifications, log messages, query loggers and the connection's end."""
import asyncio
import io

import pytest

import asyncpg_core
from asyncpg_core.exceptions import (
    ConnectionDoesNotExistError,
    InterfaceError,
    InterfaceWarning,
    PostgresLogMessage,
    PostgresWarning,
)
from asyncpg_core.query_log import LoggedQuery
from tests.support.waiting import until


class Heard(list):
    """A callback that keeps what it is called with."""

    def __call__(self, *args):
        self.append(args)

    def __hash__(self):
        return id(self)

    @property
    def payloads(self):
        return [args[3] for args in self]


async def channels_of(connection):
    return [row[0] for row in await connection.fetch("select pg_listening_channels() order by 1")]


# Notifications

async def test_a_notification_reaches_an_idle_connection(connection, connect):
    heard, other = Heard(), await connect()
    await connection.add_listener("news", heard)
    await other.execute("notify news, 'first'")
    await until(lambda: heard)
    assert heard == [(connection, other.get_server_pid(), "news", "first")]
    await other.execute("notify news; notify other, 'unheard'")
    await until(lambda: len(heard) == 2)
    assert heard.payloads == ["first", ""]


async def test_notifications_come_in_the_middle_of_queries_and_in_order(connection, connect):
    heard, other = Heard(), await connect()
    await connection.add_listener("news", heard)
    querying = asyncio.gather(*[connection.fetchval("select pg_sleep(0.001)") for _ in range(50)])
    for n in range(200):
        await other.execute(f"notify news, '{n}'")
    await querying
    await until(lambda: len(heard) == 200)
    assert heard.payloads == [str(n) for n in range(200)]


async def test_own_notifications_come_too_and_coroutine_functions_hear(connection):
    heard = []

    async def hear(*args):
        await asyncio.sleep(0)
        heard.append(args)

    await connection.add_listener("news", hear)
    await connection.execute("select pg_notify('news', 'own')")
    await until(lambda: heard)
    assert heard == [(connection, connection.get_server_pid(), "news", "own")]


@pytest.mark.parametrize("channel", ["news", "News", 'a "b" c', "; drop", "größe"])
async def test_a_channel_has_exactly_its_name(connection, channel):
    heard = Heard()
    await connection.add_listener(channel, heard)
    assert await channels_of(connection) == [channel]
    await connection.fetch("select pg_notify($1, 'x')", channel)
    await until(lambda: heard)
    await connection.remove_listener(channel, heard)
    assert await channels_of(connection) == []


async def test_listen_is_sent_once_and_unlisten_with_the_last(connection):
    queries, a, b = [], Heard(), Heard()
    connection.add_query_logger(lambda record: queries.append(record.query))
    await connection.add_listener("news", a)
    await connection.add_listener("news", b)
    await connection.add_listener("news", a)
    await connection.remove_listener("news", a)
    await connection.remove_listener("news", a)
    await connection.remove_listener("none", a)
    await connection.execute("notify news, 'x'")
    await until(lambda: b)
    assert a == []
    await connection.remove_listener("news", b)
    await asyncio.sleep(0)
    assert queries == ['LISTEN "news"', "notify news, 'x'", 'UNLISTEN "news"']


async def test_what_cannot_be_called_is_refused_before_listen(connection):
    with pytest.raises(InterfaceError, match="expected a callable"):
        await connection.add_listener("news", 3)
    with pytest.raises(InterfaceError, match="zero byte"):
        await connection.add_listener("a\0b", print)
    for add in (connection.add_log_listener, connection.add_termination_listener, connection.add_query_logger):
        with pytest.raises(InterfaceError, match="expected a callable"):
            add(3)
    assert await channels_of(connection) == []


async def test_a_listen_that_fails_leaves_no_callback(connection):
    transaction = connection.transaction()
    await transaction.start()
    with pytest.raises(asyncpg_core.DivisionByZeroError):
        await connection.fetch("select 1 / 0")
    with pytest.raises(asyncpg_core.InFailedSQLTransactionError):
        await connection.add_listener("news", print)
    await transaction.rollback()
    assert connection._session.on_told.channels == {}


async def test_a_listen_that_was_rolled_back_is_sent_again(connection):
    heard = Heard()
    transaction = connection.transaction()
    await transaction.start()
    await connection.add_listener("news", heard)
    await transaction.rollback()
    assert await channels_of(connection) == []
    await connection.add_listener("news", heard)
    await connection.execute("notify news, 'x'")
    await until(lambda: heard)


@pytest.mark.expects_loop_errors
async def test_what_a_callback_raises_goes_to_the_loop(connection, quiet_loop):
    heard = Heard()

    def broken(*args):
        raise LookupError("mine")

    await connection.add_listener("news", broken)
    await connection.add_listener("news", heard)
    await connection.execute("notify news, 'x'")
    await until(lambda: heard)
    assert await connection.fetchval("select 1") == 1
    assert len(quiet_loop) == 1


async def test_many_notifications_are_all_delivered(connection, connect):
    heard, other = Heard(), await connect()
    await connection.add_listener("flood", heard)
    await other.execute("select pg_notify('flood', n::text) from generate_series(1, 20000) n")
    await until(lambda: len(heard) == 20_000)
    assert heard.payloads == [str(n) for n in range(1, 20_001)]


# Log messages

async def test_notices_and_warnings_are_log_messages(connection):
    heard = Heard()
    connection.add_log_listener(heard)
    await connection.execute("""do $$ begin
        raise notice 'a notice'; raise warning 'a warning' using hint = 'h', errcode = '01007'; end $$""")
    await until(lambda: len(heard) == 2)
    assert [told for told, _ in heard] == [connection] * 2
    (_, first), (_, second) = heard
    assert type(first) is PostgresLogMessage
    assert (first.severity, first.message, first.sqlstate) == ("NOTICE", "a notice", "00000")
    assert isinstance(second, PostgresWarning)
    assert (second.severity, second.message, second.hint) == ("WARNING", "a warning", "h")
    connection.remove_log_listener(heard)
    connection.remove_log_listener(print)
    await connection.execute("do $$ begin raise notice 'unheard'; end $$")
    await asyncio.sleep(0)
    assert len(heard) == 2


async def test_a_notice_is_heard_before_the_query_that_raised_it_goes_on(connection):
    heard, current = [], None
    connection.add_log_listener(lambda _, notice: heard.append((notice.message, current)))
    for current in ("first", "second"):
        await connection.execute(f"do $$ begin raise notice '{current}'; end $$")
    assert heard == [("first", "first"), ("second", "second")]


async def test_reset_forgets_listeners_but_not_loggers(connection):
    heard, logged = Heard(), Heard()
    await connection.add_listener("news", heard)
    connection.add_log_listener(heard)
    connection.add_query_logger(logged)
    await connection.reset()
    assert await channels_of(connection) == []
    await connection.execute("notify news; do $$ begin raise notice 'unheard'; end $$")
    await asyncio.sleep(0)
    assert heard == []
    assert logged
    await connection.add_listener("news", heard)
    await connection.execute("notify news")
    await until(lambda: heard)


# Query loggers

async def test_each_query_is_logged_with_its_outcome(connection):
    records = []
    connection.add_query_logger(records.append)
    await connection.fetch("select $1::int", 5, timeout=3)
    await connection.execute("select 1; select 2")
    await connection.execute("select $1::int", 7)
    await connection.executemany("select $1::int", [(1,), (2,)])
    await connection.fetchrow("select 3")
    await connection.fetchval("select 4")
    with pytest.raises(asyncpg_core.DivisionByZeroError) as failed:
        await connection.fetch("select 1 / 0")
    with pytest.raises(asyncio.TimeoutError):
        await connection.fetch("select pg_sleep(5)", timeout=0.02)
    await asyncio.sleep(0)
    assert [(record.query, record.args, record.timeout) for record in records] == [
        ("select $1::int", (5,), 3.0), ("select 1; select 2", (), None), ("select $1::int", (7,), None),
        ("select $1::int", [(1,), (2,)], None), ("select 3", (), None), ("select 4", (), None),
        ("select 1 / 0", (), None), ("select pg_sleep(5)", (), 0.02)]
    assert all(type(record) is LoggedQuery and 0 < record.elapsed < 5 for record in records)
    assert [record.exception for record in records[:6]] == [None] * 6
    assert records[6].exception is failed.value
    assert isinstance(records[7].exception, asyncio.TimeoutError)
    assert records[0].conn_addr == connection._addr
    assert records[0].conn_params.user == "postgres"


async def test_transactions_are_logged_and_statements_cursors_and_copy_are_not(connection):
    queries = []
    statement = await connection.prepare("select 1")
    with connection.query_logger(lambda record: queries.append(record.query)):
        await statement.fetch()
        await connection.prepare("select 2")
        await connection.copy_from_query("select 3", output=io.BytesIO())
        async with connection.transaction():
            await connection.fetchval("select 4")
            async with connection.transaction():
                await connection.fetchval("select 5")
            async for _ in connection.cursor("select 6"):
                pass
    await asyncio.sleep(0)
    assert [query.partition(" ")[0] for query in queries] == [
        "BEGIN", "select", "SAVEPOINT", "select", "RELEASE", "COMMIT"]


async def test_a_logger_in_a_with_block_is_removed_whatever_happens(connection):
    heard = Heard()
    with pytest.raises(ZeroDivisionError):
        with connection.query_logger(heard):
            await connection.fetchval("select 1")
            raise ZeroDivisionError
    await connection.fetchval("select 2")
    await asyncio.sleep(0)
    assert [record.query for (record,) in heard] == ["select 1"]
    connection.remove_query_logger(heard)


async def test_a_cancelled_query_is_logged(connection):
    heard = Heard()
    connection.add_query_logger(heard)
    task = asyncio.create_task(connection.fetchval("select pg_sleep(5)"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    ((record,),) = heard
    assert isinstance(record.exception, asyncio.CancelledError)


# The end

@pytest.mark.parametrize("end", ["close", "terminate", "kill"])
async def test_the_end_is_told_once(connection, connect, end):
    heard, other, removed = Heard(), await connect(), Heard()
    connection.add_termination_listener(heard)
    connection.add_termination_listener(removed)
    connection.remove_termination_listener(removed)
    connection.remove_termination_listener(print)
    if end == "close":
        await connection.close()
    elif end == "terminate":
        connection.terminate()
    else:
        await other.execute(f"select pg_terminate_backend({connection.get_server_pid()})")
    await until(lambda: heard)
    connection.terminate()
    await asyncio.sleep(0.01)
    assert heard == [(connection,)]
    assert removed == []


async def test_the_end_is_told_before_a_query_fails_by_it(connection, connect):
    heard, heard_later, other = Heard(), Heard(), await connect()

    async def hear(*args):
        heard_later(*args)

    connection.add_termination_listener(heard)
    connection.add_termination_listener(hear)

    async def ask():
        with pytest.raises(ConnectionDoesNotExistError):
            await connection.fetchval("select pg_sleep(10)")
        # Here, not where somebody waits for this: an iteration of the loop more would make it true anyway.
        assert heard == heard_later == [(connection,)]

    query = asyncio.ensure_future(ask())
    await until(lambda: connection._protocol.queries_count)
    await other.execute(f"select pg_terminate_backend({connection.get_server_pid()})")
    await query


async def test_on_a_closed_connection_listeners_are_removed_but_not_added(connection):
    await connection.add_listener("news", print)
    connection.add_log_listener(print)
    await connection.close()
    with pytest.raises(InterfaceError, match="connection is closed"):
        await connection.add_listener("news", print)
    with pytest.raises(InterfaceError, match="connection is closed"):
        connection.add_log_listener(print)
    await connection.remove_listener("news", print)
    connection.remove_log_listener(print)
    connection.remove_termination_listener(print)
    connection.remove_query_logger(print)


# Pools

async def test_listeners_that_are_left_are_warned_of_and_removed(dsn):
    heard = Heard()
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        with pytest.warns(InterfaceWarning) as warned:
            async with pool.acquire() as connection:
                await connection.add_listener("a", heard)
                await connection.add_listener("b", heard)
                await connection.add_listener("b", print)
                connection.add_log_listener(heard)
        assert [str(one.message).partition("but has ")[2] for one in warned] == [
            "3 active notification listeners", "1 active log listener"]
        async with pool.acquire() as connection:
            assert await channels_of(connection) == []
            await connection.execute("notify a; do $$ begin raise notice 'unheard'; end $$")
        await asyncio.sleep(0.01)
        assert heard == []


async def test_a_borrower_hears_on_his_own_connection(dsn):
    heard = Heard()
    async with asyncpg_core.create_pool(dsn, max_size=2) as pool:
        async with pool.acquire() as connection:
            await connection.add_listener("news", heard)
            await pool.execute("notify news, 'x'")
            await until(lambda: heard)
            assert heard[0][0] is connection
            await connection.remove_listener("news", heard)
        for method in ("add_listener", "remove_listener"):
            with pytest.raises(InterfaceError, match=rf"Connection\.{method}\(\): connection has been released"):
                await getattr(connection, method)("news", heard)
        for method in ("add_log_listener", "remove_log_listener", "add_termination_listener",
                       "remove_termination_listener", "add_query_logger", "remove_query_logger"):
            with pytest.raises(InterfaceError, match=rf"Connection\.{method}\(\): connection has been released"):
                getattr(connection, method)(heard)


async def test_loggers_and_termination_listeners_stay_with_the_physical_connection(dsn):
    logged, ended = Heard(), Heard()

    async def init(connection):
        connection.add_query_logger(logged)
        connection.add_termination_listener(ended)

    pool = await asyncpg_core.create_pool(dsn, max_size=1, init=init)
    assert await pool.fetchval("select 1") == 1
    async with pool.acquire() as connection:
        await connection.fetchval("select 2")
    await asyncio.sleep(0)
    assert [record.query for (record,) in logged] == ["select 1", "select 2"]
    assert ended == []
    await pool.close()
    await until(lambda: ended)
    assert len(ended) == 1


async def test_a_borrowers_log_listener_moves_with_him_when_a_reset_fails(dsn):
    heard, pids = Heard(), []
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        # The second release's reset goes by names that its borrower has taken from the server unseen.
        for statement in ("select 1", "do $$ begin execute 'deallocate all'; end $$"):
            async with pool.acquire() as connection:
                pids.append(connection.get_server_pid())
                await connection.execute(statement)
        async with pool.acquire() as connection:
            connection.add_log_listener(heard)
            await connection.execute("do $$ begin raise notice 'heard'; end $$")
            await until(lambda: heard)
            pids.append(await connection.fetchval("select pg_backend_pid()"))
            connection.remove_log_listener(heard)
    assert pids[0] == pids[1] != pids[2] and len(heard) == 1


# The same as asyncpg

async def test_the_same_is_told_by_asyncpg(dsn, connect):
    asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    told = []

    async def listen(connection):
        heard, messages, records, ended = Heard(), [], [], []
        connection.add_log_listener(lambda con, message: messages.append((
            type(message).__name__, message.severity, message.message, message.sqlstate, message.as_dict().keys())))
        connection.add_query_logger(lambda record: records.append(
            (record.query.rstrip(";"), record.args, record.timeout, type(record.exception).__name__)))
        connection.add_termination_listener(ended.append)
        try:
            await connection.add_listener('New "s"', heard)
            await connection.execute("""do $$ begin raise notice 'n'; raise warning 'w'; raise info 'i'; end $$""")
            await connection.fetch("select pg_notify($1, $2)", 'New "s"', "payload", timeout=5)
            async with connection.transaction():
                await connection.fetchrow("select 1")
            with pytest.raises(Exception, match="division by zero"):
                await connection.fetchval("select 1 / 0")
            await connection.remove_listener('New "s"', heard)
            await until(lambda: heard)
            await connection.close()
            await asyncio.sleep(0)
            told.append(([args[2:] for args in heard], messages, records, [con is connection for con in ended]))
        finally:
            connection.terminate()

    await listen(await connect())
    await listen(await asyncpg.connect(dsn))
    assert told[0] == told[1]
