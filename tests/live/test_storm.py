"""Ten thousand tasks, each cancelled at some point of its life, over a pool of five."""
import asyncio
import random

import asyncpg_core as asyncpg

TASKS = 10_000
WORKERS = 40


async def one(pool, number, jitter):
    """One unit of work whose every result is its own number."""
    kind = number % 5
    if kind == 0:
        assert await pool.fetchval("select $1::int4", number) == number
    elif kind == 1:
        async with pool.acquire() as connection:
            rows = await connection.fetch("select $1::int4 + i as n from generate_series(0, 200) i", number)
            assert [row["n"] for row in rows] == list(range(number, number + 201))
    elif kind == 2:
        async with pool.acquire() as connection, connection.transaction():
            assert await connection.fetchval("select $1::int4", number) == number
            await connection.execute("insert into storm values ($1)", number)
            async with connection.transaction():
                assert await connection.fetchval("select -$1::int4", number) == -number
    elif kind == 3:
        async with pool.acquire() as connection:
            values = await asyncio.gather(*[connection.fetchval("select $1::int4", number + i) for i in range(4)])
            assert values == [number + i for i in range(4)]
    else:
        async with pool.acquire() as connection:
            await connection.fetchval("select $1::int4 from pg_sleep($2)", number, jitter)
            await connection.executemany("insert into storm values ($1)", [(number,)] * 3)


async def test_ten_thousand_cancelled_tasks_leave_nothing_behind(dsn):
    chance = random.Random(20)
    outcomes = {"done": 0, "cancelled": 0}
    async with asyncpg.create_pool(dsn, max_size=5, server_settings={"application_name": "storm"}) as pool:
        await pool.execute("create table if not exists storm (n int4)")

        async def worker(numbers):
            for number in numbers:
                task = asyncio.get_running_loop().create_task(one(pool, number, chance.random() * 0.004))
                for _ in range(chance.choice((0, 1, 2, 3, 5, 8, 13))):
                    await asyncio.sleep(0)
                if chance.random() < 0.5:
                    await asyncio.sleep(chance.random() * 0.004)
                if chance.random() < 0.85:
                    task.cancel()
                try:
                    await task
                    outcomes["done"] += 1
                except asyncio.CancelledError:
                    outcomes["cancelled"] += 1

        await asyncio.wait_for(
            asyncio.gather(*[worker(range(i, TASKS, WORKERS)) for i in range(WORKERS)]), 50)
        assert outcomes["done"] + outcomes["cancelled"] == TASKS
        assert outcomes["done"] > TASKS // 20 and outcomes["cancelled"] > TASKS // 20

        held = [await asyncio.wait_for(pool.acquire(), 5) for _ in range(5)]
        statuses = [await connection.fetchval("select 17") for connection in held]
        assert statuses == [17] * 5
        assert not any(connection.is_in_transaction() for connection in held)
        for connection in held:
            await pool.release(connection)
        counts = await pool.fetch("select n, count(*) as c from storm where n % 5 = 2 group by n having count(*) > 1")
        assert counts == []
        halves = await pool.fetch("select n from storm where n % 5 = 4 group by n having count(*) <> 3")
        assert halves == []
        states = await pool.fetch(
            "select state from pg_stat_activity where application_name = 'storm' and pid <> pg_backend_pid()")
        assert len(states) == 4 and not any("transaction" in row["state"] for row in states)
        await pool.execute("drop table storm")
