"""Transaction blocks and savepoints: states, misuse, and how BEGIN travels."""
import asyncio
import io

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.fake_server import NO_DATA, PARSED, parameter_description
from tests.support.fault_proxy import FaultProxy
from tests.support.transactions import committed, status
from tests.support.waiting import until, until_active


def watch_notices(connection):
    """The texts of the server's notices from now on."""
    texts = []
    connection._session.on_told = lambda session, notices, _: texts.extend(notice["M"] for notice in notices)
    return texts


# The ordinary life

async def test_a_block_commits(table):
    connection, other = table
    async with connection.transaction() as nothing:
        assert nothing is None
        await connection.execute("insert into t values ($1)", 1)
        assert connection.is_in_transaction()
        assert status(connection) == "T"
        assert await committed(other) == []
    assert not connection.is_in_transaction()
    assert (await committed(other), status(connection)) == ([1], "I")


@pytest.mark.parametrize("first", ["fetch", "execute", "script", "executemany", "prepare", "fetchmany", "copy word"])
async def test_any_first_statement_carries_begin(table, first):
    connection, other = table
    async with connection.transaction():
        if first == "fetch":
            await connection.fetch("insert into t values ($1) returning a", 1)
        elif first == "execute":
            await connection.execute("insert into t values ($1)", 1)
        elif first == "script":
            await connection.execute("insert into t values (0); insert into t values (1); delete from t where a = 0")
        elif first == "executemany":
            await connection.executemany("insert into t values ($1)", [(1,)])
        elif first == "fetchmany":
            await connection.fetchmany("insert into t values ($1) returning a", [(1,)])
        elif first == "prepare":
            statement = await connection.prepare("insert into t values ($1)")
            await statement.fetch(1)
        else:
            await connection.execute("insert into t values (1) -- copy")
        assert status(connection) == "T"
        assert await committed(other) == []
    assert (await committed(other), status(connection)) == ([1], "I")


@pytest.mark.parametrize("first", ["fetch", "execute", "script", "executemany", "prepare"])
@pytest.mark.parametrize("cached", [False, True])
async def test_any_first_statement_is_undone_by_an_exception(table, first, cached):
    connection, other = table
    if cached:
        await connection.fetch("insert into t values ($1) returning a", 5)
        await connection.execute("insert into t values ($1)", 6)
        await connection.execute("delete from t")
    with pytest.raises(KeyError, match="mine"):
        async with connection.transaction():
            if first == "fetch":
                await connection.fetch("insert into t values ($1) returning a", 1)
            elif first == "execute":
                await connection.execute("insert into t values ($1)", 1)
            elif first == "script":
                await connection.execute("insert into t values (1)")
            elif first == "executemany":
                await connection.executemany("insert into t values ($1)", [(1,)])
            else:
                await (await connection.prepare("insert into t values ($1)")).fetch(1)
            raise KeyError("mine")
    assert (await committed(other), status(connection), connection.is_in_transaction()) == ([], "I", False)
    await connection.execute("insert into t values (2)")
    assert await committed(other) == [2]


async def test_isolation_readonly_and_deferrable_reach_the_server(connection):
    async with connection.transaction(isolation="serializable", readonly=True, deferrable=True):
        row = await connection.fetchrow("select current_setting('transaction_isolation'), "
                                        "current_setting('transaction_read_only'), "
                                        "current_setting('transaction_deferrable')")
    assert row == ("serializable", "on", "on")
    async with connection.transaction(isolation="repeatable_read"):
        assert await connection.fetchval("show transaction_isolation") == "repeatable read"
    with pytest.raises(exceptions.ReadOnlySQLTransactionError):
        async with connection.transaction(readonly=True):
            await connection.execute("create table never (a int)")


@pytest.mark.parametrize("isolation", ["", "serialized", "read committed", "SERIALIZABLE"])
async def test_an_unknown_isolation_is_a_value_error(connection, isolation):
    with pytest.raises(ValueError, match="isolation"):
        connection.transaction(isolation=isolation)


