"""Pipeline blocks whose members are known to the server, new to it, refused here or refused there, in every order."""
import asyncio
import itertools

import pytest

import asyncpg_core as asyncpg

KNOWN = ("INSERT INTO t VALUES (1)",)
NEW = ("INSERT INTO t VALUES (2)",)
BAD = ("INSERT INTO t VALUES ($1)", "x")
WRONG = ("INSERTT",)
FAILING = ("INSERT INTO t VALUES (1 / 0)",)
REFUSED = {BAD: asyncpg.DataError, WRONG: asyncpg.PostgresSyntaxError, FAILING: asyncpg.DivisionByZeroError}


@pytest.fixture
async def conn(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TEMP TABLE t (id int)")
    await connection.fetch(*KNOWN)
    await connection.execute("INSERT INTO t VALUES ($1)", 0)
    await connection.execute("TRUNCATE t")
    yield connection
    connection.terminate()


async def outcomes_of(conn, members):
    async with conn.pipeline() as p:
        calls = [p.execute(*member) for member in members]
    return [await asyncio.gather(call, return_exceptions=True) for call in calls]


@pytest.mark.parametrize("members", [
    members for n in (1, 2, 3) for members in itertools.product((KNOWN, NEW, BAD, WRONG, FAILING), repeat=n)
    if sum(member in REFUSED for member in members) <= 1])
async def test_a_block_happens_wholly_or_not_at_all(conn, members):
    outcomes = await asyncio.wait_for(outcomes_of(conn, members), 5)
    refused = [member for member in members if member in REFUSED]
    for member, [outcome] in zip(members, outcomes, strict=False):
        if member in REFUSED:
            assert isinstance(outcome, REFUSED[member])
        elif refused:
            assert isinstance(outcome, asyncpg.PipelineAborted)
        else:
            assert outcome == "INSERT 0 1"
    assert await conn.fetchval("SELECT count(*) FROM t") == (0 if refused else len(members))
    assert not conn.is_in_transaction()
    assert conn._session.frontend.n_pending == 0


@pytest.mark.parametrize("first", [BAD, WRONG, FAILING])
@pytest.mark.parametrize("second", [BAD, WRONG, FAILING])
async def test_two_members_that_are_refused_leave_the_connection_usable(conn, first, second):
    outcomes = await asyncio.wait_for(outcomes_of(conn, [KNOWN, first, KNOWN, second]), 5)
    assert all(isinstance(outcome, Exception) for [outcome] in outcomes)
    assert await conn.fetchval("SELECT count(*) FROM t") == 0


async def test_a_last_member_that_is_cancelled_before_it_is_written_does_not_hold_the_group(conn):
    async with conn.pipeline() as p:
        first = p.execute(*KNOWN)
        last = p.execute(*NEW)
    last.cancel()
    assert await asyncio.wait_for(first, 5) == "INSERT 0 1"
    assert await conn.fetchval("SELECT count(*) FROM t") == 1


async def test_gather_keeps_a_cancelled_call_as_an_exception(conn):
    call = conn.fetchval("SELECT pg_sleep(30)")
    gathered = asyncio.gather(call, conn.fetchval("SELECT 1"), return_exceptions=True)
    await asyncio.sleep(0)
    call.cancel()
    cancelled, one = await asyncio.wait_for(gathered, 5)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert one == 1


async def test_calls_of_one_round_leave_in_one_write(conn):
    await conn.fetchval("SELECT $1::int", 0)
    tasks = [asyncio.create_task(conn.fetchval("SELECT $1::int", n)) for n in range(10)]
    most = 0
    while not all(task.done() for task in tasks):
        most = max(most, conn._session.frontend.n_pending)
        await asyncio.sleep(0)
    assert most >= 9
