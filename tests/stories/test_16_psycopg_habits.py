"""Story 16: habits from psycopg2 end in errors that say what to do instead."""
import pytest

import asyncpg_core as asyncpg


@pytest.mark.parametrize("query", [
    "SELECT * FROM users WHERE id = %s",
    "SELECT * FROM users WHERE id IN (%s)",
    "INSERT INTO users (name) VALUES (%s)",
    "SELECT * FROM users WHERE name = '%s'",
    "SELECT * FROM users WHERE id = %(id)s",
])
async def test_a_percent_placeholder_ends_in_a_hint_at_dollar_one(users, query):
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
        await users.fetch(query, 1)
    assert "$1" in caught.value.hint
    assert await users.fetchval("SELECT count(*) FROM users") == 3


async def test_a_tuple_for_several_arguments_ends_in_a_hint(users):
    with pytest.raises(asyncpg.InterfaceError, match="expects 2 arguments for this query, 1 was passed") as caught:
        await users.execute("INSERT INTO users (name, age) VALUES ($1, $2)", ("Dan", 64))
    assert "one by one" in caught.value.hint


async def test_a_tuple_for_the_only_argument_names_it(users):
    with pytest.raises(asyncpg.DataError, match=r"\$1: \(1,\)") as caught:
        await users.fetchrow("SELECT * FROM users WHERE id = $1", (1,))
    assert "one by one" in (caught.value.hint or str(caught.value))
