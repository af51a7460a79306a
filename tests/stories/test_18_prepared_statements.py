"""Story 18: a prepared statement, used many times."""


async def test_a_statement_is_used_a_hundred_times(users):
    statement = await users.prepare("SELECT name FROM users WHERE id = $1")
    for n in range(100):
        rows = await statement.fetch(n % 3 + 1)
        assert [row["name"] for row in rows] == [("Ann", "Bob", "Cid")[n % 3]]
    count = "SELECT count(*) FROM pg_prepared_statements WHERE name = $1"
    assert await users.fetchval(count, statement.get_name()) == 1


async def test_every_way_to_use_a_statement(users):
    statement = await users.prepare("SELECT id, name FROM users WHERE age > $1 ORDER BY id")
    assert await statement.fetchval(40, column=1) == "Bob"
    assert tuple(await statement.fetchrow(50)) == (3, "Cid")
    assert await statement.fetchrow(99) is None
    assert len(await statement.fetch(0)) == 3
    assert statement.get_statusmsg() == "SELECT 3"
    assert [parameter.name for parameter in statement.get_parameters()] == ["int4"]
    assert [attribute.name for attribute in statement.get_attributes()] == ["id", "name"]
    insert = await users.prepare("INSERT INTO users (name, age) VALUES ($1, $2)")
    await insert.executemany([("Dan", 64), ("Eve", 75)])
    assert await users.fetchval("SELECT count(*) FROM users") == 5
