"""Who makes the one-shot calls of a pool: its CallMaker, or the methods of a connection where those are not ours.

A connection class may have methods of its own, and a tracer may have put its own into ours. That is looked at when a
pool is made and when a class changes; a call does not ask.
"""
from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from asyncpg_core.connection import Connection
from pgproto.living import Living

if TYPE_CHECKING:
    from asyncpg_core.call_maker import CallMaker
    from asyncpg_core.column_queries import ColumnOrder
    from asyncpg_core.pool import Pool

ONE_SHOTS = ("fetch", "fetchrow", "fetchval", "execute", "executemany", "fetchmany")
# `_calls` is where the methods find the maker of their calls: who puts another one there wants to see them.
DECISIVE = (*ONE_SHOTS, "fetch_arrow", "fetch_numpy", "_calls")
OURS = {name: getattr(Connection, name) for name in DECISIVE}
POOLS: Living[Pool[Any]] = Living()


def is_plain(connection_class: type[Connection[Any]]) -> bool:
    """Whether a call made without a connection is the same as one made with it."""
    return all(getattr(connection_class, name) is OURS[name] for name in DECISIVE)


def choose_calls(pool: Pool[Any]) -> CallMaker | MethodCalls:
    """Return what makes the calls of a pool, which is known from now on."""
    POOLS.add(pool)
    return pool._own_calls if is_plain(pool._connection_class) else MethodCalls(pool)


def choose_again() -> None:
    """A connection class has changed."""
    for pool in POOLS:
        pool._calls = choose_calls(pool)


def given(prepare: str | None) -> dict[str, str]:
    """Return a keyword that the user's own methods need not know unless it is used."""
    return {} if prepare is None else {"prepare": prepare}


class MethodCalls:
    """Makes the calls of a pool by the methods of a connection that is acquired for each."""

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool

    def fetch(self, query: str, args: tuple[Any, ...], timeout: float | None, record_class: Any,
              prepare: str | None = None) -> Coroutine[Any, Any, Any]:
        return self.call("fetch", query, *args, timeout=timeout, record_class=record_class, **given(prepare))

    def fetchrow(self, query: str, args: tuple[Any, ...], timeout: float | None, record_class: Any,
                 prepare: str | None = None) -> Coroutine[Any, Any, Any]:
        return self.call("fetchrow", query, *args, timeout=timeout, record_class=record_class, **given(prepare))

    def fetchval(self, query: str, args: tuple[Any, ...], column: int | str, timeout: float | None,
                 prepare: str | None = None) -> Coroutine[Any, Any, Any]:
        return self.call("fetchval", query, *args, column=column, timeout=timeout, **given(prepare))

    def execute(self, query: str, args: tuple[Any, ...], timeout: float | None, prepare: str | None = None
                ) -> Coroutine[Any, Any, Any]:
        return self.call("execute", query, *args, timeout=timeout, **given(prepare))

    def executemany(self, command: str, args: Iterable[Any], timeout: float | None, prepare: str | None = None
                    ) -> Coroutine[Any, Any, Any]:
        return self.call("executemany", command, args, timeout=timeout, **given(prepare))

    def fetchmany(self, query: str, args: Iterable[Any], timeout: float | None, record_class: Any,
                  prepare: str | None = None) -> Coroutine[Any, Any, Any]:
        return self.call("fetchmany", query, args, timeout=timeout, record_class=record_class, **given(prepare))

    def fetch_columns(self, name: str, query: str, args: tuple[Any, ...], timeout: float | None,
                      order: ColumnOrder[Any], prepare: str | None = None) -> Coroutine[Any, Any, Any]:
        return self.call(name, query, *args, timeout=timeout, **order.keywords, **given(prepare))

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        async with self.pool.acquire() as connection:
            return await getattr(connection, method)(*args, **kwargs)