async def test_a_savepoint_undoes_only_its_own(table):
    connection, other = table
    async with connection.transaction():
        await connection.execute("insert into t values (1)")
        with pytest.raises(exceptions.UniqueViolationError):
            async with connection.transaction():
                await connection.execute("insert into t values (2)")
                await connection.execute("insert into t values ($1)", 1)
        assert status(connection) == "T"
        async with connection.transaction():
            await connection.execute("insert into t values (3)")
        with pytest.raises(KeyError):
            async with connection.transaction():
                async with connection.transaction():
                    await connection.execute("insert into t values (4)")
                raise KeyError
        await connection.execute("insert into t values (5)")
    assert await committed(other) == [1, 3, 5]


async def test_a_savepoint_before_the_first_statement_travels_with_begin(table):
    connection, other = table
    async with connection.transaction():
        with pytest.raises(exceptions.UniqueViolationError):
            async with connection.transaction():
                await connection.executemany("insert into t values ($1)", [(1,), (1,)])
        await connection.execute("insert into t values (2)")
    assert await committed(other) == [2]


async def test_nested_isolation_must_be_the_outer_one(connection):
    async with connection.transaction(isolation="serializable"):
        async with connection.transaction(isolation="serializable"):
            assert await connection.fetchval("select 1") == 1
        with pytest.raises(exceptions.InterfaceError, match="nested transaction has a different isolation level"):
            async with connection.transaction(isolation="read_committed"):
                pass
        assert await connection.fetchval("select 2") == 2
    async with connection.transaction(), connection.transaction(isolation="read_committed"):
        assert await connection.fetchval("select 3") == 3
    assert status(connection) == "I"


async def test_two_blocks_in_a_row_are_two_transactions(connection):
    ids = []
    for _ in range(2):
        async with connection.transaction():
            ids.append(await connection.fetchval("select txid_current()"))
            assert await connection.fetchval("select txid_current()") == ids[-1]
    assert ids[0] != ids[1]


async def test_gather_inside_a_block_is_inside_the_transaction(table):
    connection, other = table
    async with connection.transaction():
        await asyncio.gather(*[connection.execute("insert into t values ($1)", i) for i in range(10)])
        assert await committed(other) == []
    assert await committed(other) == list(range(10))


# By hand, and misuse

async def test_by_hand_start_commit_and_rollback(table):
    connection, other = table
    transaction = connection.transaction()
    await transaction.start()
    assert connection.is_in_transaction()
    await connection.execute("insert into t values (1)")
    await transaction.commit()
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("insert into t values (2)")
    await transaction.rollback()
    assert (await committed(other), connection.is_in_transaction()) == ([1], False)


@pytest.mark.parametrize(("before", "verb", "text"), [
    ((), "commit", "cannot commit; the transaction is not yet started"),
    ((), "rollback", "cannot rollback; the transaction is not yet started"),
    (("start",), "start", "cannot start; the transaction is already started"),
    (("start", "commit"), "start", "cannot start; the transaction is already committed"),
    (("start", "commit"), "commit", "cannot commit; the transaction is already committed"),
    (("start", "commit"), "rollback", "cannot rollback; the transaction is already committed"),
    (("start", "rollback"), "start", "cannot start; the transaction is already rolled back"),
    (("start", "rollback"), "commit", "cannot commit; the transaction is already rolled back"),
    (("start", "rollback"), "rollback", "cannot rollback; the transaction is already rolled back"),
])
@pytest.mark.parametrize("is_written", [False, True])
async def test_misuse_of_a_transaction_is_refused(connection, before, verb, text, is_written):
    transaction = connection.transaction()
    for step in before:
        await getattr(transaction, step)()
        if is_written and step == "start":
            await connection.execute("select 1")
    with pytest.raises(exceptions.InterfaceError, match=text):
        await getattr(transaction, verb)()
    if before == ("start",):
        await transaction.rollback()
    assert await connection.fetchval("select 1") == 1
    assert (status(connection), connection.is_in_transaction()) == ("I", False)


@pytest.mark.parametrize("verb", ["commit", "rollback"])
async def test_a_managed_transaction_cannot_be_ended_by_hand(connection, verb):
    transaction = connection.transaction()
    async with transaction:
        refusal = f"cannot manually {verb} from within an `async with` block"
        with pytest.raises(exceptions.InterfaceError, match=refusal):
            await getattr(transaction, verb)()
        with pytest.raises(exceptions.InterfaceError, match="cannot enter context: already in an `async with`"):
            await transaction.__aenter__()
        await connection.execute("select 1")
    assert status(connection) == "I"
    with pytest.raises(exceptions.InterfaceError, match="already committed"):
        async with transaction:
            pass


