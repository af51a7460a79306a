"""Story 27: a migration runner that executes files of several statements, each in a transaction."""
import pytest

import asyncpg_core as asyncpg

FILES = {
    "001_users.sql": """
        -- people; and a semicolon in a comment
        CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL);
        INSERT INTO people (name) VALUES ('semi;colon'), ('dollar $1');
    """,
    "002_function.sql": """
        CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$
        BEGIN
            RETURN n * 2;  -- a body with semicolons
        END;
        $$;
        ALTER TABLE people ADD COLUMN age int NOT NULL DEFAULT twice(21);
    """,
}


async def migrate(conn, directory):
    await conn.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, at timestamptz DEFAULT now())")
    done = {row["name"] for row in await conn.fetch("SELECT name FROM migrations")}
    for path in sorted(directory.glob("*.sql")):
        if path.name not in done:
            async with conn.transaction():
                await conn.execute(path.read_text())
                await conn.execute("INSERT INTO migrations (name) VALUES ($1)", path.name)


async def applied(conn):
    return [row["name"] for row in await conn.fetch("SELECT name FROM migrations ORDER BY name")]


async def test_files_are_applied_once_and_in_order(conn, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    await migrate(conn, tmp_path)
    await migrate(conn, tmp_path)
    assert await applied(conn) == list(FILES)
    rows = await conn.fetch("SELECT name, age FROM people ORDER BY id")
    assert [tuple(row) for row in rows] == [("semi;colon", 42), ("dollar $1", 42)]


async def test_a_file_that_fails_leaves_nothing_behind(conn, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "003_wrong.sql").write_text("CREATE TABLE half (id int); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(asyncpg.UndefinedTableError, match="nowhere"):
        await migrate(conn, tmp_path)
    assert not conn.is_in_transaction()
    assert await applied(conn) == list(FILES)
    assert await conn.fetchval("SELECT to_regclass('half')::text") is None
