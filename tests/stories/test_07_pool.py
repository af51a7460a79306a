"""Story 7: a pool with the settings that people write down, used in every usual way."""
import asyncio

import pytest

import asyncpg_core as asyncpg


@pytest.fixture
async def pool(dsn):
    pool = await asyncpg.create_pool(
        dsn, min_size=2, max_size=4, max_queries=50000, max_inactive_connection_lifetime=300, timeout=30,
        command_timeout=60, server_settings={"application_name": "story", "jit": "off"})
    yield pool
    await pool.close()


async def test_server_settings_reach_the_server(pool):
    async with pool.acquire() as conn:
        assert await conn.fetchval("SHOW application_name") == "story"
        assert await conn.fetchval("SHOW jit") == "off"


async def test_acquire_try_finally_release(pool):
    conn = await pool.acquire()
    try:
        assert await conn.fetchval("SELECT 1") == 1
    finally:
        await pool.release(conn)
    with pytest.raises(asyncpg.InterfaceError, match="released back to the pool"):
        await conn.fetchval("SELECT 1")
    assert pool.get_idle_size() == pool.get_size()


async def test_more_tasks_than_connections_each_get_their_own_result(pool):
    async def square(n):
        async with pool.acquire() as conn:
            return await conn.fetchval("SELECT $1::int * $1::int", n)

    assert await asyncio.gather(*(square(n) for n in range(50))) == [n * n for n in range(50)]
    assert pool.get_size() <= 4


async def test_one_shot_methods(pool):
    await pool.execute("CREATE TABLE t (id int PRIMARY KEY)")
    await pool.executemany("INSERT INTO t VALUES ($1)", [(n,) for n in range(10)])
    assert await pool.fetchval("SELECT count(*) FROM t") == 10
    assert (await pool.fetchrow("SELECT max(id) AS most FROM t"))["most"] == 9
    assert [row["id"] for row in await pool.fetch("SELECT id FROM t WHERE id < $1 ORDER BY id", 3)] == [0, 1, 2]


async def test_a_setting_does_not_reach_the_next_borrower(pool):
    async with pool.acquire() as conn:
        await conn.execute("SET search_path TO pg_catalog")
        await conn.execute("SET statement_timeout = 12345")
    for _ in range(4):
        assert await pool.fetchval("SELECT current_setting('statement_timeout')") == "0"


async def test_max_size_alone_lowers_min_size(dsn):
    async with asyncpg.create_pool(dsn, max_size=5) as pool:
        assert pool.get_min_size() == pool.get_max_size() == 5
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_closed_pool_says_so(dsn):
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError, match="pool is closed"):
        await pool.fetchval("SELECT 1")


async def test_acquire_times_out_when_all_connections_are_lent(dsn):
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool, pool.acquire():
        with pytest.raises(asyncio.TimeoutError):
            await pool.acquire(timeout=0.05)
