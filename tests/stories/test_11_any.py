"""Story 11: int[] columns, and ANY both ways round."""


async def test_an_array_column_takes_and_gives_lists(conn):
    await conn.execute("CREATE TABLE posts (id int, tags int[])")
    await conn.execute("INSERT INTO posts VALUES (1, $1), (2, $2)", [1, 2, 3], [])
    assert [row["tags"] for row in await conn.fetch("SELECT tags FROM posts ORDER BY id")] == [[1, 2, 3], []]
    assert await conn.fetchval("SELECT id FROM posts WHERE $1 = ANY(tags)", 2) == 1


async def test_rows_whose_id_is_in_a_list(users):
    rows = await users.fetch("SELECT name FROM users WHERE id = ANY($1) ORDER BY id", [1, 3, 99])
    assert [row["name"] for row in rows] == ["Ann", "Cid"]
    assert await users.fetch("SELECT 1 FROM users WHERE id = ANY($1::int[])", []) == []
