"""psycopg 3: asynchronous connections in autocommit, prepared statements, binary results, rows as tuples."""
from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.driver_asyncpg import Borrow, Fetch, Sink
from benchmarks.workloads import POOL_SIZE, SINK_TYPES


def percent_placeholders(sql: str) -> str:
    """Return `sql` with %s for $n; its arguments are numbered in order of appearance, each used once."""
    return re.sub(r"\$\d+", "%s", sql)


class PsycopgApi:
    """psycopg 3: asynchronous connections in autocommit, prepared statements, binary results, rows as tuples."""

    overlaps = True

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.pool_module: Any = importlib.import_module(f"{module_name}_pool")
        self.uri = uri

    def version(self) -> str:
        return f"{self.module.__version__} ({self.module.pq.__impl__}), pool {self.pool_module.__version__}"

    def statement(self, sql: str) -> str:
        return percent_placeholders(sql)

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
        async def fetch(sql: str, *arguments: object) -> Any:
            cursor = await connection.execute(sql, arguments, prepare=True, binary=True)
            return await cursor.fetchall()
        return fetch

    def change_of(self, connection: Any) -> Fetch:
        async def change(sql: str, *arguments: object) -> None:
            await connection.execute(sql, arguments, prepare=True)
        return change

    def pool_fetch_of(self, pool: Any) -> Fetch:
        async def fetch(sql: str, *arguments: object) -> Any:
            async with pool.connection() as connection:
                cursor = await connection.execute(sql, arguments, prepare=True, binary=True)
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

    def transaction_of(self, connection: Any) -> Callable[[], AbstractAsyncContextManager[Any]]:
        transaction: Callable[[], AbstractAsyncContextManager[Any]] = connection.transaction
        return transaction

    async def copy_in(self, connection: Any, table: str, rows: Sequence[Sequence[object]]) -> None:
        """COPY the rows in binary, which is the like of what the others do; int4 has to be said."""
        async with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(SINK_TYPES)
            for row in rows:
                await copy.write_row(row)

    async def copy_out(self, connection: Any, query: str, sink: Sink) -> None:
        async with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            async for piece in copy:
                await sink(piece)

    @asynccontextmanager
    async def growing_pool(self, _n_more: int) -> AsyncIterator[None]:
        """Give nothing: this pool connects in the background, so `grow` connects without it."""
        yield None

    async def grow(self, _pool: None) -> Any:
        return await self.module.AsyncConnection.connect(self.uri, autocommit=True)

    async def shrink(self, _pool: None, connections: Sequence[Any]) -> None:
        for connection in connections:
            await connection.close()

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        for statement in statements:
            await connection.execute(statement)
