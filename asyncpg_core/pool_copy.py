"""The COPY methods of a pool: a connection's, on one that is borrowed for it."""
from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from asyncpg_core.copy_ends import Output, Source

if TYPE_CHECKING:
    from asyncpg_core.lending import PoolAcquireContext


class PoolCopying:
    """COPY on a connection of the pool; see Copying. `read_only` and `wait_for_lsn` are as for `acquire`."""

    __slots__ = ()

    if TYPE_CHECKING:
        def acquire(self, *, timeout: float | None = None, read_only: bool = False, wait_for_lsn: str | None = None
                    ) -> PoolAcquireContext[Any]: ...

    async def copy_from_table(
        self, table_name: str, *, output: Output, columns: Iterable[str] | None = None, schema_name: str | None = None,
        timeout: float | None = None, format: str | None = None, oids: bool | None = None,
        delimiter: str | None = None, null: str | None = None, header: bool | str | None = None,
        quote: str | None = None, escape: str | None = None, force_quote: bool | Iterable[str] | None = None,
        encoding: str | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> str:
        """Connection.copy_from_table on a connection of the pool."""
        async with self.acquire(read_only=read_only, wait_for_lsn=wait_for_lsn) as connection:
            return await connection.copy_from_table(
                table_name, output=output, columns=columns, schema_name=schema_name, timeout=timeout, format=format,
                oids=oids, delimiter=delimiter, null=null, header=header, quote=quote, escape=escape,
                force_quote=force_quote, encoding=encoding)

    async def copy_from_query(
        self, query: str, *args: Any, output: Output, timeout: float | None = None, format: str | None = None,
        oids: bool | None = None, delimiter: str | None = None, null: str | None = None,
        header: bool | str | None = None, quote: str | None = None, escape: str | None = None,
        force_quote: bool | Iterable[str] | None = None, encoding: str | None = None, read_only: bool = False,
        wait_for_lsn: str | None = None,
    ) -> str:
        """Connection.copy_from_query on a connection of the pool."""
        async with self.acquire(read_only=read_only, wait_for_lsn=wait_for_lsn) as connection:
            return await connection.copy_from_query(
                query, *args, output=output, timeout=timeout, format=format, oids=oids, delimiter=delimiter, null=null,
                header=header, quote=quote, escape=escape, force_quote=force_quote, encoding=encoding)

    async def copy_rows(
        self, query: str | None = None, *args: Any, table_name: str | None = None,
        columns: Iterable[str] | None = None, schema_name: str | None = None, record_class: Any = None,
        timeout: float | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Connection.copy_rows on a connection of the pool, which is borrowed until the last row or `aclose()`."""
        async with (
            self.acquire(read_only=read_only, wait_for_lsn=wait_for_lsn) as connection,
            connection.copy_rows(query, *args, table_name=table_name, columns=columns, schema_name=schema_name,
                                 record_class=record_class, timeout=timeout) as rows,
        ):
            async for row in rows:
                yield row

    async def copy_to_table(
        self, table_name: str, *, source: Source, columns: Iterable[str] | None = None, schema_name: str | None = None,
        timeout: float | None = None, format: str | None = None, oids: bool | None = None, freeze: bool | None = None,
        delimiter: str | None = None, null: str | None = None, header: bool | str | None = None,
        quote: str | None = None, escape: str | None = None, force_quote: bool | Iterable[str] | None = None,
        force_not_null: bool | Iterable[str] | None = None, force_null: bool | Iterable[str] | None = None,
        encoding: str | None = None, where: str | None = None,
    ) -> str:
        """Connection.copy_to_table on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.copy_to_table(
                table_name, source=source, columns=columns, schema_name=schema_name, timeout=timeout, format=format,
                oids=oids, freeze=freeze, delimiter=delimiter, null=null, header=header, quote=quote, escape=escape,
                force_quote=force_quote, force_not_null=force_not_null, force_null=force_null, encoding=encoding,
                where=where)

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
        columns: Iterable[str] | None = None, schema_name: str | None = None, timeout: float | None = None,
        where: str | None = None,
    ) -> str:
        """Connection.copy_records_to_table on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.copy_records_to_table(
                table_name, records=records, columns=columns, schema_name=schema_name, timeout=timeout, where=where)

    async def copy_arrow_to_table(
        self, table_name: str, data: Any, *, columns: Iterable[str] | None = None, schema_name: str | None = None,
        timeout: float | None = None, where: str | None = None,
    ) -> str:
        """Connection.copy_arrow_to_table on a connection of the pool."""
        async with self.acquire() as connection:
            return await connection.copy_arrow_to_table(
                table_name, data, columns=columns, schema_name=schema_name, timeout=timeout, where=where)
