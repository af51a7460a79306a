"""Names of statements, where they are safe and where they are not: what is asked, sent and healed, message by message.

The server is a script (`FakePooler`): several processes behind one connection, each with names of its own.
"""
import asyncio

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.fake_pooler import FakePooler
from tests.support.fake_server import FakeServer, FakeSession, error, message

# Parse Bind Execute Sync, and what a statement needs: Parse Describe Sync.
QUESTION, DESCRIBED, PARSED_AND_BOUND, BOUND_BY_NAME = "PBES", "PDS", "PBDES", "BES"


@pytest.fixture
async def behind():
    """Makes (pooler, connection) pairs; the keywords `n_processes`, `is_direct`, `answers_pid` are the pooler's."""
    opened = []

    async def connect(*, dsn_of="dsn_of_default", **settings):
        given = {key: settings.pop(key) for key in ("n_processes", "is_direct", "answers_pid") if key in settings}
        pooler = FakePooler(**given)
        server = await FakeServer(pooler.serve).__aenter__()
        connection = await asyncpg_core.connect(getattr(server, dsn_of), **settings)
        opened.append((server, connection))
        return pooler, connection

    yield connect
    for server, connection in opened:
        connection.terminate()
        await server.__aexit__(None, None, None)


# Detection

async def test_the_question_and_the_first_statement_are_one_flight():
    seen = []

    async def script(session: FakeSession):
        await session.start()
        seen.append(await session.take_to("S") + await session.take_to("S"))    # nothing is answered in between
        seen.append(session.taken[0][1])
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn_of_default)
        with pytest.raises(asyncpg_core.ConnectionDoesNotExistError):
            await connection.fetchval("select 1")
    assert seen == [QUESTION + DESCRIBED, b"\0SELECT pg_catalog.pg_backend_pid()\0\0\0"]


async def test_another_process_than_the_named_one_means_that_nothing_is_ever_named(behind):
    pooler, connection = await behind(n_processes=3)
    before = connection.prepare_mode
    for n in range(3):
        assert await connection.fetchval("select 7") == 7
        assert await connection.fetchval("select $1", n) == n
    assert (before.mode, str(connection.prepare_mode)) == ("always", "never")
    assert "4712 answers, BackendKeyData named 4711" in connection.prepare_mode.reason
    assert pooler.names() == []
    assert pooler.letters()[:7] == [QUESTION, DESCRIBED, PARSED_AND_BOUND, DESCRIBED] + [PARSED_AND_BOUND] * 3


async def test_the_named_process_means_that_statements_get_names(behind):
    pooler, connection = await behind(n_processes=1, is_direct=True)
    for _ in range(3):
        assert await connection.fetchval("select 7") == 7
    assert await connection.fetchval("select 8") == 8
    assert connection.prepare_mode.mode == "always"
    assert "nothing stands between" in connection.prepare_mode.reason
    # What was described before the answer gets its name from the Parse that its first execution needs anyway.
    assert pooler.letters()[:7] == [
        QUESTION, DESCRIBED, PARSED_AND_BOUND, BOUND_BY_NAME, BOUND_BY_NAME, DESCRIBED, BOUND_BY_NAME]
    assert len(pooler.names()) == len(set(pooler.names())) == 2


async def test_ten_first_statements_at_once_name_each_text_once(behind):
    pooler, connection = await behind(n_processes=1, is_direct=True)
    assert await asyncio.gather(*[connection.fetchval(f"select {n % 2 + 7}") for n in range(10)]) == [7, 8] * 5
    assert len(pooler.names()) == 2
    n_groups = len(pooler.groups)
    assert await asyncio.gather(*[connection.fetchval(f"select {n % 2 + 7}") for n in range(10)]) == [7, 8] * 5
    assert pooler.letters()[n_groups - 1:-1] == [BOUND_BY_NAME] * 10


