"""The queries of a pool whose results are columns: those of a call are one-shots, a stream borrows a connection.

`read_only` and `wait_for_lsn` are as for `acquire`.
"""
from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import TYPE_CHECKING, Any, cast

from asyncpg_core import coroutine_mark
from asyncpg_core.column_queries import ColumnQueries, MakesColumns
from asyncpg_core.pool_reading import Reading
from pgproto.columns.result import ColumnBatch, Columns

if TYPE_CHECKING:
    from asyncpg_core.pool import PoolAcquireContext


class PoolColumns(ColumnQueries):
    """fetch_arrow, fetch_numpy and stream_arrow on a connection of the pool; see ColumnQueries."""

    __slots__ = ()

    if TYPE_CHECKING:
        _calls: MakesColumns

        def acquire(self, *, timeout: float | None = None, read_only: bool = False, wait_for_lsn: str | None = None
                    ) -> PoolAcquireContext[Any]: ...

    def fetch_arrow(
        self, query: str, *args: Any, timeout: float | None = None, numeric: str | tuple[int, int] = "auto",
        infinity: str = "error", nan: str = "error", prepare: str | None = None, read_only: bool = False,
        wait_for_lsn: str | None = None,
    ) -> Coroutine[Any, Any, Columns]:
        """Connection.fetch_arrow on a connection of the pool."""
        if read_only:
            return Reading(cast(Any, self), wait_for_lsn).call(
                "fetch_arrow", query, *args, timeout=timeout, numeric=numeric, infinity=infinity, nan=nan,
                prepare=prepare)
        return super().fetch_arrow(
            query, *args, timeout=timeout, numeric=numeric, infinity=infinity, nan=nan, prepare=prepare)

    def fetch_numpy(
        self, query: str, *args: Any, timeout: float | None = None, nulls: str = "mask", infinity: str = "error",
        prepare: str | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        """Connection.fetch_numpy on a connection of the pool."""
        if read_only:
            return Reading(cast(Any, self), wait_for_lsn).call(
                "fetch_numpy", query, *args, timeout=timeout, nulls=nulls, infinity=infinity, prepare=prepare)
        return super().fetch_numpy(query, *args, timeout=timeout, nulls=nulls, infinity=infinity, prepare=prepare)

    async def stream_arrow(
        self, query: str, *args: Any, batch_rows: int = 65536, timeout: float | None = None,
        numeric: str | tuple[int, int] = "auto", infinity: str = "error", nan: str = "error", read_only: bool = False,
        wait_for_lsn: str | None = None,
    ) -> AsyncGenerator[ColumnBatch, None]:
        """Connection.stream_arrow on a connection that is borrowed until the last batch, or until `aclose`."""
        async with (
            self.acquire(read_only=read_only, wait_for_lsn=wait_for_lsn) as connection,
            connection.stream_arrow(query, *args, batch_rows=batch_rows, timeout=timeout, numeric=numeric,
                                    infinity=infinity, nan=nan) as batches,
        ):
            async for batch in batches:
                yield batch


for _name in ("fetch_arrow", "fetch_numpy"):
    coroutine_mark.mark(PoolColumns, _name)
