"""Sends calls through what tracers have put into the private methods of asyncpg; the methods' homes are in `homes`.

Which way a connection's calls take is written into its class when the class changes: `Connection._calls`, where all
methods find the maker of their calls, becomes a property that returns one which goes by asyncpg's way. Connections that
exist already are on it from then on. Classes that nobody has touched have nothing to ask and pay nothing.

asyncpg's way: `fetch` and `execute` with arguments → `_execute` → `Protocol.bind_execute`; `execute` without them →
`Protocol.query`; statements and cursors → `Protocol`; BEGIN, COMMIT and the like → `Connection.execute`.
"""
from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from asyncpg_core import copy, cursor, patchable, pool_calls
from asyncpg_core.compat.homes import METHODS, OWN_CALLS, StatementState
from asyncpg_core.compat.steps import is_in_hand, through
from asyncpg_core.connection import Connection
from asyncpg_core.pool_member import RELEASED_CALLS
from asyncpg_core.protocol.protocol import BaseProtocol, Protocol
from asyncpg_core.transaction import Transaction
from pgproto.operations.extended import FetchPortal
from pgproto.record import Record


class ObservedCall(Coroutine[Any, Any, Any]):
    """A call of a statement: a coroutine that can be told who wants its tag."""

    def __init__(self, run: Callable[[ObservedCall], Coroutine[Any, Any, Any]]) -> None:
        self._coroutine = run(self)
        self._keeper: Any = None

    def leave_tag_with(self, keeper: Any) -> None:
        self._keeper = keeper

    def keep(self, tag: str | None) -> None:
        if self._keeper is not None:
            self._keeper._status = tag

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()


