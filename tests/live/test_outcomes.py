"""What an error says of a statement whose connection is gone: not executed, rolled back, or unknown."""
import asyncio

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.fake_server import (
    BOUND,
    DESCRIBED,
    ONE_ROW,
    PARSED,
    FakeServer,
    complete,
    error,
    ready,
)

SHUTDOWN = "terminating connection due to administrator command"


def leave(session, how):
    if how == "farewell":
        session.send(error("57P01", SHUTDOWN, severity="FATAL"))
    if how == "reset":
        session.reset()
    else:
        session.hang_up()


HOW = pytest.mark.parametrize("how", ["hang up", "reset", "farewell"])


async def lost(server, work):
    """Return the error that `work` ends with, on a connection to a scripted server."""
    connection = await asyncpg_core.connect(server.dsn)
    with pytest.raises(exceptions.PostgresConnectionError) as caught:
        await asyncio.wait_for(work(connection), 5)
    connection.terminate()
    return caught.value


@HOW
@pytest.mark.parametrize("sql", ["COMMIT", "  commit and no chain", "END", "COMMIT PREPARED 'x'"])
async def test_a_commit_by_hand_whose_link_dies_has_an_unknown_outcome(how, sql):
    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.send(complete("BEGIN"), ready("T"))
        await session.take_to("Q")
        leave(session, how)

    async def work(connection):
        await connection.execute("BEGIN")
        await connection.execute(sql)

    async with FakeServer(script) as server:
        gone = await lost(server, work)
        assert isinstance(gone, exceptions.TransactionResolutionUnknownError)
        assert isinstance(gone, exceptions.ConnectionDoesNotExistError)
        assert (gone.sqlstate, gone.outcome, gone.safe_to_retry) == ("08007", "unknown", False)
        assert str(gone).startswith("the outcome of the COMMIT is unknown: connection was closed")
        if how == "farewell":
            assert str(gone).endswith(SHUTDOWN) and gone.sqlstate_of_cause == "57P01"
            assert type(gone.__cause__) is exceptions.AdminShutdownError


@HOW
async def test_a_commit_of_a_block_whose_link_dies_has_an_unknown_outcome(how):
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(PARSED, BOUND, complete("BEGIN"), DESCRIBED, ready("T"))
        await session.take_to("S")
        session.send(ONE_ROW, ready("T"))
        await session.take_to("Q")
        leave(session, how)

    async def work(connection):
        async with connection.transaction():
            assert await connection.fetchval("select 1 as a") == 1

    async with FakeServer(script) as server:
        gone = await lost(server, work)
        assert isinstance(gone, exceptions.TransactionResolutionUnknownError)
        assert (gone.outcome, gone.safe_to_retry) == ("unknown", False)


@HOW
async def test_a_statement_on_its_own_whose_link_dies_has_an_unknown_outcome(how):
    async def script(session):
        await session.start()
        await session.take_to("Q")
        leave(session, how)

    async with FakeServer(script) as server:
        gone = await lost(server, lambda connection: connection.execute("insert into t values (1)"))
        assert type(gone) is exceptions.ConnectionDoesNotExistError
        assert (gone.outcome, gone.safe_to_retry) == ("unknown", False)


@HOW
async def test_a_statement_inside_a_transaction_whose_link_dies_is_rolled_back(how):
    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.send(complete("BEGIN"), ready("T"))
        await session.take_to("Q")
        leave(session, how)

    async def work(connection):
        await connection.execute("BEGIN")
        await connection.execute("insert into t values (1)")

    async with FakeServer(script) as server:
        gone = await lost(server, work)
        assert type(gone) is exceptions.ConnectionDoesNotExistError
        assert (gone.outcome, gone.safe_to_retry) == ("rolled back", False)


async def test_a_statement_in_front_of_a_commit_in_the_same_flight_is_unknown_too():
    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.send(complete("BEGIN"), ready("T"))
        await session.take_to("Q")
        await session.take_to("Q")
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        await connection.execute("BEGIN")
        outcomes = await asyncio.gather(
            connection.execute("insert into t values (1)"), connection.execute("COMMIT"), return_exceptions=True)
        assert [one.outcome for one in outcomes] == ["unknown", "unknown"]
        assert [isinstance(one, exceptions.TransactionResolutionUnknownError) for one in outcomes] == [False, True]


async def test_what_was_not_sent_is_not_executed():
    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        first = asyncio.ensure_future(connection.execute("select 1"))
        first.begin()
        held = [asyncio.ensure_future(connection.fetchval("select $1::int", i)) for i in range(3)]
        outcomes = await asyncio.gather(first, *held, return_exceptions=True)
        assert [(one.outcome, one.safe_to_retry) for one in outcomes[1:]] == [("not executed", True)] * 3
        assert (outcomes[0].outcome, outcomes[0].safe_to_retry) == ("unknown", False)


async def test_a_commit_that_was_not_sent_may_be_repeated_and_says_so():
    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.send(complete("BEGIN"), ready("T"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        await connection.execute("BEGIN")
        connection._session.holds_writes = True     # as while a CancelRequest is under way
        commit = asyncio.ensure_future(connection.execute("COMMIT"))
        commit.begin()
        connection.terminate()
        with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
            await commit
        assert not isinstance(caught.value, exceptions.TransactionResolutionUnknownError)
        assert (caught.value.outcome, caught.value.safe_to_retry) == ("not executed", True)


async def test_a_commit_by_hand_that_the_server_is_killed_in_has_an_unknown_outcome(connect, connection):
    victim = await connect()
    await connection.execute("drop table if exists deferred; create table deferred (a int)")
    await connection.execute("create or replace function slow() returns trigger language plpgsql as "
                             "$$ begin perform pg_sleep(30); return null; end $$")
    await connection.execute("create constraint trigger slow after insert on deferred deferrable initially deferred "
                             "for each row execute function slow()")
    await victim.execute("begin; insert into deferred values (1)")
    commit = asyncio.ensure_future(victim.execute("commit"))
    commit.begin()
    while await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and query = 'commit'",
            victim.get_server_pid()) != "SELECT 1":
        await asyncio.sleep(0.01)
    with pytest.raises(exceptions.TransactionResolutionUnknownError) as caught:
        await asyncio.wait_for(commit, 5)
    assert caught.value.outcome == "unknown" and caught.value.sqlstate_of_cause == "57P01"
    await connection.execute("drop table deferred; drop function slow()")
