"""Cursors: the rows of a query a few at a time, inside a transaction.

A cursor is a portal of the server. Its first fetch binds it, with whatever the transaction still owes in front, so a
cursor costs no round trip of its own; later fetches go on where the last one ended, with anything in between. What the
portal is bound to is parsed with the Bind: a portal outlives the name of its statement, so it needs none. A portal
goes forward only and is gone when its transaction ends; one that has given its last row is closed at once.
"""
from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncpg_core import naming
from asyncpg_core.statement_cache import CachedStatement, new_name
from pgproto.errors import InterfaceError, NoActiveSQLTransactionError, PostgresError
from pgproto.operations.extended import Close, FetchPortal
from pgproto.record import Record
from pgproto.row_sinks import RawRows, Records, RowSink

if TYPE_CHECKING:
    from asyncpg_core.connection import Connection
    from asyncpg_core.prepared_statement import PreparedStatement
    from pgproto.statement import Statement

RecordT = TypeVar("RecordT", bound=Record, covariant=True)
DEFAULT_PREFETCH = 50
# The protocol counts rows in 32 bits.
ROWS_MAX = 0x7FFFFFFF


def row_count(n: int) -> int:
    """Return how many rows to ask for; InterfaceError unless it is positive."""
    n = operator.index(n)
    if n <= 0:
        raise InterfaceError(f"n must be greater than zero, {n} was passed")
    return min(n, ROWS_MAX)


class CursorFactory(Generic[RecordT]):
    """What `cursor()` returns: iterate it with `async for`, or await it for a Cursor."""

    __slots__ = ("_args", "_connection", "_prefetch", "_prepared", "_query", "_record_class", "_timeout")

    def __init__(
        self, connection: Connection[Any], query: str, prepared: PreparedStatement[Any] | None, args: tuple[Any, ...],
        prefetch: int | None, timeout: float | None, record_class: Any,
    ) -> None:
        self._connection = connection
        self._query = query
        self._prepared = prepared
        self._args = args
        self._prefetch = prefetch
        self._timeout = timeout
        self._record_class = record_class

    def __aiter__(self) -> CursorIterator[RecordT]:
        prefetch = DEFAULT_PREFETCH if self._prefetch is None else operator.index(self._prefetch)
        if prefetch <= 0:
            raise InterfaceError(f"prefetch argument must be greater than zero, {prefetch} was passed")
        return CursorIterator(self._new_portal(), min(prefetch, ROWS_MAX), self._timeout)

    def __await__(self) -> Generator[Any, Any, Cursor[RecordT]]:
        return self._open().__await__()

    async def _open(self) -> Cursor[RecordT]:
        if self._prefetch is not None:
            raise InterfaceError("prefetch argument can only be specified for iterable cursor")
        portal = self._new_portal()
        await portal.prepare(self._timeout)
        return Cursor(portal)

    def _new_portal(self) -> Portal:
        return Portal(self._connection, self._query, self._prepared, self._args, self._record_class)