@pytest.mark.parametrize("mode", ["always", "auto", "never"])
async def test_who_has_chosen_a_mode_is_not_asked(behind, mode):
    pooler, connection = await behind(n_processes=1, prepare=mode)
    await connection.fetchval("select 7")
    assert pooler.letters()[0] == DESCRIBED
    assert (connection.prepare_mode.mode, connection.prepare_mode.reason) == (mode, f"prepare={mode!r}")


async def test_the_dsn_can_choose_and_an_argument_outweighs_it(behind):
    _, connection = await behind(dsn_of="dsn")
    assert connection.prepare_mode.mode == "always" and connection._session.statements.is_chosen
    _, connection = await behind(dsn_of="dsn", prepare="never")
    assert connection.prepare_mode.mode == "never"
    _, connection = await behind(statement_cache_size=0)
    assert (connection.prepare_mode.mode, connection.prepare_mode.reason) == ("never", "statement_cache_size=0")


async def test_a_question_that_is_refused_changes_nothing(behind):
    _, connection = await behind(n_processes=1, answers_pid=False)
    assert await connection.fetchval("select 7") == 7
    assert connection.prepare_mode.mode == "always"
    assert "could not be asked: permission denied" in connection.prepare_mode.reason


async def in_a_transaction(connection):
    async with connection.transaction():
        return await connection.fetchval("select 7")


async def by_cursor(connection):
    async with connection.transaction():
        rows = [row async for row in connection.cursor("select 7")]
    return rows[0][0]


async def by_statement(connection):
    statement = await connection.prepare("select 7")
    return await statement.fetchval()


async def by_statement_in_a_transaction(connection):
    async with connection.transaction():
        return await by_statement(connection)


async def by_pipeline(connection):
    async with connection.pipeline() as block:
        value, _ = block.fetchval("select 7"), block.execute("insert")
    return await value


async def by_many(connection):
    await connection.executemany("insert $1", [(1,), (2,)])
    return (await connection.fetchmany("select $1", [(7,)]))[0][0]


async def by_script(connection):
    assert await connection.execute("set a = b") == "SET"
    return await connection.fetchval("select 7")


FIRST_CALLS = [
    in_a_transaction, by_cursor, by_statement, by_statement_in_a_transaction, by_pipeline, by_many, by_script]


@pytest.mark.parametrize("first", FIRST_CALLS)
async def test_whatever_the_first_call_is_a_pooler_is_noticed_before_anything_is_named(behind, first):
    pooler, connection = await behind(n_processes=3)
    for _ in range(3):
        assert await first(connection) == 7
    assert connection.prepare_mode.mode == "never" and pooler.names() == []
    assert pooler.letters()[0] == QUESTION and pooler.letters().count(QUESTION) == 1
    assert connection._session.frontend.transaction_status == "I"


@pytest.mark.parametrize("first", FIRST_CALLS)
async def test_whatever_the_first_call_is_a_direct_connection_is_known_for_one(behind, first):
    pooler, connection = await behind(n_processes=1, is_direct=True)
    for _ in range(3):
        assert await first(connection) == 7
    assert connection.prepare_mode.mode == "always" and pooler.letters().count(QUESTION) == 1


async def test_a_statement_prepared_first_has_a_name_on_a_direct_connection(behind):
    pooler, connection = await behind(n_processes=1, is_direct=True)
    statement = await connection.prepare("select 7")
    assert statement.get_name() and await statement.fetchval() == 7
    assert pooler.letters()[:4] == [QUESTION, DESCRIBED, "PDS", BOUND_BY_NAME]
    own = await connection.prepare("select 8", name="mine")
    assert own.get_name() == "mine" and await own.fetchval() == 8


async def test_query_loggers_do_not_hear_of_the_question(behind):
    _, connection = await behind()
    heard = []
    connection.add_query_logger(lambda query: heard.append(query.query))
    await connection.fetchval("select 7")
    await asyncio.sleep(0)
    assert heard == ["select 7"]


@pytest.mark.parametrize("told", [
    b"\0\1\xff\xff\xff\xff", b"\0\1\0\0\0\3abc", b"\0\1\0\0\0\x0c123456789012", b"\0\1\0\0\0\0"])
