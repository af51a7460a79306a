"""Story 1: connect by keywords or by a DSN, ask for the version, close."""
import asyncpg_core as asyncpg
from tests.support.cluster import PASSWORD, SCRAM_USER


async def test_keywords_lead_to_the_server(cluster):
    conn = await asyncpg.connect(
        user=SCRAM_USER, password=PASSWORD, database="postgres", host="127.0.0.1", port=cluster.port)
    try:
        version = await conn.fetchval("SELECT version()")
    finally:
        await conn.close()
    assert version.startswith(f"PostgreSQL {conn.get_server_version().major}")
    assert conn.is_closed()


async def test_a_uri_with_user_and_password_leads_to_the_server(cluster):
    conn = await asyncpg.connect(f"postgresql://{SCRAM_USER}:p%40ss%3Aword%2F%201@127.0.0.1:{cluster.port}/postgres")
    try:
        row = await conn.fetchrow("SELECT current_user AS me, current_database() AS here")
    finally:
        await conn.close()
    assert dict(row) == {"me": SCRAM_USER, "here": "postgres"}


async def test_several_connections_are_independent(dsn):
    first, second = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await first.close()
    assert await second.fetchval("SELECT 1") == 1
    await second.close()