async def test_entering_a_started_transaction_raises_and_leaves_it_usable_by_hand(table):
    connection, other = table
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("insert into t values (1)")
    with pytest.raises(exceptions.InterfaceError, match="already started"):
        async with transaction:
            pass
    await transaction.commit()
    assert await committed(other) == [1]


async def test_a_manually_begun_transaction_is_refused(connection):
    await connection.execute("begin")
    with pytest.raises(exceptions.InterfaceError,
                       match=r"cannot use Connection.transaction\(\) in a manually started transaction"):
        async with connection.transaction():
            pass
    assert connection.is_in_transaction()
    await connection.execute("rollback")
    async with connection.transaction():
        assert await connection.fetchval("select 1") == 1


async def test_repr_shows_state_and_options(connection):
    transaction = connection.transaction(isolation="serializable", readonly=True, deferrable=True)
    assert "state:new serializable readonly deferrable" in repr(transaction)
    async with transaction:
        assert "state:started" in repr(transaction)
    assert "state:committed" in repr(transaction)


async def test_transaction_of_a_closed_connection_is_refused(connect):
    connection = await connect()
    transaction = connection.transaction()
    await connection.close()
    with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
        await transaction.start()
    with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
        connection.transaction()


# BEGIN has no flight of its own

async def test_an_empty_block_sends_nothing(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        assert await connection.fetchval("select 1") == 1
        proxy.flights.clear()
        proxy.client_is_next = True
        async with connection.transaction(), connection.transaction():
            pass
        with pytest.raises(KeyError):
            async with connection.transaction():
                raise KeyError
        transaction = connection.transaction()
        await transaction.start()
        await transaction.rollback()
        assert proxy.flights == []
        assert await connection.fetchval("select 1") == 1
        assert (len(proxy.flights), b"BEGIN" in proxy.flights[0]) == (1, False)
        connection.terminate()


async def test_begin_travels_with_the_first_statement_and_commit_is_the_third_flight(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await connection.fetchval("select 1")
        proxy.flights.clear()
        proxy.client_is_next = True
        async with connection.transaction():
            await connection.fetchval("select 1")
            await connection.fetchval("select 1")
        assert [b"BEGIN" in flight for flight in proxy.flights] == [True, False, False]
        assert [b"COMMIT" in flight for flight in proxy.flights] == [False, False, True]
        connection.terminate()


async def run_first(connection, how, value):
    """The block's first statement, by the ways there are."""
    if how == "fetch":
        await connection.fetch("insert into t values ($1) returning a", value)
    elif how == "fetch cached":
        await connection.fetch("insert into t values ($1)", value)
    elif how == "execute":
        await connection.execute(f"insert into t values ({value})")
    elif how == "execute arguments":
        await connection.execute("insert into t values ($1)", value)
    elif how == "executemany":
        await connection.executemany("insert into t values ($1)", [(value,), (value + 1,)])
    else:
        await connection.fetchmany("insert into t values ($1) returning a", [(value,), (value + 1,)])


FIRST = ["fetch", "fetch cached", "execute", "execute arguments", "executemany", "fetchmany"]


class Unstartable(asyncpg_core.transaction.Transaction):
    """A transaction whose BEGIN the server refuses."""

    __slots__ = ()

    def _begin_text(self):
        return "BEGIN NONSENSE"


@pytest.mark.parametrize("how", FIRST)
async def test_begin_that_fails_leaves_no_row_and_says_so(table, how):
    connection, other = table
    if how == "fetch cached":
        await connection.fetch("insert into t values ($1)", 77)
        await connection.execute("delete from t")
    transaction = Unstartable(connection, None, False, False)
    with pytest.raises(exceptions.PostgresSyntaxError) as caught:
        async with transaction:
            await run_first(connection, how, 1)
    assert "while starting the transaction" in caught.value.__notes__
    assert (await committed(other), status(connection), connection.is_in_transaction()) == ([], "I", False)
    assert "failed" in repr(transaction) or "rolledback" in repr(transaction)
    async with connection.transaction():
        await run_first(connection, how, 1)
    assert 1 in await committed(other)


@pytest.mark.parametrize("how", FIRST)
async def test_a_transaction_that_could_not_be_started_is_in_state_failed(table, how):
    connection, other = table
    transaction = Unstartable(connection, None, False, False)
    await transaction.start()
    with pytest.raises(exceptions.PostgresSyntaxError):
        await run_first(connection, how, 1)
    with pytest.raises(exceptions.InterfaceError, match="error state"):
        await transaction.commit()
    with pytest.raises(exceptions.InterfaceError, match="error state"):
        await transaction.rollback()
    assert (await committed(other), status(connection), connection.is_in_transaction()) == ([], "I", False)


@pytest.mark.parametrize("how", ["fetch", "execute arguments", "executemany"])
async def test_an_argument_error_as_first_statement_leaves_begin_to_the_next(cluster, how):
    cluster.sql("drop table if exists t cascade; create table t (a int primary key)")
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        for warm in ("insert into t values ($1) returning a", "insert into t values ($1)"):
            await connection.fetch(warm, 9)
            await connection.execute("delete from t")
        notices = watch_notices(connection)
        proxy.flights.clear()
        proxy.client_is_next = True
        async with connection.transaction():
            with pytest.raises(exceptions.DataError):
                if how == "executemany":
                    await connection.executemany("insert into t values ($1)", [("bad",)])
                else:
                    await run_first(connection, how, "bad")
            assert connection.is_in_transaction()
            await run_first(connection, how, 1)
            assert status(connection) == "T"
        sent = b"".join(proxy.flights)
        assert (sent.count(b"BEGIN"), sent.count(b"COMMIT"), notices) == (1, 1, [])
        connection.terminate()
    assert ("1",) in cluster.sql("select a from t")


async def test_position_of_an_error_in_a_script_is_the_users_own(connection):
    with pytest.raises(exceptions.PostgresSyntaxError) as caught:
        async with connection.transaction():
            await connection.execute("select 1; selec 2")
    assert caught.value.position == "11"


@pytest.mark.parametrize("how", ["fetch", "execute", "executemany"])
async def test_cancel_of_the_first_statement_before_it_is_written_leaves_begin_owed(table, how):
    connection, other = table
    notices = watch_notices(connection)
    async with connection.transaction():
        task = asyncio.get_running_loop().create_task(run_first(connection, how, 1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.is_in_transaction()
        await connection.execute("insert into t values (5)")
        assert status(connection) == "T"
    assert (await committed(other), status(connection), notices) == ([5], "I", [])


@pytest.mark.parametrize("query", ["select pg_sleep(30)", "select pg_sleep($1)"])
async def test_cancel_of_the_first_statement_in_flight_fails_the_transaction(table, query):
    connection, other = table
    notices = watch_notices(connection)
    arguments = (30,) if "$1" in query else ()
    transaction = connection.transaction()
    await transaction.start()
    with pytest.raises(asyncio.CancelledError):
        task = asyncio.get_running_loop().create_task(connection.fetch(query, *arguments))
        await until_active(other, connection, "pg_sleep")
        task.cancel()
        await task
    with pytest.raises((exceptions.InFailedSQLTransactionError, exceptions.InterfaceError)):
        await asyncio.wait_for(connection.execute("insert into t values (1)"), 5)
    await transaction.rollback()
    assert (await committed(other), status(connection), connection.is_in_transaction(), notices) == ([], "I", False, [])


async def test_first_statement_abandoned_behind_another_keeps_the_status_right(table):
    connection, other = table
    notices = watch_notices(connection)
    loop = asyncio.get_running_loop()
    slow = loop.create_task(connection.fetchval("select 1 from pg_sleep(0.1)"))
    await until_active(other, connection, "pg_sleep(0.1)")
    with pytest.raises(asyncio.CancelledError):
        async with connection.transaction():
            first = loop.create_task(connection.execute("insert into t values (1)"))
            await until(lambda: connection._session.frontend.n_pending == 2)
            first.cancel()
            await first
    assert await asyncio.wait_for(slow, 5) == 1
    assert await asyncio.wait_for(connection.fetchval("select 2"), 5) == 2
    assert (await committed(other), status(connection), connection.is_in_transaction(), notices) == ([], "I", False, [])


async def test_timeout_of_the_first_statement_leaves_the_connection_usable(table):
    connection, other = table
    notices = watch_notices(connection)
    with pytest.raises(asyncio.TimeoutError):
        async with connection.transaction():
            await connection.execute("insert into t select 1 from pg_sleep(30)", timeout=0.05)
    assert await asyncio.wait_for(connection.fetchval("select 2"), 5) == 2
    assert (await committed(other), status(connection), connection.is_in_transaction(), notices) == ([], "I", False, [])


async def test_notices_and_description_helpers_of_the_fake_server_are_messages():
    # What the scripts above are made of must itself be what the protocol says.
    assert parameter_description(23)[5:] == b"\x00\x01\x00\x00\x00\x17"
    assert (PARSED, NO_DATA) == (b"1\0\0\0\4", b"n\0\0\0\4")


# A text that cannot be parsed, as the first statement of a block: the server does not execute any of it

BAD_TEXTS = ["selec", "select 1; selec", "copy t from", "select 'unterminated"]


@pytest.mark.parametrize("bad", BAD_TEXTS)
async def test_what_follows_a_text_that_cannot_be_parsed_is_not_outside_of_its_transaction(table, bad):
    connection, other = table
    with pytest.raises(exceptions.TransactionRolledBackError):
        async with connection.transaction():
            with pytest.raises(exceptions.PostgresSyntaxError) as caught:
                await connection.execute(bad)
            assert status(connection) == "E" and not hasattr(caught.value, "__notes__")
            with pytest.raises(exceptions.InFailedSQLTransactionError):
                await connection.execute("insert into t values (1)")
    assert (await committed(other), status(connection)) == ([], "I")


@pytest.mark.parametrize("bad", BAD_TEXTS)
async def test_pipelined_behind_a_text_that_cannot_be_parsed_nothing_is_committed(table, bad):
    connection, other = table
    transaction = connection.transaction()
    await transaction.start()
    outcomes = await asyncio.gather(
        connection.execute(bad), connection.execute("insert into t values (1)"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        exceptions.PostgresSyntaxError, exceptions.InFailedSQLTransactionError]
    await transaction.rollback()
    assert (await committed(other), status(connection)) == ([], "I")


@pytest.mark.parametrize("bad", BAD_TEXTS)
async def test_a_savepoint_undoes_a_text_that_cannot_be_parsed(table, bad):
    connection, other = table
    async with connection.transaction():
        await connection.execute("insert into t values (1)")
        with pytest.raises(exceptions.PostgresSyntaxError):
            async with connection.transaction():
                await connection.execute(bad)
        await connection.execute("insert into t values (2)")
    assert await committed(other) == [1, 2]


async def test_a_copy_that_cannot_be_parsed_is_undone_by_its_savepoint_too(table):
    connection, other = table
    async with connection.transaction():
        await connection.execute("insert into t values (1)")
        for copying in (connection.copy_from_query("selec", output=io.BytesIO()),
                        connection.copy_to_table("t", source=b"3\n", where="a >")):
            with pytest.raises(exceptions.PostgresSyntaxError):
                async with connection.transaction():
                    await copying
        async with connection.transaction():
            assert await connection.copy_to_table("t", source=b"2\n") == "COPY 1"
        out = io.BytesIO()
        async with connection.transaction():
            assert await connection.copy_from_table("t", output=out) == "COPY 2"
    assert (await committed(other), out.getvalue()) == ([1, 2], b"1\n2\n")


async def test_a_begin_that_is_refused_takes_its_text_with_it(table):
    connection, other = table
    transaction = connection.transaction()
    await transaction.start()
    connection._session.preludes.statements[0] = "BEGIN ISOLATION LEVEL NONSENSE"
    with pytest.raises(exceptions.PostgresSyntaxError) as caught:
        await connection.execute("insert into t values (1)")
    assert caught.value.__notes__ == ["while starting the transaction"]
    assert (await committed(other), status(connection)) == ([], "I")