async def test_an_answer_that_is_no_process_is_none(told):
    async def script(session: FakeSession):
        await session.start()
        await session.take_to("S")
        session.send(b"".join([message("1"), message("2"), message("D", told), message("C", b"SELECT 1\0"),
                               message("Z", b"I")]))
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn_of_default)
        assert await connection.fetchval("select 1") == 1
        assert connection.prepare_mode.reason == "the default; which process answers was not told"
        connection.terminate()


@pytest.mark.parametrize("told", [b"\0\2\0\0\0\1" b"7\0\0\0\1" b"8", b"\0\1\0\0\0\1", b"\0\1\0\0\0\1" b"77", b"\0"])
async def test_an_answer_that_is_no_row_of_one_column_ends_the_connection(told):
    async def script(session: FakeSession):
        await session.start()
        await session.take_to("S")
        session.send(message("1") + message("2") + message("D", told))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn_of_default)
        with pytest.raises(asyncpg_core.ConnectionDoesNotExistError) as caught:
            await asyncio.wait_for(connection.fetchval("select 1"), 5)
        assert isinstance(caught.value.__cause__, asyncpg_core.ProtocolError)


# Healing

def lose_names(pooler):
    for process in pooler.processes:
        process.statements.clear()


async def known(behind, **settings):
    """A direct connection whose statement `select 7` has a name, which its server then forgets."""
    pooler, connection = await behind(n_processes=1, is_direct=True, **settings)
    for _ in range(2):
        assert await connection.fetchval("select 7") == 7
    lose_names(pooler)
    pooler.groups[:-1] = []
    return pooler, connection


async def test_a_lost_name_heals_in_one_flight_and_nothing_is_named_from_then_on(behind):
    pooler, connection = await known(behind)
    assert await connection.fetchval("select 7") == 7
    assert pooler.letters()[:2] == [BOUND_BY_NAME, PARSED_AND_BOUND] and pooler.names() == []
    assert connection.prepare_mode.mode == "never" and "(26000)" in connection.prepare_mode.reason
    assert await connection.fetchval("select 7") == 7
    assert await connection.fetchval("select 8") == 8
    assert pooler.letters()[2:5] == [PARSED_AND_BOUND, DESCRIBED, PARSED_AND_BOUND] and pooler.names() == []


async def test_calls_that_fail_together_for_lost_names_all_heal(behind):
    pooler, connection = await known(behind)
    assert await asyncio.gather(*[connection.fetchval("select 7") for _ in range(5)]) == [7] * 5
    assert pooler.letters()[:10] == [BOUND_BY_NAME] * 5 + [PARSED_AND_BOUND] * 5


async def test_a_mode_that_was_chosen_stays_and_lost_names_heal_all_the_same(behind):
    pooler, connection = await behind(n_processes=2, prepare="always")
    for n in range(6):
        assert await connection.fetchval("select $1", n) == n
    assert connection.prepare_mode.mode == "always"
    names = pooler.names()
    assert len(names) > 2 and len(set(names)) == len(names)


async def test_the_statement_that_carries_begin_heals_in_one_flight(behind):
    pooler, connection = await known(behind)
    async with connection.transaction():
        assert await connection.fetchval("select 7") == 7
        assert connection.is_in_transaction()
        assert await connection.fetchval("select 7") == 7
    assert pooler.letters()[:5] == ["PBE" + BOUND_BY_NAME, "Q", "PBE" + PARSED_AND_BOUND, PARSED_AND_BOUND, "Q"]
    assert [group.texts for group in pooler.groups[2:3]] == [["BEGIN", "select 7"]]
    assert connection._session.frontend.transaction_status == "I"


async def test_begin_and_a_savepoint_that_travel_together_are_begun_again_together(behind):
    pooler, connection = await known(behind)
    async with connection.transaction(), connection.transaction():
        assert await connection.fetchval("select 7") == 7
    begun = [group.texts for group in pooler.groups if "BEGIN" in group.texts]
    assert len(begun) == 2 and begun[0][:2] == begun[1][:2] and begun[1][1].startswith("SAVEPOINT")
    assert connection._session.frontend.transaction_status == "I"


