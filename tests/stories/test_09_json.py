"""Story 9: a dict goes into json and jsonb columns as it is; what comes back is text, or objects on request."""
import json

import pytest

import asyncpg_core as asyncpg

PROFILE = {"key": "value", "number": 123, "name": "Ann", "nested": {"list": [1, 2.5, None, True], "é": "\u2028"}}


@pytest.fixture
async def profiles(conn):
    await conn.execute("CREATE TABLE profiles (id serial PRIMARY KEY, profile jsonb, settings json)")
    return conn


async def test_a_dict_and_a_list_are_serialised_without_any_setting(profiles):
    await profiles.execute("INSERT INTO profiles (profile, settings) VALUES ($1, $2)", PROFILE, [1, {"a": None}])
    row = await profiles.fetchrow("SELECT profile, settings FROM profiles")
    assert isinstance(row["profile"], str) and isinstance(row["settings"], str)
    assert json.loads(row["profile"]) == PROFILE
    assert json.loads(row["settings"]) == [1, {"a": None}]
    assert await profiles.fetchval("SELECT profile ->> 'name' FROM profiles") == "Ann"
    assert await profiles.fetchval("SELECT (profile -> 'number')::int FROM profiles") == 123


async def test_a_str_is_json_text_as_in_asyncpg(profiles):
    await profiles.execute("INSERT INTO profiles (profile, settings) VALUES ($1, $2)", '{"a": 1}', "[]")
    assert await profiles.fetchval("SELECT profile = '{\"a\": 1}'::jsonb FROM profiles") is True
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await profiles.execute("INSERT INTO profiles (profile) VALUES ($1)", "not json")


async def test_json_auto_reads_python_objects(profiles, dsn):
    auto = await asyncpg.connect(dsn, json="auto")
    try:
        await auto.execute("INSERT INTO profiles (profile, settings) VALUES ($1, $2)", PROFILE, [1, 2])
        row = await auto.fetchrow("SELECT * FROM profiles WHERE profile @> $1", {"number": 123})
        assert (row["profile"]["name"], row["profile"], row["settings"]) == ("Ann", PROFILE, [1, 2])
    finally:
        await auto.close()


async def test_a_pool_with_json_auto(profiles, dsn):
    async with asyncpg.create_pool(dsn, max_size=2, json="auto") as pool:
        await pool.executemany("INSERT INTO profiles (profile) VALUES ($1)", [({"n": n},) for n in range(3)])
        rows = await pool.fetch("SELECT profile FROM profiles ORDER BY id")
        assert [row["profile"]["n"] for row in rows] == [0, 1, 2]


async def test_what_json_cannot_say_is_a_data_error_that_names_the_argument(profiles):
    with pytest.raises(asyncpg.DataError, match=r"query argument \$1"):
        await profiles.execute("INSERT INTO profiles (profile) VALUES ($1)", {"when": object()})
    assert await profiles.fetchval("SELECT count(*) FROM profiles") == 0
