"""Story 26: fixtures for a connection and a pool, and mocks where no server is wanted."""
from unittest.mock import AsyncMock, create_autospec

import pytest
import pytest_asyncio

import asyncpg_core as asyncpg


@pytest_asyncio.fixture
async def connection(dsn):
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest_asyncio.fixture
async def pool(dsn):
    async with asyncpg.create_pool(dsn, min_size=1, max_size=3) as pool:
        yield pool


async def user_name(connection, user_id):
    """What is tested below."""
    row = await connection.fetchrow("SELECT name FROM users WHERE id = $1", user_id)
    return row["name"] if row else None


@pytest.mark.asyncio
async def test_a_connection_whose_transaction_is_rolled_back(connection, pool):
    await connection.execute("CREATE TABLE users (id int, name text)")
    await connection.execute("INSERT INTO users VALUES ($1, $2)", 1, "Ann")
    assert await user_name(connection, 1) == "Ann"
    assert await pool.fetchval("SELECT to_regclass('users')") is None


@pytest.mark.asyncio
async def test_a_pool_and_one_of_its_connections(pool):
    await pool.execute("CREATE TABLE users (id int, name text)")
    await pool.execute("INSERT INTO users VALUES (1, 'Ann')")
    async with pool.acquire() as connection:
        assert await user_name(connection, 1) == "Ann"
    assert await user_name(pool, 2) is None


@pytest.mark.parametrize("spec", [None, asyncpg.Connection], ids=["bare", "with a spec"])
async def test_a_mock_in_the_place_of_a_connection(spec):
    connection = AsyncMock(spec=spec)
    connection.fetchrow.return_value = {"name": "Ann"}
    assert await user_name(connection, 1) == "Ann"
    connection.fetchrow.assert_awaited_once_with("SELECT name FROM users WHERE id = $1", 1)
    connection.fetchrow.side_effect = asyncpg.UndefinedTableError("no users")
    with pytest.raises(asyncpg.UndefinedTableError):
        await user_name(connection, 1)


async def test_a_mock_with_a_spec_knows_the_methods_and_no_others():
    connection = AsyncMock(spec=asyncpg.Connection)
    assert isinstance(connection, asyncpg.Connection)
    connection.fetch.return_value = []
    assert await connection.fetch("SELECT 1") == []
    assert connection.is_closed() is not None     # A plain method stays one.
    with pytest.raises(AttributeError):
        connection.fetch_all  # noqa: B018  # the access is what is tested


async def test_an_autospec_binds_arguments_as_the_connection_does():
    connection = create_autospec(asyncpg.Connection, instance=True)
    connection.fetchval.return_value = 7
    assert await connection.fetchval("SELECT $1::int", 7, timeout=1) == 7
    with pytest.raises(TypeError):
        connection.fetchval("SELECT 1", nonsense=1)
