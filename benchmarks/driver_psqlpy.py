"""psqlpy: asynchronous, with a runtime of its own in other threads; rows as dicts."""
from __future__ import annotations

import importlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any

from benchmarks.driver_asyncpg import Borrow, Fetch
from benchmarks.workloads import POOL_SIZE, Row


class PsqlpyApi:
    """Connections are taken from a pool: the driver has no other way to a connection that can be closed."""

    overlaps = True

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.uri = uri

    def version(self) -> str:
        return version("psqlpy")

    def statement(self, sql: str) -> str:
        return sql

    def as_read(self, row: Row) -> Row:
        """Return a row as it comes: a uuid is text here."""
        return tuple(str(value) if isinstance(value, uuid.UUID) else value for value in row)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        pool = self.module.ConnectionPool(dsn=self.uri, max_db_pool_size=2)
        try:
            async with pool.acquire() as connection:
                yield connection
        finally:
            pool.close()

    @asynccontextmanager
    async def pool(self) -> AsyncIterator[Any]:
        pool = self.module.ConnectionPool(dsn=self.uri, max_db_pool_size=POOL_SIZE)
        try:
            yield pool
        finally:
            pool.close()

    def fetch_of(self, connection: Any) -> Fetch:
        async def fetch(sql: str, *arguments: object) -> Any:
            return (await connection.fetch(sql, arguments)).result()
        return fetch

    def change_of(self, connection: Any) -> Fetch:
        async def change(sql: str, *arguments: object) -> None:
            await connection.execute(sql, arguments)
        return change

    def pool_fetch_of(self, pool: Any) -> Fetch:
        async def fetch(sql: str, *arguments: object) -> Any:
            async with pool.acquire() as connection:
                return (await connection.fetch(sql, arguments)).result()
        return fetch

    def borrow_of(self, pool: Any) -> Borrow:
        borrow: Borrow = pool.acquire
        return borrow

    def transaction_of(self, connection: Any) -> Any:
        def transaction() -> AbstractAsyncContextManager[Any]:
            found: AbstractAsyncContextManager[Any] = connection.transaction()
            return found
        return transaction

    async def executemany(self, connection: Any, sql: str, arguments: Sequence[Sequence[object]]) -> None:
        await connection.execute_many(sql, arguments)

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        for statement in statements:
            await connection.execute_batch(statement)
