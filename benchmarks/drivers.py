"""The drivers under comparison, each behind the same few verbs.

The verbs hand out the driver's own bound methods where they can, so that no layer of ours is timed with it. Alike for
all: autocommit, results taken whole into Python objects, one row type per driver (its default), statements prepared by
the driver's own cache, no option of the driver turned off. asyncpg_core is asyncpg's adapter on another module.
"""
from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.workloads import POOL_SIZE

Fetch = Callable[[str, object], Awaitable[Any]]
Borrow = Callable[[], AbstractAsyncContextManager[Any]]


class AsyncpgApi:
    """asyncpg, or a module with its API."""

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.uri = uri

    def version(self) -> str:
        return str(self.module.__version__)

    def statement(self, sql: str) -> str:
        return sql

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        connection = await self.module.connect(self.uri)
        try:
            yield connection
        finally:
            await connection.close()

    def pool(self) -> AbstractAsyncContextManager[Any]:
        pool: AbstractAsyncContextManager[Any] = self.module.create_pool(
            self.uri, min_size=POOL_SIZE, max_size=POOL_SIZE)
        return pool

    def fetch_of(self, connection: Any) -> Fetch:
        fetch: Fetch = connection.fetch
        return fetch

    def pool_fetch_of(self, pool: Any) -> Fetch:
        fetch: Fetch = pool.fetch
        return fetch

    def borrow_of(self, pool: Any) -> Borrow:
        borrow: Borrow = pool.acquire
        return borrow

    async def fetch_together(self, connection: Any, sql: str, arguments: Sequence[object]) -> list[Any]:
        """Return the rows of each query, one by one: asyncpg allows one query at a time on a connection."""
        return [await connection.fetch(sql, argument) for argument in arguments]

    async def executemany(self, connection: Any, sql: str, arguments: Sequence[Sequence[object]]) -> None:
        await connection.executemany(sql, arguments)

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        for statement in statements:
            await connection.execute(statement)


class AsyncpgCoreApi(AsyncpgApi):
    """asyncpg_core: asyncpg's API, with several queries at a time on one connection."""

    async def fetch_together(self, connection: Any, sql: str, arguments: Sequence[object]) -> list[Any]:
        return await asyncio.gather(*[connection.fetch(sql, argument) for argument in arguments])


class PsycopgApi:
    """psycopg 3: asynchronous connections in autocommit, prepared statements, binary results, rows as tuples."""

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.pool_module: Any = importlib.import_module(f"{module_name}_pool")
        self.uri = uri

    def version(self) -> str:
        return f"{self.module.__version__} ({self.module.pq.__impl__}), pool {self.pool_module.__version__}"

    def statement(self, sql: str) -> str:
        """Return `sql` with %s for $n; its arguments are numbered in order of appearance, each used once."""
        return re.sub(r"\$\d+", "%s", sql)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        connection = await self.module.AsyncConnection.connect(self.uri, autocommit=True)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def pool(self) -> AsyncIterator[Any]:
        pool_class = self.pool_module.AsyncConnectionPool
        async with pool_class(self.uri, min_size=POOL_SIZE, max_size=POOL_SIZE, open=False,
                              kwargs={"autocommit": True}) as pool:
            await pool.wait()
            yield pool

    def fetch_of(self, connection: Any) -> Fetch:
        async def fetch(sql: str, argument: object) -> Any:
            cursor = await connection.execute(sql, (argument,), prepare=True, binary=True)
            return await cursor.fetchall()
        return fetch

    def pool_fetch_of(self, pool: Any) -> Fetch:
        async def fetch(sql: str, argument: object) -> Any:
            async with pool.connection() as connection:
                cursor = await connection.execute(sql, (argument,), prepare=True, binary=True)
                return await cursor.fetchall()
        return fetch

    def borrow_of(self, pool: Any) -> Borrow:
        borrow: Borrow = pool.connection
        return borrow

    async def fetch_together(self, connection: Any, sql: str, arguments: Sequence[object]) -> list[Any]:
        """Return the rows of each query, sent in pipeline mode."""
        async with connection.pipeline():
            cursors = [await connection.execute(sql, (argument,), prepare=True, binary=True) for argument in arguments]
            return [await cursor.fetchall() for cursor in cursors]

    async def executemany(self, connection: Any, sql: str, arguments: Sequence[Sequence[object]]) -> None:
        async with connection.cursor() as cursor:
            await cursor.executemany(sql, arguments)

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        for statement in statements:
            await connection.execute(statement)


Driver = AsyncpgApi | PsycopgApi

BASELINE = "asyncpg"
DRIVERS: dict[str, tuple[type[AsyncpgApi | PsycopgApi], str]] = {
    "asyncpg": (AsyncpgApi, "asyncpg"),
    "psycopg": (PsycopgApi, "psycopg"),
    "asyncpg_core": (AsyncpgCoreApi, "asyncpg_core"),
    # asyncpg a second time: its true ratio is 1, so what is printed for it is the noise of the run.
    "asyncpg_again": (AsyncpgApi, "asyncpg"),
}
DEFAULT_DRIVERS = ("asyncpg", "psycopg", "asyncpg_core")


def open_driver(name: str, uri: str) -> Driver:
    """Return the named driver, imported; ImportError if it, or its pool, is not installed."""
    api, module_name = DRIVERS[name]
    return api(module_name, uri)
