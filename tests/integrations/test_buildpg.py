"""buildpg: queries put together from parts, on its connection class and on its pool, a subclass of ours."""
import pytest
from buildpg import MultipleValues, V, Values, asyncpg, clauses, funcs, render


@pytest.fixture
async def connection(dsn):
    made = await asyncpg.connect_b(dsn)
    await made.execute("CREATE TABLE users (id serial PRIMARY KEY, name text, age int)")
    yield made
    await made.close()


async def check(where):
    users = MultipleValues(Values(name="Ann", age=31), Values(name="Bob", age=42))
    assert await where.execute_b("INSERT INTO users (:values__names) VALUES :values", values=users) == "INSERT 0 2"
    await where.executemany_b("INSERT INTO users (:values__names) VALUES :values",
                              [Values(name="Cid", age=53), Values(name="Dan", age=64)])
    assert await where.fetchval_b("SELECT count(*) FROM users WHERE :where", where=V("age") > 40) == 3
    row = await where.fetchrow_b("SELECT :select FROM users :where", select=V("name"),
                                 where=clauses.Where(V("name").like("B%")))
    assert row["name"] == "Bob"
    rows = await where.fetch_b("SELECT name FROM users WHERE age = :any ORDER BY id", any=funcs.any([31, 64]))
    assert [row["name"] for row in rows] == ["Ann", "Dan"]


async def test_parts_become_queries_with_arguments(connection):
    await check(connection)
    async with connection.transaction():
        cursor = connection.cursor_b("SELECT name FROM users WHERE :where ORDER BY id", where=V("age") < 60)
        assert [row["name"] async for row in cursor] == ["Ann", "Bob", "Cid"]
    query, arguments = render("SELECT :value", value=1)
    assert await connection.fetchval(query + "::int", *arguments) == 1


async def test_its_pool_lends_its_connections(dsn, connection):
    async with asyncpg.create_pool_b(dsn, min_size=1, max_size=2) as pool:
        await check(pool)
        async with pool.acquire() as lent:
            assert isinstance(lent, asyncpg.BuildPgConnection)
            assert await lent.fetchval_b("SELECT :n::int", n=5) == 5