@pytest.mark.parametrize("commits", [True, False])
async def test_a_healed_transaction_ends_as_it_should(behind, commits):
    _, connection = await known(behind)
    transaction = connection.transaction()
    await transaction.start()
    assert await connection.fetchval("select 7") == 7
    await (transaction.commit() if commits else transaction.rollback())
    assert not connection.is_in_transaction() and connection._session.transaction_failure is None


async def test_later_in_a_transaction_a_lost_name_is_an_error_and_the_next_transaction_is_sound(behind):
    _, connection = await known(behind)
    with pytest.raises(exceptions.InvalidSQLStatementNameError) as caught:
        async with connection.transaction():
            await connection.execute("insert")
            await connection.fetchval("select 7")
    assert "prepare='never'" in caught.value.hint
    async with connection.transaction():
        await connection.execute("insert")
        assert await connection.fetchval("select 7") == 7
    assert connection.prepare_mode.mode == "never"


async def test_what_was_written_behind_the_carrier_of_begin_keeps_it_from_healing(behind):
    _, connection = await known(behind)
    with pytest.raises(exceptions.InvalidSQLStatementNameError):
        async with connection.transaction():
            first, second = await asyncio.gather(
                connection.fetchval("select 7"), connection.execute("insert"), return_exceptions=True)
            assert isinstance(second, exceptions.InFailedSQLTransactionError) or second == "INSERT"
            raise first
    assert await connection.fetchval("select 7") == 7


async def test_a_prepared_statement_heals_and_needs_no_name_from_then_on(behind):
    pooler, connection = await behind(n_processes=1, is_direct=True)
    await connection.fetchval("select 8")
    statement = await connection.prepare("select 7")
    lose_names(pooler)
    pooler.groups[:-1] = []
    assert [await statement.fetchval() for _ in range(2)] == [7, 7]
    assert pooler.letters()[:3] == [BOUND_BY_NAME, PARSED_AND_BOUND, PARSED_AND_BOUND]
    assert (await statement.fetchmany([()]))[0][0] == 7
    assert connection.prepare_mode.mode == "never"


async def test_a_cursor_of_a_prepared_statement_heals(behind):
    pooler, connection = await behind(n_processes=1, is_direct=True)
    await connection.fetchval("select 8")
    statement = await connection.prepare("select 7")
    lose_names(pooler)
    async with connection.transaction():
        assert [row[0] async for row in statement.cursor()] == [7]
    async with connection.transaction():
        assert [row[0] async for row in statement.cursor()] == [7]
    assert connection._session.frontend.transaction_status == "I"


async def test_a_name_that_exists_already_is_given_up(behind):
    """A pooler that answers from another server's memory."""
    pooler, connection = await behind(n_processes=1, is_direct=True)
    await connection.fetchval("select 7")

    class Everything(dict):
        def __contains__(self, name):
            return name != ""

    pooler.processes[0].statements = Everything()
    assert await connection.fetchval("select 9") == 9
    assert connection.prepare_mode.mode == "never" and "(42P05)" in connection.prepare_mode.reason
    assert await asyncio.gather(*[connection.fetchval(f"select {n}") for n in (7, 9, 10)]) == [7, 9, 10]


async def test_an_error_of_the_users_own_with_that_code_is_not_taken_for_a_lost_name(behind):
    _, connection = await behind(n_processes=1, is_direct=True)
    await connection.fetchval("select 7")
    with pytest.raises(exceptions.FeatureNotSupportedError):
        await connection.fetchval("error 0A000")
    assert connection.prepare_mode.mode == "always"


