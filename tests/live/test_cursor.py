"""Cursors against a live server, on both loops."""
import asyncio

import pytest

import asyncpg_core


@pytest.fixture
async def connection(dsn):
    connection = await asyncpg_core.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture(params=["always", "never", "auto"])
async def connection_of_mode(request, dsn):
    connection = await asyncpg_core.connect(dsn, prepare=request.param)
    yield connection
    await connection.close()


SERIES = "SELECT i FROM generate_series(1, $1::int) AS i"


async def portals(connection):
    """Return how many portals the session has; the one that counts is unnamed and not listed."""
    return await connection.fetchval("SELECT count(*) FROM pg_catalog.pg_cursors WHERE name <> ''")


@pytest.mark.parametrize("prefetch", [None, 1, 2, 3, 7, 1000, 2**40])
@pytest.mark.parametrize("n", [0, 1, 3, 120])
async def test_iteration_gives_every_row_once_in_order(connection, n, prefetch):
    async with connection.transaction():
        rows = [row["i"] async for row in connection.cursor(SERIES, n, prefetch=prefetch)]
        assert rows == list(range(1, n + 1))
        assert await portals(connection) == 0


async def test_cursor_works_in_every_prepare_mode(connection_of_mode):
    async with connection_of_mode.transaction():
        cursor = await connection_of_mode.cursor(SERIES, 10)
        assert [row[0] for row in await cursor.fetch(2)] == [1, 2]
        assert await connection_of_mode.fetchval("SELECT 'between'") == "between"
        assert await cursor.forward(3) == 3
        assert (await cursor.fetchrow())["i"] == 6
        assert [row[0] for row in await cursor.fetch(100)] == [7, 8, 9, 10]
    assert not connection_of_mode.is_in_transaction()


async def test_exhausted_cursor_says_so_without_the_server(connection):
    async with connection.transaction():
        cursor = await connection.cursor(SERIES, 2)
        assert "exhausted" not in repr(cursor)
        assert len(await cursor.fetch(3)) == 2
        n_executed = connection._protocol.queries_count
        assert (await cursor.fetch(1), await cursor.fetchrow(), await cursor.forward(1)) == ([], None, 0)
        assert connection._protocol.queries_count == n_executed
        assert repr(cursor).startswith(f'<asyncpg_core.Cursor "{SERIES[:30]}" exhausted 0x')
        assert await portals(connection) == 0


@pytest.mark.parametrize(("n", "steps", "skipped", "left"), [
    (5, [2], [2], [3, 4, 5]), (5, [1, 1], [1, 1], [3, 4, 5]), (5, [5], [5], []), (5, [6], [5], []),
    (1, [1, 1], [1, 0], []), (0, [1], [0], []), (3, [2**40], [3], []),
])
async def test_forward_skips_as_many_rows_as_it_says(connection, n, steps, skipped, left):
    async with connection.transaction():
        cursor = await connection.cursor(SERIES, n)
        assert [await cursor.forward(step) for step in steps] == skipped
        assert [row[0] for row in await cursor.fetch(100)] == left


async def test_cursor_outside_of_a_transaction_is_refused_at_first_use(connection):
    factory = connection.cursor("SELECT 1")
    with pytest.raises(asyncpg_core.NoActiveSQLTransactionError, match="cursor cannot be created outside"):
        await factory
    with pytest.raises(asyncpg_core.NoActiveSQLTransactionError, match="cursor cannot be created outside"):
        async for _ in connection.cursor("SELECT 1"):
            pass
    assert await connection.fetchval("SELECT 1") == 1


async def test_cursor_ends_with_its_transaction(connection):
    async with connection.transaction():
        cursor = await connection.cursor(SERIES, 10)
        await cursor.fetch(1)
    with pytest.raises(asyncpg_core.NoActiveSQLTransactionError, match="it ended"):
        await cursor.fetch(1)
    transaction = connection.transaction()
    await transaction.start()
    with pytest.raises(asyncpg_core.InvalidCursorNameError):
        await cursor.fetch(1)
    await transaction.rollback()


async def test_cursor_in_a_manual_transaction_works(connection):
    await connection.execute("BEGIN")
    assert [row[0] async for row in connection.cursor("VALUES (1), (2)")] == [1, 2]
    await connection.execute("COMMIT")


async def test_prefetch_and_counts_are_checked(connection):
    async with connection.transaction():
        for prefetch in (0, -1):
            with pytest.raises(asyncpg_core.InterfaceError, match="prefetch argument must be greater than zero"):
                async for _ in connection.cursor("SELECT 1", prefetch=prefetch):
                    pass
        with pytest.raises(asyncpg_core.InterfaceError, match="only be specified for iterable"):
            await connection.cursor("SELECT 1", prefetch=5)
        cursor = await connection.cursor("SELECT 1")
        for call in (cursor.fetch, cursor.forward):
            for n in (0, -3):
                with pytest.raises(asyncpg_core.InterfaceError, match="greater than zero"):
                    await call(n)
            with pytest.raises(TypeError):
                await call(1.5)
        assert await cursor.fetchrow() == (1,)


