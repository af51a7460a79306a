"""Story 15: a WHERE clause put together from the filters that are set."""
import pytest


async def find_users(conn, **filters):
    conditions, params = [], []
    for column, value in filters.items():
        params.append(value)
        conditions.append(f"{column} = ${len(params)}")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return [row["name"] for row in await conn.fetch(f"SELECT name FROM users{where} ORDER BY id", *params)]


@pytest.mark.parametrize(("filters", "expected"), [
    ({}, ["Ann", "Bob", "Cid"]),
    ({"status": "published"}, ["Ann", "Bob"]),
    ({"status": "published", "age": 42}, ["Bob"]),
    ({"status": "draft", "age": 53, "email": "cid@example.com"}, ["Cid"]),
    ({"status": "draft", "age": 31}, []),
])
async def test_filters_are_joined(users, filters, expected):
    assert await find_users(users, **filters) == expected


async def test_an_update_of_the_fields_that_are_given(users):
    fields = {"name": "Anna", "age": 32}
    assignments = ", ".join(f"{column} = ${n}" for n, column in enumerate(fields, 2))
    assert await users.execute(f"UPDATE users SET {assignments} WHERE id = $1", 1, *fields.values()) == "UPDATE 1"
    assert tuple(await users.fetchrow("SELECT name, age FROM users WHERE id = 1")) == ("Anna", 32)