class ObservedCalls:
    """A CallMaker whose calls go by asyncpg's way; what asyncpg has not is made by the connection's own.

    That way has no place for a call's own mode of preparing: the connection's holds."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(OWN_CALLS.__get__(self._connection), name)

    def fetch(self, sql: str, args: tuple[Any, ...], timeout: float | None, record_class: Any,
              prepare: str | None = None, statement: Any = None) -> Coroutine[Any, Any, Any]:
        if statement is not None:
            return ObservedCall(lambda call: self._bound(call, sql, args, 0, timeout, record_class, statement))
        return self._rows(sql, args, 0, timeout, record_class)

    def fetchrow(self, sql: str, args: tuple[Any, ...], timeout: float | None, record_class: Any,
                 prepare: str | None = None, statement: Any = None) -> Coroutine[Any, Any, Any]:
        if statement is not None:
            return ObservedCall(lambda call: first(
                self._bound(call, sql, args, 1, timeout, record_class, statement), None))
        return first(self._rows(sql, args, 1, timeout, record_class), None)

    def fetchval(self, sql: str, args: tuple[Any, ...], column: int | str, timeout: float | None,
                 prepare: str | None = None, statement: Any = None) -> Coroutine[Any, Any, Any]:
        if statement is not None:
            return ObservedCall(lambda call: first(
                self._bound(call, sql, args, 1, timeout, Record, statement), column))
        return first(self._rows(sql, args, 1, timeout, Record), column)

    async def execute(self, sql: str, args: tuple[Any, ...], timeout: float | None, prepare: str | None = None) -> Any:
        if args:
            return (await self._connection._execute(sql, args, 0, timeout, return_status=True))[1]
        return await self._connection._protocol.query(sql, timeout)

    async def executemany(self, sql: str, elements: Any, timeout: float | None, prepare: str | None = None, *,
                          statement: Any = None, return_status: bool = False) -> Any:
        if statement is not None:
            return await self._connection._protocol.bind_execute_many(
                self._state(sql, None, statement), elements, "", timeout, False)
        more = {"return_status": True} if return_status else {}
        return await self._connection._executemany(sql, elements, timeout, **more)

    async def fetchmany(self, sql: str, elements: Any, timeout: float | None, record_class: Any,
                        prepare: str | None = None, *, statement: Any = None) -> Any:
        if statement is not None:
            return await self._connection._protocol.bind_execute_many(
                self._state(sql, record_class, statement), elements, "", timeout, True)
        return await self._connection._executemany(
            sql, elements, timeout, return_rows=True, record_class=record_class)

    def run(self, name: str, op: Any, timeout: float | None, make: Any = None) -> Any:
        own = OWN_CALLS.__get__(self._connection)
        if not isinstance(op, FetchPortal):
            return own.run(name, op, timeout, make)
        protocol, state = self._connection._protocol, self._state(op.statement.sql, None, op.statement)

        def send() -> Any:
            if op.arguments is None:
                return protocol.execute(state, op.portal, op.row_limit, True, timeout)
            return protocol.bind_execute(state, op.arguments, op.portal, op.row_limit, True, timeout)

        return through(state.query, send, lambda: own.run(name, op, timeout, make))

    def _state(self, sql: str, record_class: Any, statement: Any) -> StatementState:
        return StatementState(sql, OWN_CALLS.__get__(self._connection), record_class, statement)

    async def _rows(self, sql: str, args: tuple[Any, ...], limit: int, timeout: float | None, record_class: Any
                    ) -> Any:
        return await self._connection._execute(sql, args, limit, timeout, record_class=record_class)

    async def _bound(self, call: ObservedCall, sql: str, args: tuple[Any, ...], limit: int, timeout: float | None,
                     record_class: Any, statement: Any) -> Any:
        state = self._state(sql, record_class, statement)
        rows, tag, _ = await self._connection._protocol.bind_execute(state, args, "", limit, True, timeout)
        call.keep(tag)
        return rows


async def first(rows: Coroutine[Any, Any, Any], column: int | str | None) -> Any:
    """Return the first row, or its value in a column; None if there is no row."""
    found = await rows
    if not found:
        return None
    return found[0] if column is None else found[0][column]


class AnnouncedTransaction(Transaction):
    """A transaction whose statements pass through Connection.execute, as asyncpg's do; what they do is the same."""

    __slots__ = ()

    async def start(self) -> None:
        is_outer = self._connection._top_transaction is None
        await self._announce(self._begin_text() if is_outer else self._savepoint_text(), super().start)

    async def _commit(self) -> None:
        text = "COMMIT" if self._outer is None else f'RELEASE SAVEPOINT "{self._name}"'
        await self._announce(text, super()._commit)

    async def _rollback(self, seconds: float | None) -> None:
        rollback = super()._rollback
        await self._announce(self._rollback_text(), lambda: rollback(seconds))

    async def _rollback_unattended(self) -> None:
        await self._announce(self._rollback_text(), super()._rollback_unattended)

    async def _announce(self, text: str, perform: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await through(text, lambda: self._connection.execute(f"{text};"), perform)


def observed_calls(connection: Any) -> Any:
    own = OWN_CALLS.__get__(connection)
    return own if own is RELEASED_CALLS else ObservedCalls(connection)


def announcing_calls(connection: Any) -> Any:
    """Only what is announced is to be found at the end of the way."""
    return observed_calls(connection) if is_in_hand() else OWN_CALLS.__get__(connection)


OBSERVED = property(observed_calls, OWN_CALLS.__set__)
ANNOUNCING = property(announcing_calls, OWN_CALLS.__set__)


async def open_bound(self: Any) -> Any:
    """CursorFactory._open that also says Protocol.bind."""
    opened = await OPEN(self)
    portal: Any = opened._portal
    state, protocol = StatementState(portal.query, None, None, portal.statement), self._connection._protocol
    await through(portal.query, lambda: protocol.bind(state, portal._args, "", self._timeout), nothing)
    return opened


async def nothing() -> None:
    """The portal is bound by its first fetch."""


def copy_out(self: Any, name: str, sql: str, output: Any, budget: Any) -> Any:
    return through(sql, lambda: self._protocol.copy_out(sql, output, budget.left()),
                   lambda: COPY_OUT(self, name, sql, output, budget))


def copy_in(self: Any, name: str, sql: str, source: Any, budget: Any) -> Any:
    return through(sql, lambda: self._protocol.copy_in(sql, source, None, None, None, budget.left()),
                   lambda: COPY_IN(self, name, sql, source, budget))


def copy_records(self: Any, sql: str, statement: Any, rows: Any, records: Any) -> Any:
    state = StatementState(statement.sql, None, None, statement)
    protocol = self.connection._protocol
    return through(sql, lambda: protocol.copy_in(sql, None, None, records, state, self.budget.left()),
                   lambda: COPY_RECORDS(self, sql, statement, rows, records))


OPEN, COPY_OUT, COPY_IN = cursor.CursorFactory._open, copy.Copying._copy_out, copy.Copying._copy_in
COPY_RECORDS = copy.RecordsCopy.attempt
# What only Protocol's methods see: where it stands, ours, and what goes by asyncpg's way.
WAYS_TO_PROTOCOL: tuple[tuple[Any, str, Any, Any], ...] = (
    (cursor.CursorFactory, "_open", OPEN, open_bound), (copy.Copying, "_copy_out", COPY_OUT, copy_out),
    (copy.Copying, "_copy_in", COPY_IN, copy_in), (copy.RecordsCopy, "attempt", COPY_RECORDS, copy_records))
EXECUTE = Connection.execute
PRIVATE = ("_execute", "_executemany")


def choose_ways() -> None:
    """Write into every class which way its calls take."""
    is_protocol_observed = any(getattr(Protocol, name) is not getattr(BaseProtocol, name) for name in METHODS)
    for owner, name, own, through_protocol in WAYS_TO_PROTOCOL:
        put(owner, name, through_protocol if is_protocol_observed else own)
    waiting: list[Any] = [Connection]
    while waiting:
        cls = waiting.pop()
        is_observed = is_protocol_observed or any(getattr(cls, name) is not HOMES[name] for name in PRIVATE)
        is_announcing = is_observed or cls.execute is not EXECUTE
        put(cls, "_calls", OBSERVED if is_observed else ANNOUNCING if is_announcing else OWN_CALLS)
        put(cls, "_transaction_class", AnnouncedTransaction if is_announcing else Transaction)
        waiting += cls.__subclasses__()
    pool_calls.choose_again()


def put(cls: Any, name: str, value: Any) -> None:
    """Set an attribute of a class, without telling its metaclass, unless it is there already."""
    if getattr(cls, name) is not value:
        type.__setattr__(cls, name, value)


HOMES: dict[str, Any] = {}


def watch() -> None:
    """Choose ways from now on whenever a class changes."""
    HOMES.update({name: getattr(Connection, name) for name in PRIVATE})
    patchable.listen(choose_ways)