async def test_cursor_of_a_prepared_statement_binds_its_own_arguments(connection):
    statement = await connection.prepare(SERIES)
    async with connection.transaction():
        first, second = await statement.cursor(3), await statement.cursor(5)
        assert await second.forward(3) == 3
        assert [row[0] for row in await first.fetch(9)] == [1, 2, 3]
        assert [row[0] for row in await second.fetch(9)] == [4, 5]
        assert [row[0] async for row in statement.cursor(2, prefetch=1)] == [1, 2]


async def test_record_class_reaches_the_rows(connection):
    class Own(asyncpg_core.Record):
        pass

    async with connection.transaction():
        assert [type(row) async for row in connection.cursor("SELECT 1", record_class=Own)] == [Own]
        statement = await connection.prepare("SELECT 1", record_class=Own)
        assert type(await (await statement.cursor()).fetchrow()) is Own


async def test_begin_that_is_still_owed_travels_with_the_cursor(connection):
    async with connection.transaction(readonly=True):
        async for row in connection.cursor("SHOW transaction_read_only"):
            assert row[0] == "on"


async def test_begin_that_fails_fails_the_cursor_and_leaves_no_row(connection):
    await connection.execute("CREATE TEMP TABLE kept (a int)")
    transaction = connection.transaction()
    await transaction.start()
    connection._session.preludes.statements[0] = "BEGIN ISOLATION LEVEL NO SUCH LEVEL"
    with pytest.raises(asyncpg_core.PostgresSyntaxError):
        async for _ in connection.cursor("INSERT INTO kept VALUES (1) RETURNING a"):
            pass
    with pytest.raises(asyncpg_core.InterfaceError, match="could not be started"):
        await transaction.rollback()
    assert await connection.fetchval("SELECT count(*) FROM kept") == 0


async def test_bad_argument_fails_the_first_use_and_leaves_the_transaction_alone(connection):
    async with connection.transaction():
        cursor = await connection.cursor(SERIES, "many")
        with pytest.raises(asyncpg_core.DataError, match=r"\$1: 'many'"):
            await cursor.fetch(1)
        with pytest.raises(asyncpg_core.InterfaceError, match="expects 1 argument"):
            async for _ in connection.cursor(SERIES):
                pass
        assert await connection.fetchval("SELECT 1") == 1


async def test_error_in_the_middle_ends_the_iteration_and_the_transaction(connection):
    seen = []
    with pytest.raises(asyncpg_core.DivisionByZeroError):
        async with connection.transaction():
            async for row in connection.cursor("SELECT 1 / (3 - i) FROM generate_series(1, 5) AS i", prefetch=1):
                seen.append(row[0])
    assert seen == [0, 1]
    assert await connection.fetchval("SELECT 1") == 1


async def test_writes_of_a_cursor_happen_once(connection):
    await connection.execute("CREATE TEMP TABLE written (a int)")
    async with connection.transaction():
        insert = "INSERT INTO written SELECT generate_series(1, 5) RETURNING a"
        assert [row[0] async for row in connection.cursor(insert, prefetch=2)] == [1, 2, 3, 4, 5]
    assert await connection.fetchval("SELECT count(*) FROM written") == 5


async def test_fetches_at_once_on_one_cursor_share_its_rows_in_order(connection):
    async with connection.transaction():
        cursor = await connection.cursor(SERIES, 6)
        pages = await asyncio.gather(cursor.fetch(2), cursor.fetch(2), cursor.fetch(3))
        assert [[row[0] for row in page] for page in pages] == [[1, 2], [3, 4], [5, 6]]


async def test_timeout_of_a_fetch_leaves_a_connection_that_works(connection):
    with pytest.raises(asyncio.TimeoutError):
        async with connection.transaction():
            cursor = await connection.cursor("SELECT pg_sleep(10)")
            await cursor.fetch(1, timeout=0.2)
    assert await connection.execute("SELECT 1") == "SELECT 1"
    assert not connection.is_in_transaction()


async def test_cursor_of_a_closed_connection_is_refused(dsn):
    connection = await asyncpg_core.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    cursor = await connection.cursor("SELECT 1")
    await connection.close()
    with pytest.raises(asyncpg_core.InterfaceError, match=r"cannot call Cursor.fetch\(\): .* is closed"):
        await cursor.fetch(1)
    with pytest.raises(asyncpg_core.InterfaceError, match="connection is closed"):
        connection.cursor("SELECT 1")
