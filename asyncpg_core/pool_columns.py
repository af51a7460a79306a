"""The queries of a pool whose results are columns: those of a call are one-shots, a stream borrows a connection."""
from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from asyncpg_core.column_queries import ColumnQueries
from pgproto.columns.result import ColumnBatch

if TYPE_CHECKING:
    from asyncpg_core.pool import PoolAcquireContext


class PoolColumns(ColumnQueries):
    """fetch_arrow, fetch_numpy and stream_arrow on a connection of the pool; see ColumnQueries."""

    __slots__ = ()

    if TYPE_CHECKING:
        def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext[Any]: ...

    async def stream_arrow(
        self, query: str, *args: Any, batch_rows: int = 65536, timeout: float | None = None,
        numeric: str | tuple[int, int] = "auto", infinity: str = "error", nan: str = "error",
    ) -> AsyncGenerator[ColumnBatch, None]:
        """Connection.stream_arrow on a connection that is borrowed until the last batch, or until `aclose`."""
        async with self.acquire() as connection, connection.stream_arrow(
                query, *args, batch_rows=batch_rows, timeout=timeout, numeric=numeric, infinity=infinity,
                nan=nan) as batches:
            async for batch in batches:
                yield batch
