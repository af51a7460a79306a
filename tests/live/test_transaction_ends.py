"""How transactions end: what COMMIT can come to, and what leaving a block does."""
import asyncio

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.fake_server import BOUND, DESCRIBED, ONE_ROW, PARSED, FakeServer, complete, error, ready
from tests.support.transactions import committed, status
from tests.support.waiting import until_active

# COMMIT

async def test_commit_of_a_failed_transaction_raises_with_the_first_failure_as_cause(table):
    connection, other = table
    with pytest.raises(exceptions.TransactionRolledBackError) as caught:
        async with connection.transaction():
            await connection.execute("insert into t values (1)")
            with pytest.raises(exceptions.DivisionByZeroError):
                await connection.fetch("select 1 / 0")
            with pytest.raises(exceptions.InFailedSQLTransactionError):
                await connection.fetch("select 1")
    assert isinstance(caught.value, exceptions.InFailedSQLTransactionError)
    assert type(caught.value.__cause__) is exceptions.DivisionByZeroError
    assert (await committed(other), status(connection), connection.is_in_transaction()) == ([], "I", False)
    async with connection.transaction():
        await connection.execute("insert into t values (1)")
    assert await committed(other) == [1]


async def test_the_cause_is_not_an_older_transactions(table):
    connection, _ = table
    for query, cause in {"select 1 / 0": exceptions.DivisionByZeroError,
                         "select nonsense": exceptions.UndefinedColumnError}.items():
        with pytest.raises(exceptions.TransactionRolledBackError) as caught:
            async with connection.transaction():
                with pytest.raises(cause):
                    await connection.fetch(query)
        assert type(caught.value.__cause__) is cause


async def test_a_deferred_constraint_fails_at_commit(table):
    connection, other = table
    await connection.execute("drop table if exists child; create table child (a int references t deferrable "
                             "initially deferred)")
    transaction = connection.transaction()
    with pytest.raises(exceptions.ForeignKeyViolationError):
        async with transaction:
            await connection.execute("insert into child values (5)")
    assert "state:failed" in repr(transaction)
    assert (status(connection), connection.is_in_transaction()) == ("I", False)
    assert await other.fetchval("select count(*) from child") == 0
    # Outside a block the failure comes between CommandComplete and ReadyForQuery.
    with pytest.raises(exceptions.ForeignKeyViolationError):
        await connection.execute("insert into child values ($1)", 5)
    outcomes = await asyncio.gather(connection.fetchval("select 1"), connection.execute("insert into child values (6)"),
                                    connection.fetchval("select 2"), return_exceptions=True)
    assert (outcomes[0], type(outcomes[1]), outcomes[2]) == (1, exceptions.ForeignKeyViolationError, 2)


async def begin_and_hang_at_commit(session):
    """Let a transaction begin, then leave its COMMIT unanswered."""
    await session.start()
    await session.take_to("S")
    session.send(PARSED, BOUND, complete("BEGIN"), DESCRIBED, ready("T"))
    await session.take_to("S")
    session.send(ONE_ROW, ready("T"))
    await session.take_to("Q")