class Portal:
    """The server's side of a cursor, bound by its first use."""

    __slots__ = (
        "_args", "_bound", "_connection", "_entry", "_name", "_prepared", "_record_class", "_session", "is_exhausted",
        "query", "statement",
    )

    def __init__(
        self, connection: Connection[Any], query: str, prepared: PreparedStatement[Any] | None, args: tuple[Any, ...],
        record_class: Any,
    ) -> None:
        self._connection = connection
        self._session = connection._session
        self._prepared = prepared
        self._args = args
        self._record_class = record_class
        self._name: str | None = None
        self._entry: CachedStatement | None = None
        self._bound: Statement | None = None
        # What the portal is, or will be, bound to.
        self.statement: Statement | None = None
        self.query = query
        self.is_exhausted = False

    def check(self, call: str) -> None:
        """Refuse a use after the connection's or the transaction's end."""
        if self._connection._session is not self._session:
            raise InterfaceError(f"cannot call {call}(): the underlying connection has been released back to the pool")
        if self._session.is_closed:
            raise InterfaceError(f"cannot call {call}(): the underlying connection is closed")
        if self._prepared is not None and self._prepared._statement.is_closed:
            raise InterfaceError(f"cannot call {call}(): the prepared statement is closed")
        if not self._connection.is_in_transaction():
            raise NoActiveSQLTransactionError(
                "cursor cannot be created outside of a transaction" if self._name is None else
                "cursor cannot be used outside of a transaction: it ended with the one that it was created in")

    async def prepare(self, timeout: float | None) -> Statement:
        """Return the cursor's statement, described if it is not yet."""
        self.check("Connection.cursor")
        if self._prepared is not None:
            statement = self._prepared._statement
            self.statement = statement.stand_in or statement
        elif self.statement is None:
            self._entry = await self._session.calls.describe("cursor", self.query, timeout, "never")
            assert self._entry.statement is not None    # the value of a call that describes
            self.statement = self._entry.statement.without_name()
        return self.statement

    async def fetch(self, n: int, timeout: float | None) -> list[Any]:
        """Return the next `n` rows, fewer only at the end."""
        return await self._run(n, timeout, Records(self._record_class or self._session.calls.record_class))

    async def fetch_into(
        self, sink: RowSink, n: int, timeout: float | None, read_as: Callable[[Statement], Statement]
    ) -> list[Any]:
        """Return what a sink makes of the next `n` rows of the statement that `read_as` gives."""
        return await self._run(n, timeout, sink, read_as)

    def forget(self) -> None:
        """Let the server forget the portal; nothing more can be fetched."""
        if not self.is_exhausted:
            self._exhaust()

    async def _run(self, n: int, timeout: float | None, sink: RowSink,
                   read_as: Callable[[Statement], Statement] | None = None) -> list[Any]:
        statement = await self.prepare(timeout)
        if read_as is not None:
            statement = read_as(statement)
        if self._name is not None:
            op = FetchPortal(self._bound or statement, self._name, sink, row_limit=n)
            return self._end(await self._connection._calls.run("fetch", op, timeout))
        # A binding that fails may have left a portal behind, so each has its own name. Who fetches at the same time
        # finds the portal bound, because operations are executed in the order in which they started.
        self._name = name = new_name()
        op = FetchPortal(statement, name, sink, row_limit=n, arguments=self._args, with_parse=not statement.name)
        try:
            # It may be another one in the end: what is lost of a name is parsed again.
            op = await self._connection._calls.run("fetch", op, timeout)
            rows = self._end(op)
        except BaseException as error:
            self._name = None
            if self._entry is not None and isinstance(error, PostgresError) and not op.was_bound:
                # The next cursor need not fail for the same reason.
                self._session.statements.forget(self._entry)
            raise
        # What was parsed together with its execution may have been described anew.
        self._bound = op.statement
        return rows

    def _end(self, op: FetchPortal) -> list[Any]:
        if not op.is_suspended:
            self._exhaust()
        return op.take_rows()

    def _exhaust(self) -> None:
        """There are no more rows: let the server forget the portal; nobody waits for that."""
        self.is_exhausted = True
        if self._name is not None and not self._session.is_closed:
            call = self._session.calls.run("close", Close(self._name, is_portal=True), float("inf"))
            # If it fails the connection is lost, and the next call says so.
            call.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def forward(self, n: int, timeout: float | None) -> int:
        """Skip up to `n` rows and return how many there were."""
        skipped = 0
        if self._name is None:
            # MOVE needs a portal, and what binds a portal executes it: one row comes and is dropped.
            skipped = len(await self._run(1, timeout, RawRows()))
        if self.is_exhausted or skipped == n:
            return skipped
        self.check("Cursor.forward")
        tag = await self._connection._calls.execute(f'MOVE FORWARD {n - skipped} "{self._name}"', (), timeout)
        n_moved = int(tag.rpartition(" ")[2])
        if n_moved < n - skipped:
            self._exhaust()
        return skipped + n_moved


class BaseCursor:
    """What both kinds of cursor have. All fetching goes through `_bind_exec` and `_exec`, which tracers replace."""

    __slots__ = ("_portal",)

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def __repr__(self) -> str:
        state = "exhausted " if self._portal.is_exhausted else ""
        return f'<{naming.package}.{type(self).__name__} "{self._portal.query[:30]}" {state}{id(self):#x}>'

    @property
    def _connection(self) -> Connection[Any]:
        return self._portal._connection

    @property
    def _query(self) -> str:
        return self._portal.query

    @property
    def _args(self) -> tuple[Any, ...]:
        return self._portal._args

    def _bind_exec(self, n: int, timeout: float | None) -> Coroutine[Any, Any, list[Any]]:
        """Bind the cursor and fetch its first `n` rows."""
        return self._portal.fetch(n, timeout)

    def _exec(self, n: int, timeout: float | None) -> Coroutine[Any, Any, list[Any]]:
        """Fetch the next `n` rows; the first time that binds the cursor too."""
        return self._portal.fetch(n, timeout)


class CursorIterator(BaseCursor, Generic[RecordT]):
    """The rows of a query for `async for`, fetched `prefetch` at a time."""

    __slots__ = ("_prefetch", "_rows", "_timeout")

    def __init__(self, portal: Portal, prefetch: int, timeout: float | None) -> None:
        super().__init__(portal)
        self._prefetch = prefetch
        self._timeout = timeout
        self._rows: deque[RecordT] = deque()

    def __aiter__(self) -> CursorIterator[RecordT]:
        return self

    async def __anext__(self) -> RecordT:
        if not self._rows:
            portal = self._portal
            if not portal.is_exhausted:
                fetch = self._bind_exec if portal._name is None else self._exec
                self._rows.extend(await fetch(self._prefetch, self._timeout))
            if not self._rows:
                raise StopAsyncIteration
        return self._rows.popleft()


class Cursor(BaseCursor, Generic[RecordT]):
    """A cursor to fetch from and to move by hand. Once there are no more rows, it says so without asking the server."""

    __slots__ = ()

    async def fetch(self, n: int, *, timeout: float | None = None) -> list[RecordT]:
        """Return the next `n` rows as a list of records, fewer at the end."""
        n = row_count(n)
        self._portal.check("Cursor.fetch")
        return [] if self._portal.is_exhausted else await self._exec(n, timeout)

    async def fetchrow(self, *, timeout: float | None = None) -> RecordT | None:
        """Return the next row, None at the end."""
        self._portal.check("Cursor.fetchrow")
        rows = [] if self._portal.is_exhausted else await self._exec(1, timeout)
        return rows[0] if rows else None

    async def forward(self, n: int, *, timeout: float | None = None) -> int:
        """Skip the next `n` rows; return how many there were."""
        n = row_count(n)
        self._portal.check("Cursor.forward")
        return 0 if self._portal.is_exhausted else await self._portal.forward(n, timeout)
