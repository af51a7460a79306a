"""Story 31: behind a transaction pooler, with statement_cache_size=0 and with no setting at all."""
import asyncio

import pytest

import asyncpg_core as asyncpg
from tests.support.cluster import TRUST_USER
from tests.support.features import REASON

CLIENTS = 16
ROUNDS = 12


@pytest.fixture(scope="module")
def pooler(cluster):
    from tests.support.pgbouncer import PgBouncer
    from tests.support.postgres_binaries import Unavailable

    try:
        bouncer = PgBouncer(cluster, TRUST_USER)
    except Unavailable:
        pytest.skip(REASON + "pgbouncer")
    with bouncer:
        yield bouncer


@pytest.fixture
def through(pooler):
    return {"host": "127.0.0.1", "port": pooler.port, "user": TRUST_USER, "database": "postgres", "ssl": False}


async def use_every_way(connection, number):
    """One client's work outside transactions: each way, repeated, so that other clients come in between."""
    for n in range(ROUNDS):
        assert await connection.fetchval("SELECT $1::int + 1", n) == n + 1
        assert await connection.fetchval("SELECT $1::text || '!'", "é") == "é!"
        rows = await connection.fetch("SELECT g FROM generate_series(1, $1::int) g", 3)
        assert [row["g"] for row in rows] == [1, 2, 3]
        await connection.executemany("INSERT INTO pooled VALUES ($1, $2)", [(number, n), (number, -n)])
        assert await connection.fetchval("SELECT count(*) FROM pooled WHERE a = $1", number) == 2 * (n + 1)


async def use_transactions(connection, number):
    """One client's work inside transactions."""
    for n in range(ROUNDS):
        async with connection.transaction():
            await connection.executemany("INSERT INTO pooled VALUES ($1, $2)", [(number, n), (number, -n)])
            assert await connection.fetchval("SELECT count(*) FROM pooled WHERE a = $1", number) == 2 * (n + 1)
        async with connection.transaction():
            rows = connection.cursor("SELECT b FROM pooled WHERE a = $1", number, prefetch=2)
            assert len([row["b"] async for row in rows]) == 2 * (n + 1)
            statement = await connection.prepare("SELECT $1::int")
            assert await statement.fetchval(n) == n


@pytest.fixture
def table(cluster):
    cluster.sql("DROP TABLE IF EXISTS pooled; CREATE TABLE pooled (a int, b int);"
                f" GRANT ALL ON pooled TO {TRUST_USER}")
    yield lambda: int(cluster.sql("SELECT count(*) FROM pooled")[0][0])
    cluster.sql("DROP TABLE pooled")


@pytest.fixture
async def clients(through):
    """Makes connections through the pooler: many more than it has to the server."""
    made = []

    async def connect_all(**settings):
        made.extend(await asyncio.gather(*(asyncpg.connect(**through, **settings) for _ in range(CLIENTS))))
        return made

    yield connect_all
    await asyncio.gather(*(connection.close() for connection in made))


@pytest.mark.parametrize("work", [use_every_way, use_transactions])
async def test_without_a_statement_cache_every_call_works(clients, table, work):
    connections = await clients(statement_cache_size=0)
    await asyncio.gather(*(work(connection, number) for number, connection in enumerate(connections)))
    assert table() == CLIENTS * ROUNDS * 2


@pytest.mark.parametrize("work", [use_every_way, use_transactions])
async def test_with_no_setting_every_call_works(clients, table, work):
    connections = await clients()
    await asyncio.gather(*(work(connection, number) for number, connection in enumerate(connections)))
    assert table() == CLIENTS * ROUNDS * 2
    assert {connection.prepare_mode.mode for connection in connections} == {"never"}


async def test_a_pool_behind_a_pooler(through, table):
    async with asyncpg.create_pool(**through, min_size=4, max_size=4) as pool:
        async def insert(n):
            await pool.execute("INSERT INTO pooled VALUES ($1, $2)", n, n)
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO pooled VALUES ($1, $2)", n, -n)

        await asyncio.gather(*(insert(n) for n in range(60)))
        assert await pool.fetchval("SELECT count(*) FROM pooled") == 120
    assert table() == 120
