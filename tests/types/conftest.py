"""One connection with the settings that the tables are written for; others as a test wants them."""
import pytest

import asyncpg_core
from tests.types import SETTINGS
from tests.types.user_schema import new_schema


@pytest.fixture
async def connection(dsn):
    made = await asyncpg_core.connect(dsn, server_settings=SETTINGS)
    yield made
    made.terminate()


@pytest.fixture
async def connect(dsn):
    """Makes connections, keywords as `asyncpg_core.connect`; they are closed with the test."""
    made = []

    async def connect_one(**settings):
        made.append(await asyncpg_core.connect(dsn, **settings))
        return made[-1]

    yield connect_one
    for connection in made:
        connection.terminate()


@pytest.fixture
async def schema(connection):
    """The name of a schema with the types of `user_schema`; on `connection` they are found without it."""
    async with new_schema(connection) as name:
        yield name


@pytest.fixture
async def two(dsn, schema):
    """The two connections of a pool, both lent."""
    async with asyncpg_core.create_pool(
            dsn, min_size=2, max_size=2, server_settings={"search_path": schema}) as pool:
        async with pool.acquire() as one, pool.acquire() as other:
            yield one, other
