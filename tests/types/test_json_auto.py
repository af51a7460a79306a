"""json and jsonb as Python objects, told once to connect or create_pool."""
import json

import pytest

import asyncpg_core
from asyncpg_core.exceptions import ClientConfigurationError
from tests.types.user_schema import Eye

DOCUMENT = {"a": [1, None, "ä"], "b": {"c": True}}


def dumps_bytes(value):
    return json.dumps(value).encode()


def loads_bytes(body):
    assert type(body) is bytes
    return json.loads(body)


@pytest.mark.parametrize("settings", [{"json": "auto"}, {"json_loads": loads_bytes}, {"json_loads": json.loads},
                                      {"json_loads": loads_bytes, "json_dumps": dumps_bytes}])
async def test_it_goes_for_both_types_their_arrays_and_composites(connect, schema, settings):
    connection = await connect(server_settings={"search_path": schema}, **settings)
    eye = Eye(connection)
    for name in ("json", "jsonb"):
        for value in (DOCUMENT, [1, 2], "text", 5, True, 'a "quoted" one'):
            assert await connection.fetchval(f"select $1::{name}", value) == value
        assert await connection.fetchval(f"select $1::{name}[]", [DOCUMENT, None, "x"]) == [DOCUMENT, None, "x"]
        assert await connection.fetchval(f"select row(1, $1::{name})", DOCUMENT) == (1, DOCUMENT)
    assert eye.catalogue_queries == 0
    assert (await connection.fetchval("select $1::nest", {"doc": DOCUMENT}))["doc"] == DOCUMENT
    assert await connection.fetchval("select null::jsonb") is None


async def test_every_connection_of_a_pool_has_it_without_a_query(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2, json="auto", prepare="always") as pool:
        async with pool.acquire() as one, pool.acquire() as two:
            for c in (one, two):
                eye = Eye(c)
                assert await c.fetchval("select $1::jsonb", DOCUMENT) == DOCUMENT
                assert eye.kinds == "PDSBES"
        assert await pool.fetchval("select $1::jsonb[]", [DOCUMENT]) == [DOCUMENT]


async def test_without_it_json_is_read_as_str_and_dicts_are_written(connection):
    assert await connection.fetchval("select $1::jsonb", {"a": 1}) == '{"a": 1}'
    assert await connection.fetchval("select $1::jsonb", '{"a": 1}') == '{"a": 1}'


async def test_dumps_alone_changes_writing_only(connect):
    connection = await connect(json_dumps=lambda value: json.dumps({"wrapped": value}))
    assert await connection.fetchval("select $1::jsonb", "x") == '{"wrapped": "x"}'


async def test_a_loads_functions_error_is_the_users(connect):
    def fail(body):
        raise LookupError("mine")

    connection = await connect(json_loads=fail)
    with pytest.raises(LookupError, match="mine"):
        await connection.fetchval("select '{}'::json")
    assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("settings", [{"json": "on"}, {"json": True}, {"json_loads": 5}, {"json_dumps": "orjson"},
                                      {"types": {"mood": 5}}, {"types": {5: dict}}, {"types": {"mood": "nothing"}}])
async def test_what_makes_no_sense_is_refused_before_connecting(settings):
    with pytest.raises(ClientConfigurationError, match="^invalid (json|types)"):
        await asyncpg_core.connect("postgresql://nobody@nowhere.invalid/x", **settings)
