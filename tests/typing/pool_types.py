"""Pools as type checkers see them; never run."""
from typing import Any

from typing_extensions import assert_type

import asyncpg_core
from asyncpg_core import Connection, Pool, Record
from asyncpg_core.pool import PoolAcquireContext, PoolStats
from tests.typing.connection_types import Own, Row


async def opened_by_await() -> None:
    pool = await asyncpg_core.create_pool("postgres://", min_size=1, max_size=2, command_timeout=5)
    assert_type(pool, Pool[Record])
    connection = await pool.acquire(timeout=1)
    assert_type(connection, Connection[Record])
    assert_type(await pool.release(connection), None)
    assert_type(await pool.close(), None)


async def opened_by_with() -> None:
    async with asyncpg_core.create_pool(record_class=Row) as pool, pool.acquire() as connection:
        assert_type(pool, Pool[Row])
        assert_type(connection, Connection[Row])
        assert_type(await connection.fetch("select 1"), list[Row])


async def kept_unopened(dsn: str) -> None:
    pool = asyncpg_core.create_pool(dsn)
    assert_type(pool, Pool[Record])
    async with pool:
        assert_type(pool.acquire(), PoolAcquireContext[Record])


async def one_shots(pool: Pool[Row]) -> None:
    assert_type(await pool.fetch("select $1", 1, timeout=2), list[Row])
    assert_type(await pool.fetchrow("select 1"), Row | None)
    assert_type(await pool.fetchval("select 1", column=0), Any)
    assert_type(await pool.execute("select 1"), str)
    assert_type(await pool.executemany("select $1", [(1,)]), None)
    assert_type(await pool.fetchmany("select $1", [(1,)]), list[Row])
    assert_type(await pool.copy_records_to_table("t", records=[(1,)]), str)


async def turnover(pool: Pool[Row]) -> None:
    assert_type(await pool.resize(min_size=1, max_size=4), None)
    assert_type(await pool.drain(timeout=1), None)
    assert_type(await pool.rotate(password="other"), None)
    assert_type(await pool.close(timeout=1), None)
    assert_type(pool.stats(), PoolStats)
    assert_type(pool.stats().n_acquired, int)


async def reading(pool: Pool[Row]) -> None:
    token = await pool.lsn()
    assert_type(token, str)
    assert_type(await pool.fetch("select 1", read_only=True, wait_for_lsn=token), list[Row])
    async with pool.acquire(read_only=True, timeout=1) as connection:
        assert_type(connection, Connection[Row])


async def hooks() -> None:
    async def init(connection: Connection[Record]) -> None:
        await connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=str)

    async def setup(connection: Connection[Record]) -> None:
        await connection.execute("set search_path to a")

    async with asyncpg_core.create_pool(init=init, setup=setup, connection_class=Own, max_queries=10,
                                        check=init, max_lifetime=3600, max_waiting=100, read_replicas=True) as pool:
        assert_type(pool.get_size(), int)
        assert_type(pool.get_idle_size(), int)
        assert_type(pool.is_closing(), bool)
        assert_type(await pool.expire_connections(), None)
        assert_type(pool.terminate(), None)


class Repository:
    """As services have it: a pool in an attribute, `acquire` in a method."""

    def __init__(self, pool: Pool[Record]) -> None:
        self.pool = pool

    async def names(self) -> list[str]:
        async with self.pool.acquire() as connection, connection.transaction():
            return [str(row["name"]) for row in await connection.fetch("select name from users")]
