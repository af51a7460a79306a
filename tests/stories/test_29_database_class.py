"""Story 29: a class over a pool, and a decorator that logs what it runs."""
import functools
import logging
import time

import pytest

import asyncpg_core as asyncpg

logger = logging.getLogger("story.database")


def logged(method):
    """Log a method's query, its time and its error."""
    @functools.wraps(method)
    async def run(self, query, *args, **options):
        started = time.perf_counter()
        try:
            return await method(self, query, *args, **options)
        except asyncpg.PostgresError as error:
            logger.error("%s failed: %s %s", query, error.sqlstate, error)
            raise
        finally:
            logger.info("%s took %.3f s", query, time.perf_counter() - started)

    return run


class Database:
    def __init__(self, dsn):
        self.dsn = dsn
        self.pool = None

    async def connect(self):
        self.pool = await asyncpg.create_pool(self.dsn, min_size=1, max_size=3)

    async def disconnect(self):
        await self.pool.close()
        self.pool = None

    @logged
    async def execute(self, query, *args):
        async with self.pool.acquire() as connection:
            return await connection.execute(query, *args)

    @logged
    async def fetch(self, query, *args):
        return [dict(row) for row in await self.pool.fetch(query, *args)]


@pytest.fixture
async def database(dsn):
    database = Database(dsn)
    await database.connect()
    yield database
    await database.disconnect()


async def test_it_executes_fetches_and_logs(database, caplog):
    caplog.set_level(logging.INFO, "story.database")
    assert await database.execute("CREATE TABLE t (a int, b text)") == "CREATE TABLE"
    assert await database.execute("INSERT INTO t VALUES ($1, $2)", 1, "x") == "INSERT 0 1"
    assert await database.fetch("SELECT * FROM t WHERE a = $1", 1) == [{"a": 1, "b": "x"}]
    assert [record.args[0].split()[0] for record in caplog.records] == ["CREATE", "INSERT", "SELECT"]


async def test_an_error_is_logged_and_raised(database, caplog):
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT * FROM nothing")
    assert "42P01" in caplog.text


async def test_it_connects_again_after_disconnecting(database):
    await database.disconnect()
    await database.connect()
    assert await database.fetch("SELECT 1 AS one") == [{"one": 1}]


async def test_bound_methods_can_be_wrapped_too(database):
    calls = []
    async with database.pool.acquire() as connection:
        fetch = connection.fetch

        async def watched(query, *args):
            calls.append(query)
            return await fetch(query, *args)

        assert (await watched("SELECT $1::int AS a", 5))[0]["a"] == 5
    assert calls == ["SELECT $1::int AS a"]
