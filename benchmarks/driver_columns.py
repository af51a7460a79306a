"""ADBC and connectorx, which read and write columns: they block, and have the workloads of columns alone."""
from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any


class AdbcApi:
    """ADBC's driver for PostgreSQL over libpq, behind its DB-API, in autocommit."""

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.uri = uri

    def version(self) -> str:
        return version("adbc-driver-postgresql")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        with self.module.connect(self.uri, autocommit=True) as connection:
            yield connection

    async def fetch_arrow(self, connection: Any, sql: str, n_rows: int) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("$1", str(n_rows)))
            return cursor.fetch_arrow_table()

    async def copy_arrow_in(self, connection: Any, table: str, rows: Any) -> None:
        schema, _, name = table.partition(".")
        with connection.cursor() as cursor:
            cursor.adbc_ingest(name, rows, mode="append", db_schema_name=schema)


class ConnectorxApi:
    """connectorx, which knows TCP alone and connects anew for each query."""

    def __init__(self, module_name: str, uri: str) -> None:
        self.module: Any = importlib.import_module(module_name)
        self.uri = uri

    def version(self) -> str:
        return version("connectorx")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        yield None

    async def fetch_arrow(self, _connection: None, sql: str, n_rows: int) -> Any:
        return self.module.read_sql(self.uri, sql.replace("$1", str(n_rows)), return_type="arrow", protocol="binary")
