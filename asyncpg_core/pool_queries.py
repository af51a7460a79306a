"""The one-shot queries of a pool: calls of its lender, or of a connection to read from."""
from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, cast

from asyncpg_core import coroutine_mark
from asyncpg_core.cursor import RecordT
from asyncpg_core.pool_calls import ONE_SHOTS
from asyncpg_core.pool_reading import Reading

if TYPE_CHECKING:
    from asyncpg_core.call_maker import CallMaker
    from asyncpg_core.pool_calls import MethodCalls


class PoolQueries(Generic[RecordT]):
    """fetch and its like on a connection of the pool.

    `prepare` is "always", "auto" or "never" for this call alone; `read_only` and `wait_for_lsn` are as for `acquire`.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _calls: CallMaker | MethodCalls

    def fetch(
        self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None,
        prepare: str | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> Coroutine[Any, Any, list[RecordT]]:
        """Connection.fetch on a connection of the pool."""
        if read_only:
            return Reading(cast(Any, self), wait_for_lsn).call(
                "fetch", query, *args, timeout=timeout, record_class=record_class, prepare=prepare)
        return self._calls.fetch(query, args, timeout, record_class, prepare)

    def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None,
        prepare: str | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> Coroutine[Any, Any, RecordT | None]:
        """Connection.fetchrow on a connection of the pool."""
        if read_only:
            return Reading(cast(Any, self), wait_for_lsn).call(
                "fetchrow", query, *args, timeout=timeout, record_class=record_class, prepare=prepare)
        return self._calls.fetchrow(query, args, timeout, record_class, prepare)

    def fetchval(
        self, query: str, *args: Any, column: int | str = 0, timeout: float | None = None,
        prepare: str | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Connection.fetchval on a connection of the pool."""
        if read_only:
            return Reading(cast(Any, self), wait_for_lsn).call(
                "fetchval", query, *args, timeout=timeout, column=column, prepare=prepare)
        return self._calls.fetchval(query, args, column, timeout, prepare)

    def execute(
        self, query: str, *args: Any, timeout: float | None = None, prepare: str | None = None,
    ) -> Coroutine[Any, Any, str]:
        """Connection.execute on a connection of the pool."""
        return self._calls.execute(query, args, timeout, prepare)

    def executemany(
        self, command: str, args: Iterable[Any], *, timeout: float | None = None, prepare: str | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Connection.executemany on a connection of the pool."""
        return self._calls.executemany(command, args, timeout, prepare)

    def fetchmany(
        self, query: str, args: Iterable[Any], *, timeout: float | None = None, record_class: Any = None,
        prepare: str | None = None, read_only: bool = False, wait_for_lsn: str | None = None,
    ) -> Coroutine[Any, Any, list[RecordT]]:
        """Connection.fetchmany on a connection of the pool."""
        if read_only:
            return Reading(cast(Any, self), wait_for_lsn).call(
                "fetchmany", query, args, timeout=timeout, record_class=record_class, prepare=prepare)
        return self._calls.fetchmany(query, args, timeout, record_class, prepare)


for _name in ONE_SHOTS:
    coroutine_mark.mark(PoolQueries, _name)
