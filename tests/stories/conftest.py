"""Every story gets an empty database of its own and runs on asyncio's loop and on uvloop's."""
import itertools

import pytest

import asyncpg_core as asyncpg
from tests.live.conftest import pytest_asyncio_loop_factories  # noqa: F401  # a hook: its name is its purpose

numbers = itertools.count(1)


@pytest.fixture
def dsn(cluster):
    """The URI of an empty database, over the unix socket."""
    name = f"story_{next(numbers)}"
    cluster.sql(f"CREATE DATABASE {name}")
    yield cluster.dsn(database=name)
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def conn(dsn):
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def users(conn):
    """A connection to a database that has a table of users with three rows."""
    await conn.execute("""
        CREATE TABLE users (
            id serial PRIMARY KEY, name text NOT NULL, email text UNIQUE, status text DEFAULT 'draft',
            age int, created_at timestamp DEFAULT now());
        INSERT INTO users (name, email, status, age) VALUES
            ('Ann', 'ann@example.com', 'published', 31), ('Bob', 'bob@example.com', 'published', 42),
            ('Cid', 'cid@example.com', 'draft', 53);
    """)
    return conn
