"""aiosql: queries from a file of SQL, through its asyncpg adapter."""
import aiosql
import asyncpg
import pytest

SQL = """
-- name: create_schema#
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, age int);
CREATE TABLE log (line text);

-- name: add_user<!
INSERT INTO users (name, age) VALUES (:name, :age) RETURNING id;

-- name: add_users*!
INSERT INTO users (name, age) VALUES (:name, :age);

-- name: all_users
SELECT id, name, age FROM users ORDER BY id;

-- name: user_by_name^
SELECT id, name, age FROM users WHERE name = :name;

-- name: count_users$
SELECT count(*) FROM users;

-- name: birthday!
UPDATE users SET age = age + 1 WHERE name = :name;
"""


@pytest.fixture
def queries():
    return aiosql.from_str(SQL, "asyncpg", mandatory_parameters=False)


async def check(queries, connection):
    await queries.create_schema(connection)
    assert await queries.add_user(connection, name="Ann", age=31) in (1, (1,))
    await queries.add_users(connection, [{"name": "Bob", "age": 42}, {"name": "Cid", "age": 53}])
    assert [row["name"] async for row in queries.all_users(connection)] == ["Ann", "Bob", "Cid"]
    assert dict(await queries.user_by_name(connection, name="Bob")) == {"id": 2, "name": "Bob", "age": 42}
    assert await queries.count_users(connection) == 3
    await queries.birthday(connection, name="Ann")
    assert (await queries.user_by_name(connection, name="Ann"))["age"] == 32
    async with queries.all_users_cursor(connection) as cursor:
        assert [row["age"] async for row in cursor] == [32, 42, 53]


async def test_queries_run_on_a_connection(queries, dsn):
    connection = await asyncpg.connect(dsn)
    await check(queries, connection)
    await connection.close()


async def test_queries_run_on_a_pool(queries, dsn):
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        await check(queries, pool)
