"""Story 28: several queries at once on ONE connection, which asyncpg refuses."""
import asyncio

import pytest

import asyncpg_core as asyncpg


async def test_three_queries_on_one_connection(users):
    people, n, oldest = await asyncio.gather(
        users.fetch("SELECT name FROM users ORDER BY id"),
        users.fetch("SELECT count(*) AS n FROM users"),
        users.fetch("SELECT name FROM users ORDER BY age DESC LIMIT $1", 1))
    assert [row["name"] for row in people] == ["Ann", "Bob", "Cid"]
    assert n[0]["n"] == 3
    assert oldest[0]["name"] == "Cid"


async def test_a_thousand_queries_each_get_their_own_result(conn):
    results = await asyncio.gather(*(conn.fetchval("SELECT $1::int", n) for n in range(1000)))
    assert results == list(range(1000))


async def test_queries_under_gather_are_in_flight_together(conn):
    await conn.fetchval("SELECT $1::int", 0)
    calls = [asyncio.create_task(conn.fetchval("SELECT $1::int", n)) for n in range(10)]
    most = 0
    while not all(call.done() for call in calls):
        most = max(most, conn._session.frontend.n_pending)
        await asyncio.sleep(0)
    assert most >= 9


async def test_an_error_in_one_leaves_the_others_alone(conn):
    results = await asyncio.gather(
        *(conn.fetchval("SELECT 10 / $1::int", n) for n in (1, 0, 2)), return_exceptions=True)
    assert (results[0], results[2]) == (10, 5)
    assert isinstance(results[1], asyncpg.DivisionByZeroError)
    assert not conn.is_in_transaction()


async def test_a_task_group_works_on_one_connection(conn):
    if not hasattr(asyncio, "TaskGroup"):
        pytest.skip("missing feature: asyncio.TaskGroup")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(conn.fetchval("SELECT $1::int", n)) for n in range(5)]
    assert [task.result() for task in tasks] == [0, 1, 2, 3, 4]
