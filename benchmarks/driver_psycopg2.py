"""psycopg2, which blocks, and aiopg, which is psycopg2 behind asyncio: arguments are written into the text.

psycopg2's verbs are coroutines in name only: while one runs, the loop stands still. So it has no workload in which
tasks wait for each other.
"""
from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.driver_asyncpg import Borrow, Fetch, Sink
from benchmarks.driver_psycopg import percent_placeholders
from benchmarks.workloads import POOL_SIZE


class Writer:
    """The file that psycopg2's COPY writes to."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)


class Psycopg2Api:
    """psycopg2: blocking connections in autocommit, rows as tuples."""

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        importlib.import_module(f"{module_name}.extras").register_uuid()
        self.uri = uri

    def version(self) -> str:
        return str(self.module.__version__).split()[0]

    def statement(self, sql: str) -> str:
        return percent_placeholders(sql)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        connection = self.module.connect(self.uri)
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def fetch_of(self, connection: Any) -> Fetch:
        async def fetch(sql: str, *arguments: object) -> Any:
            with connection.cursor() as cursor:
                cursor.execute(sql, arguments)
                return cursor.fetchall()
        return fetch

    async def executemany(self, connection: Any, sql: str, arguments: Sequence[Sequence[object]]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(sql, arguments)

    async def copy_out(self, connection: Any, query: str, sink: Sink) -> None:
        writer = Writer()
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT", writer)
        for piece in writer.pieces:
            await sink(piece)

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class AiopgApi:
    """aiopg: psycopg2's connections on the loop, always in autocommit."""

    overlaps = True

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.uri = uri

    def version(self) -> str:
        return str(self.module.__version__)

    def statement(self, sql: str) -> str:
        return percent_placeholders(sql)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self.module.connect(self.uri) as connection:
            yield connection

    @asynccontextmanager
    async def pool(self) -> AsyncIterator[Any]:
        async with self.module.create_pool(self.uri, minsize=POOL_SIZE, maxsize=POOL_SIZE) as pool:
            yield pool

    def fetch_of(self, connection: Any) -> Fetch:
        async def fetch(sql: str, *arguments: object) -> Any:
            async with connection.cursor() as cursor:
                await cursor.execute(sql, arguments)
                return await cursor.fetchall()
        return fetch

    def pool_fetch_of(self, pool: Any) -> Fetch:
        async def fetch(sql: str, *arguments: object) -> Any:
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute(sql, arguments)
                return await cursor.fetchall()
        return fetch

    def borrow_of(self, pool: Any) -> Borrow:
        borrow: Borrow = pool.acquire
        return borrow

    async def run_script(self, connection: Any, statements: Sequence[str]) -> None:
        async with connection.cursor() as cursor:
            for statement in statements:
                await cursor.execute(statement)
