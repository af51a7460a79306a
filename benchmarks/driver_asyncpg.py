"""asyncpg, and asyncpg_core, which is asyncpg's adapter on another module with a few verbs more.

The verbs hand out the driver's own bound methods where they can, so that no layer of ours is timed with it.
"""
from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.workloads import POOL_SIZE

Fetch = Callable[..., Awaitable[Any]]
Sink = Callable[[bytes], Awaitable[None]]
Borrow = Callable[[], AbstractAsyncContextManager[Any]]


class AsyncpgApi:
    """asyncpg, or a module with its API."""

    overlaps = True
    # An enum comes as str, a composite as a record, whoever made the type.
    knows_types = True
    serves_http = True

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

    def change_of(self, connection: Any) -> Fetch:
        """Return what runs a statement without rows."""
        execute: Fetch = connection.execute
        return execute

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

    def transaction_of(self, connection: Any) -> Callable[[], AbstractAsyncContextManager[Any]]:
        transaction: Callable[[], AbstractAsyncContextManager[Any]] = connection.transaction
        return transaction

    async def copy_in(self, connection: Any, table: str, rows: Sequence[Sequence[object]]) -> None:
        schema, _, name = table.partition(".")
        await connection.copy_records_to_table(name, schema_name=schema, records=rows)

    async def copy_out(self, connection: Any, query: str, sink: Sink) -> None:
        """Give the server's text of the rows to the sink, in the pieces in which it comes."""
        await connection.copy_from_query(query, output=sink)

    @asynccontextmanager
    async def growing_pool(self, n_more: int) -> AsyncIterator[Any]:
        """Give a pool that has one connection, lent out for good, and room for so many more."""
        pool = await self.module.create_pool(self.uri, min_size=1, max_size=n_more + 1)
        try:
            await pool.acquire()
            yield pool
        finally:
            pool.terminate()

    async def grow(self, pool: Any) -> Any:
        """Return one more connection of the pool, connected for this."""
        return await pool.acquire()

    async def shrink(self, pool: Any, connections: Sequence[Any]) -> None:
        """Close what `grow` has given."""
        await pool.expire_connections()
        for connection in connections:
            await pool.release(connection)

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        for statement in statements:
            await connection.execute(statement)


# What a connection of ours may still be without: the workloads that need it are left out then.
YOUNG_VERBS = {"fetch_arrow": "fetch_arrow", "copy_arrow_in": "copy_arrow_to_table", "copy_rows": "copy_rows"}


class AsyncpgCoreApi(AsyncpgApi):
    """asyncpg_core: asyncpg's API, with several queries at a time on one connection, columns and typed COPY rows."""

    def __init__(self, module_name: str, uri: str) -> None:
        super().__init__(module_name, uri)
        self.lacking = {verb for verb, name in YOUNG_VERBS.items() if not hasattr(self.module.Connection, name)}

    async def fetch_arrow(self, connection: Any, sql: str, n_rows: int) -> Any:
        """Return what has `__arrow_c_stream__`."""
        return await connection.fetch_arrow(sql.replace("$1", str(n_rows)))

    async def copy_arrow_in(self, connection: Any, table: str, rows: Any) -> None:
        schema, _, name = table.partition(".")
        await connection.copy_arrow_to_table(name, rows, schema_name=schema)

    async def copy_rows(self, connection: Any, query: str) -> int:
        """Return how many rows COPY gave, each as a record."""
        n_rows = 0
        async for _row in connection.copy_rows(query):
            n_rows += 1
        return n_rows

    async def fetch_together(self, connection: Any, sql: str, arguments: Sequence[object]) -> list[Any]:
        return await asyncio.gather(*[connection.fetch(sql, argument) for argument in arguments])
