"""Story 32: a schema per service, by SET search_path or by a setting of the connection."""
import pytest

import asyncpg_core as asyncpg


@pytest.fixture
async def services(conn):
    for name in ("orders", "billing"):
        await conn.execute(f"""
            CREATE SCHEMA {name}; CREATE TABLE {name}.items (name text); INSERT INTO {name}.items VALUES ('{name}')""")
    return conn


async def test_set_search_path_chooses_the_schema_also_for_known_statements(services):
    for name in ("orders", "billing", "orders"):
        await services.execute(f"SET search_path TO {name}")
        assert await services.fetchval("SELECT name FROM items") == name


async def test_a_pool_resets_it_on_release(services, dsn):
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        async with pool.acquire() as connection:
            await connection.execute("SET search_path TO orders")
            assert await connection.fetchval("SELECT name FROM items") == "orders"
        with pytest.raises(asyncpg.UndefinedTableError):
            await pool.fetchval("SELECT name FROM items")
        assert await pool.fetchval("SHOW search_path") == '"$user", public'


@pytest.mark.parametrize("name", ["orders", "billing"])
async def test_a_pool_per_service_keeps_its_schema(services, dsn, name):
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1, server_settings={"search_path": name}) as pool:
        async with pool.acquire() as connection:
            await connection.execute("SET search_path TO pg_catalog")
        for _ in range(2):
            assert await pool.fetchval("SELECT name FROM items") == name


async def test_setup_sets_it_for_every_borrower(services, dsn):
    async def setup(connection):
        await connection.execute("SET search_path TO billing")

    async with asyncpg.create_pool(dsn, min_size=1, max_size=1, setup=setup) as pool:
        for _ in range(3):
            async with pool.acquire() as connection:
                assert await connection.fetchval("SELECT name FROM items") == "billing"


async def test_a_type_in_the_schema_is_found_by_its_qualified_name(services):
    await services.execute("CREATE TYPE orders.state AS ENUM ('open', 'done')")
    await services.execute("SET search_path TO orders")
    assert await services.fetchval("SELECT $1::state", "open") == "open"
    await services.execute("SET search_path TO billing")
    assert await services.fetchval("SELECT $1::orders.state", "done") == "done"
