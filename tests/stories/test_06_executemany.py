"""Story 6: bulk changes with executemany, and what ours gives beyond asyncpg."""
import pytest

import asyncpg_core as asyncpg

INSERT = "INSERT INTO users (name, age) VALUES ($1, $2)"
PEOPLE = [(f"Name {n}", n) for n in range(1000)]


async def test_executemany_inserts_all_and_returns_none(users):
    assert await users.executemany(INSERT, PEOPLE) is None
    assert await users.fetchval("SELECT count(*) FROM users WHERE name LIKE 'Name %'") == 1000


async def test_executemany_takes_a_generator(users):
    await users.executemany(INSERT, ((name, age) for name, age in PEOPLE))
    assert await users.fetchval("SELECT sum(age) FROM users WHERE name LIKE 'Name %'") == sum(range(1000))


async def test_executemany_is_all_or_nothing(users):
    with pytest.raises(asyncpg.UniqueViolationError):
        await users.executemany("INSERT INTO users (name, email) VALUES ($1, $2)",
                                [("Dan", "dan@example.com"), ("Ann again", "ann@example.com")])
    assert await users.fetchval("SELECT count(*) FROM users") == 3


async def test_a_bad_element_is_named_and_nothing_is_inserted(users):
    with pytest.raises(asyncpg.DataError, match=r"\$2 in element #999 of executemany\(\) sequence: 'old'"):
        await users.executemany(INSERT, [*PEOPLE[:999], ("Eve", "old")])
    assert await users.fetchval("SELECT count(*) FROM users") == 3


async def test_return_status_gives_one_status_per_element(users):
    statuses = await users.executemany("DELETE FROM users WHERE age > $1", [(50,), (40,), (100,)], return_status=True)
    assert statuses == ["DELETE 1", "DELETE 1", "DELETE 0"]


async def test_fetchmany_gives_the_rows_of_returning(users):
    rows = await users.fetchmany(f"{INSERT} RETURNING id, name", PEOPLE[:3])
    assert [tuple(row) for row in rows] == [(4, "Name 0"), (5, "Name 1"), (6, "Name 2")]
