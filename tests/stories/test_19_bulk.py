"""Story 19: bulk in and out, by records, files and tables."""
import datetime
import io

import asyncpg_core as asyncpg


async def test_records_by_the_hundred_thousand(users):
    people = [(f"Name {n}", f"user{n}@example.com", n % 90) for n in range(100_000)]
    status = await users.copy_records_to_table("users", records=people, columns=["name", "email", "age"])
    assert status == "COPY 100000"
    assert await users.fetchval("SELECT count(*) FROM users") == 100_003
    assert await users.fetchval("SELECT age FROM users WHERE email = $1", "user91@example.com") == 1


async def test_records_from_an_async_generator_in_a_transaction(users):
    async def people():
        for n in range(10):
            yield (f"Name {n}", datetime.datetime(2024, 1, 1 + n))

    async with users.transaction():
        assert await users.copy_records_to_table("users", records=people(), columns=["name", "created_at"]) == "COPY 10"


async def test_a_table_to_a_file_and_back(users, tmp_path):
    path = tmp_path / "users.csv"
    assert await users.copy_from_table("users", output=path, columns=["name", "email"], format="csv", header=True
                                       ) == "COPY 3"
    assert path.read_text().splitlines()[:2] == ["name,email", "Ann,ann@example.com"]
    await users.execute("CREATE TABLE people (name text, email text)")
    assert await users.copy_to_table("people", source=path, format="csv", header=True) == "COPY 3"
    with open(path, "rb") as file:  # noqa: ASYNC230  # as people do
        assert await users.copy_to_table("people", source=file, format="csv", header=True) == "COPY 3"
    assert await users.fetchval("SELECT count(*) FROM people") == 6


async def test_a_query_with_arguments_to_memory(users):
    output = io.BytesIO()
    status = await users.copy_from_query(
        "SELECT name, age FROM users WHERE age > $1 AND status = $2 ORDER BY id", 30, "published", output=output,
        format="csv")
    assert status == "COPY 2"
    assert output.getvalue() == b"Ann,31\nBob,42\n"


async def test_a_pool_copies(dsn):
    async with asyncpg.create_pool(dsn, max_size=2) as pool:
        await pool.execute("CREATE TABLE points (x int, y int)")
        assert await pool.copy_records_to_table("points", records=[(1, 2), (3, 4)]) == "COPY 2"
        assert await pool.fetchval("SELECT sum(x * y) FROM points") == 14
