"""Story 12: an enum of the user's, added to a table that exists; its values are str."""
import pytest

import asyncpg_core as asyncpg


async def test_an_enum_column_is_added_and_used(users):
    assert len(await users.fetch("SELECT * FROM users")) == 3
    await users.execute("CREATE TYPE user_role AS ENUM ('admin', 'user', 'guest')")
    await users.execute("ALTER TABLE users ADD COLUMN role user_role DEFAULT 'user'")
    assert {row["role"] for row in await users.fetch("SELECT * FROM users")} == {"user"}
    await users.execute("UPDATE users SET role = $1 WHERE name = $2", "admin", "Ann")
    assert await users.fetchval("SELECT role FROM users WHERE name = 'Ann'") == "admin"
    rows = await users.fetch("SELECT name FROM users WHERE role = ANY($1::user_role[]) ORDER BY id", ["user", "guest"])
    assert [row["name"] for row in rows] == ["Bob", "Cid"]


async def test_a_value_that_the_enum_lacks_is_refused_by_the_server(users):
    await users.execute("CREATE TYPE user_role AS ENUM ('admin', 'user')")
    with pytest.raises(asyncpg.InvalidTextRepresentationError, match="user_role"):
        await users.fetchval("SELECT $1::user_role", "nobody")
    assert await users.fetchval("SELECT $1::user_role", "user") == "user"


async def test_a_value_added_later_is_known_at_once(users):
    await users.execute("CREATE TYPE user_role AS ENUM ('admin')")
    assert await users.fetchval("SELECT $1::user_role", "admin") == "admin"
    await users.execute("ALTER TYPE user_role ADD VALUE 'auditor'")
    assert await users.fetchval("SELECT $1::user_role", "auditor") == "auditor"
