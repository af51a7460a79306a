"""Story 4: DDL and changes through execute, which returns the status string."""


async def test_ddl_and_changes_return_their_status(conn):
    assert await conn.execute(
        "CREATE TABLE posts (id SERIAL PRIMARY KEY, title VARCHAR(100) NOT NULL, views INTEGER DEFAULT 0)"
    ) == "CREATE TABLE"
    assert await conn.execute("INSERT INTO posts (title) VALUES ($1), ($2)", "a", "b") == "INSERT 0 2"
    assert await conn.execute("UPDATE posts SET views = views + $1", 3) == "UPDATE 2"
    assert await conn.execute("DELETE FROM posts WHERE title = $1", "a") == "DELETE 1"
    assert [tuple(row) for row in await conn.fetch("SELECT * FROM posts")] == [(2, "b", 3)]
    assert await conn.execute("DROP TABLE posts") == "DROP TABLE"