@pytest.mark.parametrize("timeout", [None, 0.05])
async def test_a_commit_that_is_not_answered_in_time_has_an_unknown_outcome(timeout):
    async def script(session):
        await begin_and_hang_at_commit(session)
        await asyncio.wait_for(server.cancelled.wait(), 10)
        session.send(error("57014", "canceling statement due to user request"), ready("I"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn, command_timeout=0.05)
        with pytest.raises(exceptions.TransactionResolutionUnknownError) as caught:
            async with connection.transaction():
                assert await connection.fetchval("select 1 as a", timeout=5) == 1
        assert isinstance(caught.value, asyncio.TimeoutError)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.sqlstate == "08007"
        assert not connection.is_in_transaction()
        await asyncio.wait_for(server.cancelled.wait(), 5)
        connection.terminate()


@pytest.mark.parametrize("how", ["hang up", "reset", "farewell"])
async def test_a_connection_lost_at_commit_has_an_unknown_outcome(how):
    async def script(session):
        await begin_and_hang_at_commit(session)
        if how == "farewell":
            session.send(error("57P01", "terminating connection due to administrator command", severity="FATAL"))
        if how == "reset":
            session.reset()
        else:
            session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(exceptions.TransactionResolutionUnknownError) as caught:
            async with connection.transaction():
                assert await connection.fetchval("select 1 as a") == 1
        assert isinstance(caught.value, exceptions.ConnectionDoesNotExistError)
        assert connection.is_closed()
        if how == "farewell":
            assert "terminating connection due to administrator command" in str(caught.value)


async def test_a_commit_whose_task_is_cancelled_raises_cancelled_error_with_a_note():
    at_commit = asyncio.Event()

    async def script(session):
        await begin_and_hang_at_commit(session)
        at_commit.set()
        await asyncio.wait_for(server.cancelled.wait(), 10)
        session.send(error("57014", "canceling statement due to user request"), ready("I"))
        await session.gone()

    async def work():
        async with connection.transaction():
            await connection.fetchval("select 1 as a")

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        task = asyncio.get_running_loop().create_task(work())
        await asyncio.wait_for(at_commit.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        notes = [note for one in (caught.value, caught.value.__context__) for note in getattr(one, "__notes__", [])]
        assert any("outcome of the COMMIT is unknown" in note for note in notes)
        await asyncio.wait_for(server.cancelled.wait(), 5)
        connection.terminate()


async def test_a_commit_cancelled_before_it_is_written_is_rolled_back(table):
    connection, other = table
    loop = asyncio.get_running_loop()
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("insert into t values (1)")
    slow = loop.create_task(connection.fetchval("select 1 from pg_sleep(0.05)"))
    await until_active(other, connection, "pg_sleep(0.05)")
    commit = loop.create_task(transaction.commit())
    await asyncio.sleep(0)
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    assert await slow == 1
    assert await connection.fetchval("select 2") == 2
    assert (await committed(other), status(connection), connection.is_in_transaction()) == ([], "I", False)


async def test_a_commit_that_was_cancelled_on_the_server_does_not_leave_the_transaction_open(table):
    # The fake server answers the COMMIT with an error and a transaction that is still there, as 57014 does.
    at_commit = asyncio.Event()

    async def script(session):
        await begin_and_hang_at_commit(session)
        at_commit.set()
        await asyncio.wait_for(server.cancelled.wait(), 10)
        session.send(error("57014", "canceling statement due to user request"), ready("E"))
        assert await session.take_to("Q", "S") == "Q"
        assert session.taken[-1][1] == b"ROLLBACK\0"
        session.send(complete("ROLLBACK"), ready("I"))
        await session.take_to("S")
        session.send(ONE_ROW, ready("I"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchval("select 1 as a")
        commit = asyncio.get_running_loop().create_task(transaction.commit())
        await asyncio.wait_for(at_commit.wait(), 5)
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        assert not connection.is_in_transaction()
        assert await asyncio.wait_for(connection.fetchval("select 1 as a"), 5) == 1
        assert (status(connection), connection.is_in_transaction()) == ("I", False)
        connection.terminate()


# Leaving a block

async def test_the_error_that_leaves_a_block_is_never_masked(connect, connection):
    victim = await connect()
    with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
        async with victim.transaction():
            await victim.fetchval("select 1")
            sleeping = asyncio.ensure_future(victim.fetchval("select pg_sleep(30)"))
            await asyncio.sleep(0.01)       # it is written before the end comes
            await connection.execute("select pg_terminate_backend($1)", victim.get_server_pid())
            await sleeping
    assert type(caught.value.__cause__) is exceptions.AdminShutdownError
    assert victim.is_closed()


async def test_the_users_error_leaves_a_block_of_a_lost_connection(connect, connection):
    victim = await connect()
    with pytest.raises(KeyError, match="mine"):
        async with victim.transaction(), victim.transaction():
            await victim.fetchval("select 1")
            victim.terminate()
            raise KeyError("mine")


async def test_a_rollback_that_fails_does_not_mask_and_closes_the_connection():
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(PARSED, BOUND, complete("BEGIN"), DESCRIBED, ready("T"))
        await session.take_to("S")
        session.send(ONE_ROW, ready("T"))
        await session.take_to("Q")
        session.send(error("XX000", "no rollback today"), ready("T"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(KeyError, match="mine"):
            async with connection.transaction():
                await connection.fetchval("select 1 as a")
                raise KeyError("mine")
        assert connection.is_closed()


async def test_rollback_is_queued_not_awaited_when_a_block_is_cancelled(table):
    connection, other = table
    entered = asyncio.Event()

    async def work():
        async with connection.transaction():
            await connection.execute("insert into t values (1)")
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.wait_for(entered.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not connection.is_in_transaction()
    assert await connection.fetchval("select count(*) from t") == 0
    assert (await committed(other), status(connection)) == ([], "I")


async def test_rollback_is_queued_when_the_running_statement_of_a_block_is_cancelled(table):
    connection, other = table

    async def work():
        async with connection.transaction():
            await connection.execute("insert into t values (1)")
            async with connection.transaction():
                await connection.execute("select pg_sleep(30)")

    task = asyncio.get_running_loop().create_task(work())
    await until_active(other, connection, "pg_sleep(30)")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with connection.transaction():
        await asyncio.wait_for(connection.execute("insert into t values (2)"), 5)
    assert (await committed(other), status(connection)) == ([2], "I")


async def test_a_cancelled_transaction_can_be_followed_by_another_at_once(table):
    connection, other = table
    for i in range(20):
        with pytest.raises(KeyError):
            async with connection.transaction():
                await connection.execute("insert into t values ($1)", i)
                raise KeyError
        async with connection.transaction():
            await connection.execute("insert into t values ($1)", i)
    assert await committed(other) == list(range(20))
