"""Story 10: set_type_codec with the json module."""
import json

import pytest

import asyncpg_core as asyncpg


@pytest.mark.parametrize("type_name", ["json", "jsonb"])
async def test_objects_go_in_and_come_out(conn, type_name):
    await conn.set_type_codec(type_name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    value = {"a": [1, {"b": None}], "text": "plain"}
    assert await conn.fetchval(f"SELECT $1::{type_name}", value) == value
    assert await conn.fetchval(f"SELECT $1::{type_name}", "a str is a JSON string now") == "a str is a JSON string now"
    assert await conn.fetchval(f"SELECT array[$1::{type_name}, NULL]", value) == [value, None]
    await conn.reset_type_codec(type_name, schema="pg_catalog")
    assert json.loads(await conn.fetchval(f"SELECT $1::{type_name}", json.dumps(value))) == value


async def test_a_pool_sets_it_with_init(dsn):
    async def init(conn):
        await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, init=init) as pool:
        for _ in range(3):
            async with pool.acquire() as conn:
                assert await conn.fetchval("SELECT jsonb_build_object('a', $1::int)", 5) == {"a": 5}
