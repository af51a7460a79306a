"""Story 25: a query is tried again, later and later, when its connection was lost."""
import asyncio

import asyncpg_core as asyncpg


async def with_retries(run, attempts=4, delay=0.01):
    for n in range(attempts):
        try:
            return await run()
        except asyncpg.ConnectionDoesNotExistError:
            if n == attempts - 1:
                raise
            await asyncio.sleep(delay * 2 ** n)
    raise AssertionError("there was no attempt")


async def test_a_pool_gives_a_new_connection_after_a_lost_one(dsn):
    calls = []

    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:

        async def run():
            async with pool.acquire() as conn:
                calls.append(conn.get_server_pid())
                if len(calls) <= 2:
                    await conn.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")
                return await conn.fetchval("SELECT 'answer'")

        assert await with_retries(run) == "answer"
    assert len(set(calls)) == 3


async def test_a_single_connection_is_made_anew(dsn):
    class Client:
        conn = None
        n_connects = 0

        async def ask(self):
            if self.conn is None or self.conn.is_closed():
                self.conn = await asyncpg.connect(dsn)
                self.n_connects += 1
                if self.n_connects == 1:
                    await self.conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return await self.conn.fetchval("SELECT 'answer'")

    client = Client()
    assert await with_retries(client.ask) == "answer"
    assert client.n_connects == 2
    await client.conn.close()
