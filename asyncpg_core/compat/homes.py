"""The private methods of asyncpg that tracers replace: here they stand at the end of the way, and do the work.

Calls only come by when somebody has replaced one of them, see `observed`; but whoever calls one gets what asyncpg would
give him, except where it says so.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncpg_core.compat.steps import take
from asyncpg_core.connection import Connection
from asyncpg_core.protocol.protocol import BaseProtocol
from pgproto.errors import InterfaceError
from pgproto.statement import Statement

# Where a connection has what makes its calls, whatever `_calls` of its class is.
OWN_CALLS: Any = Connection.__dict__["_calls"]


class StatementState:
    """A statement as the protocol's methods get it: a text, and what its rows become."""

    __slots__ = ("_calls", "_record_class", "_status", "_statement", "query")

    def __init__(self, query: str, calls: Any, record_class: Any = None, statement: Statement | None = None) -> None:
        self.query = query
        self._calls = calls
        self._record_class = record_class
        self._statement = statement
        self._status: str | None = None

    @property
    def name(self) -> str:
        """The name that the server knows it by; '' where the connection's cache decides."""
        return "" if self._statement is None else self._statement.name


async def execute_with_arguments(
    self: Connection[Any], query: str, args: tuple[Any, ...], limit: int, timeout: float | None, *,
    return_status: bool = False, ignore_custom_codec: bool = False, record_class: Any = None,
) -> Any:
    """asyncpg's Connection._execute; `ignore_custom_codec` does nothing: the driver's own queries go elsewhere."""
    state = StatementState(query, OWN_CALLS.__get__(self), record_class)
    return await self._protocol.bind_execute(  # type: ignore[attr-defined]
        state, args, "", limit, return_status, timeout)


async def execute_many(
    self: Connection[Any], query: str, args: Iterable[Any], timeout: float | None, return_rows: bool = False,
    record_class: Any = None, *, return_status: bool = False,
) -> Any:
    """asyncpg's Connection._executemany; with `return_status` the tags."""
    state = StatementState(query, OWN_CALLS.__get__(self), record_class)
    if return_status:
        return await state._calls.executemany(query, args, timeout, return_status=True)
    return await self._protocol.bind_execute_many(state, args, "", timeout, return_rows)  # type: ignore[attr-defined]


class Homes:
    """The methods of asyncpg's protocol. `state` has the text of a statement as `query`."""

    session: Any

    async def query(self, query: str, timeout: float | None) -> Any:
        """Execute a text that may hold several statements; return the last one's tag."""
        step = take(query)
        return await (self.session.calls.execute(query, (), timeout) if step is None else step.perform())

    async def bind_execute(
        self, state: Any, args: Any, portal_name: str, limit: int, return_extra: bool, timeout: float | None
    ) -> Any:
        """Return at most `limit` rows, all if it is 0; with `return_extra` also the tag, and that it is over."""
        step = take(state.query)
        if step is not None:
            return await step.perform()
        if not isinstance(state, StatementState) or portal_name:
            raise foreign("bind_execute")
        given = state.query, tuple(args), timeout, state._record_class
        if limit == 1:
            call = state._calls.fetchrow(*given, statement=state._statement)
            call.leave_tag_with(state)
            row = await call
            rows = [] if row is None else [row]
        else:
            call = state._calls.fetch(*given, statement=state._statement)
            call.leave_tag_with(state)
            rows = await call
            if limit:
                del rows[limit:]
        return (rows, state._status, True) if return_extra else rows

    async def bind_execute_many(
        self, state: Any, args: Iterable[Any], portal_name: str, timeout: float | None, return_rows: bool
    ) -> Any:
        """Execute for each element of `args`; with `return_rows` return the rows of all."""
        if not isinstance(state, StatementState) or portal_name:
            raise foreign("bind_execute_many")
        calls, statement = state._calls, state._statement
        if return_rows:
            return await calls.fetchmany(state.query, args, timeout, state._record_class, statement=statement)
        return await calls.executemany(state.query, args, timeout, statement=statement)

    async def execute(
        self, state: Any, portal_name: str, limit: int, return_extra: bool, timeout: float | None
    ) -> Any:
        """Fetch from a cursor."""
        return await performed("execute", state.query)

    async def bind(self, state: Any, args: Any, portal_name: str, timeout: float | None) -> Any:
        """Make a cursor. The server hears of it with the first fetch."""
        return await performed("bind", state.query)

    async def copy_in(
        self, copy_stmt: str, reader: Any, data: Any, records: Any, record_stmt: Any, timeout: float | None
    ) -> Any:
        """Move data to the server."""
        return await performed("copy_in", copy_stmt)

    async def copy_out(self, copy_stmt: str, sink: Any, timeout: float | None) -> Any:
        """Move data from the server."""
        return await performed("copy_out", copy_stmt)


async def performed(method: str, text: str) -> Any:
    step = take(text)
    if step is None:
        raise foreign(method)
    return await step.perform()


def foreign(method: str) -> InterfaceError:
    """What a method says to somebody who calls it himself."""
    return InterfaceError(f"Protocol.{method}() is called by connections, statements and cursors only: call those")


METHODS = ("query", "bind_execute", "bind_execute_many", "execute", "bind", "copy_in", "copy_out")


def build() -> None:
    """Put the methods where tracers look for them."""
    for name in METHODS:
        setattr(BaseProtocol, name, Homes.__dict__[name])
    for name, function in (("_execute", execute_with_arguments), ("_executemany", execute_many)):
        setattr(Connection, name, function)
