"""Story 3: fetchrow gives a row or None, fetchval a value."""


async def test_fetchrow_gives_one_row_or_none(users):
    assert dict(await users.fetchrow("SELECT id, name FROM users WHERE id = $1", 2)) == {"id": 2, "name": "Bob"}
    assert await users.fetchrow("SELECT * FROM users WHERE id = $1", 99) is None


async def test_fetchval_gives_a_scalar(users):
    assert await users.fetchval("SELECT EXISTS(SELECT 1 FROM users WHERE email = $1)", "bob@example.com") is True
    assert await users.fetchval("SELECT COUNT(*) FROM users") == 3
    assert await users.fetchval("SELECT MAX(id) FROM users") == 3
    assert await users.fetchval("SELECT MAX(id) FROM users WHERE age > 100") is None
    assert await users.fetchval("SELECT name FROM users WHERE id = 99") is None


async def test_fetchval_takes_a_column_by_position_or_name(users):
    query = "SELECT id, name FROM users ORDER BY id"
    assert await users.fetchval(query, column=1) == "Ann"
    assert await users.fetchval(query, column="name") == "Ann"