async def test_a_pool_learns_of_a_pooler_from_one_connection():
    pooler = FakePooler(n_processes=1, is_direct=True)
    async with FakeServer(pooler.serve) as server, asyncpg_core.create_pool(
            server.dsn_of_default, min_size=2, max_size=3) as pool:
        async with pool.acquire() as a, pool.acquire() as b:
            assert [await c.fetchval("select 7") for c in (a, b, a, b)] == [7] * 4
            assert (a.prepare_mode.mode, b.prepare_mode.mode) == ("always", "always")
            lose_names(pooler)
            assert await a.fetchval("select 7") == 7
            assert (a.prepare_mode.mode, b.prepare_mode.mode) == ("never", "never")
            async with pool.acquire() as new:
                assert new.prepare_mode.mode == "never"
                n_groups = len(pooler.groups)
                assert await new.fetchval("select 7") == 7
                assert QUESTION not in pooler.letters()[n_groups - 1:]


# A mode of a call's own

async def test_a_call_can_have_a_mode_of_its_own(behind):
    pooler, connection = await behind(n_processes=1, prepare="always")
    assert await connection.fetchval("select 7", prepare="never") == 7
    assert await connection.fetchval("select 7", prepare="never") == 7
    assert pooler.names() == []
    assert await connection.fetchval("select 7") == 7
    assert await connection.fetchval("select 7", prepare="never") == 7
    assert await connection.fetchval("select 7") == 7
    assert pooler.letters()[:6] == [DESCRIBED] + [PARSED_AND_BOUND] * 4 + [BOUND_BY_NAME]
    assert len(pooler.names()) == 1
    pooler, connection = await behind(n_processes=1, prepare="never")
    assert [await connection.fetchval("select 7", prepare="always") for _ in range(2)] == [7, 7]
    assert pooler.letters()[:3] == [DESCRIBED, PARSED_AND_BOUND, BOUND_BY_NAME]
    with pytest.raises(ValueError, match="invalid prepare: one of always, auto, never was expected, got 'often'"):
        connection.fetch("select 7", prepare="often")


async def test_every_method_takes_a_mode(behind):
    pooler, connection = await behind(n_processes=1, prepare="always")
    assert await connection.fetch("select 7", prepare="never") == [(7,)]
    assert await connection.fetchrow("select 7", prepare="never") == (7,)
    assert await connection.execute("insert $1", 1, prepare="never") == "SELECT 1"
    await connection.executemany("insert $1", [(1,)], prepare="never")
    assert await connection.fetchmany("select $1", [(7,)], prepare="never") == [(7,)]
    assert (await connection.fetch_arrow("select 7", prepare="never")).num_rows == 1
    assert pooler.names() == []


async def test_auto_names_at_the_threshold_without_a_flight_of_its_own(behind):
    pooler, connection = await behind(n_processes=1, prepare="auto", prepare_threshold=3)
    assert [await connection.fetchval("select 7") for _ in range(5)] == [7] * 5
    assert pooler.letters()[:6] == [DESCRIBED] + [PARSED_AND_BOUND] * 3 + [BOUND_BY_NAME] * 2
    assert [len(group.names) and bool(group.names[0]) for group in pooler.groups[:4]] == [False, False, False, True]


async def test_a_naming_that_fails_is_tried_again_under_another_name(behind):
    pooler, connection = await behind(n_processes=1, prepare="auto", prepare_threshold=2)
    assert await connection.fetchval("select $1", 1) == 1
    with pytest.raises(exceptions.DataError):
        await connection.fetchval("select $1", "no number")
    assert [await connection.fetchval("select $1", n) for n in (2, 3)] == [2, 3]
    assert pooler.letters()[:4] == [DESCRIBED] + [PARSED_AND_BOUND] * 2 + [BOUND_BY_NAME]


# What a pooler refuses

async def test_a_parameter_that_a_pooler_refuses_is_named_and_explained():
    async def script(session: FakeSession):
        session.send(error("08P01", "unsupported startup parameter: jit", severity="FATAL"))
        session.hang_up()

    async with FakeServer(script) as server:
        with pytest.raises(asyncpg_core.PostgresError, match="unsupported startup parameter: jit") as caught:
            await asyncpg_core.connect(server.dsn, server_settings={"jit": "off"})
    assert "'jit' comes from server_settings" in caught.value.hint
    assert "ignore_startup_parameters = jit" in caught.value.hint
