"""A result as batches of columns, one at a time: stream_arrow.

In a transaction the batches come from a portal of the server's, and other statements may run between them. Outside one
the query stays open in the extended protocol: it has the connection for itself until its last batch, or until nobody
wants more. Either way the server is asked for a batch when somebody waits for it, so no more than one is ever held.
"""
from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any

from asyncpg_core.cursor import Portal, row_count
from asyncpg_core.exceptions import QueryTimeout
from asyncpg_core.healing import heals
from asyncpg_core.statement_cache import CachedStatement
from pgproto.columns.plan import ColumnOptions
from pgproto.columns.result import ColumnBatch
from pgproto.columns.sink import ColumnSink, columnar_statement
from pgproto.errors import InterfaceError, PostgresError
from pgproto.operations.extended import Stream
from pgproto.statement import Statement

if TYPE_CHECKING:
    from asyncpg_core.connection import Connection
    from asyncpg_core.prepared_statement import PreparedStatement
    from asyncpg_core.session import Session

NO_BOUND = float("inf")


class ColumnStream:
    """The batches of a query for `async for`; made by `stream_arrow`.

    Whoever stops early need do nothing more; `aclose`, or `async with`, ends the query at a known place.
    """

    __slots__ = ("_args", "_batch_rows", "_batches", "_connection", "_entry", "_is_over", "_is_running", "_options",
                 "_prepared", "_query", "_session", "_source", "_timeout")

    def __init__(
        self, connection: Connection[Any], query: str, prepared: PreparedStatement[Any] | None, args: tuple[Any, ...],
        batch_rows: int, timeout: float | None, options: ColumnOptions,
    ) -> None:
        self._source: OpenQuery | OpenPortal | None = None
        self._connection = connection
        self._session = connection._session
        self._query = query
        self._prepared = prepared
        self._args = args
        self._batch_rows = row_count(batch_rows)
        self._timeout = timeout
        self._options = options
        self._batches: deque[ColumnBatch] = deque()
        self._entry: CachedStatement | None = None
        self._is_over = self._is_running = False

    def __aiter__(self) -> ColumnStream:
        return self

    async def __anext__(self) -> ColumnBatch:
        """Return the next batch: of `batch_rows` rows, but for the last one and where a column would be too long."""
        if self._is_running:
            raise InterfaceError("stream_arrow: the next batch is being waited for already")
        self._is_running = True
        try:
            while not self._batches:
                if self._is_over:
                    raise StopAsyncIteration
                await self._read()
        except Exception:
            self._is_over = True
            raise
        except BaseException:
            self._end()
            raise
        finally:
            self._is_running = False
        return self._batches.popleft()

    async def _read(self) -> None:
        connection = self._connection
        if connection._session is not self._session:
            raise InterfaceError("cannot read on: the connection has been released back to the pool")
        if self._source is None:
            if self._prepared is not None:
                self._prepared._check("stream_arrow")
            if connection.is_in_transaction():
                portal = Portal(connection, self._query, self._prepared, self._args, None)
                self._source = OpenPortal(portal, self._batch_rows, ColumnSink(self._options), self._timeout)
            else:
                self._source = self._open_query(await self._statement())
        self._batches.extend(await self._read_source())
        self._is_over = self._is_over or self._source.is_over

    async def _statement(self) -> Statement:
        """Return what is executed: the user's prepared statement, or one that is parsed with its execution."""
        if self._prepared is not None:
            statement = self._prepared._statement
            return statement.stand_in or statement
        self._entry = entry = await self._session.calls.describe("stream_arrow", self._query, self._timeout, "never")
        assert entry.statement is not None  # the value of a call that describes
        return entry.statement.without_name()

    def _open_query(self, statement: Statement) -> OpenQuery:
        return OpenQuery(
            self._session, statement, self._args, self._batch_rows, ColumnSink(self._options), self._timeout)

    async def _read_source(self) -> list[ColumnBatch]:
        source = self._source
        try:
            return await source.read()  # type: ignore[union-attr]  # it is open
        except PostgresError as error:
            if not isinstance(source, OpenQuery) or source.op.was_bound or not heals(
                    error, is_named=not source.op.with_parse, is_explicit=self._prepared is not None):
                raise
            # Once more, by a new description, or by the same one where only the name is not known.
            statements = self._session.statements
            if self._entry is not None:
                statements.forget(self._entry)
            elif self._prepared is not None:
                statements.lose_own_name(
                    self._prepared._statement, error.sqlstate or "", self._session.frontend.n_deallocations)
        self._source = again = self._open_query(await self._statement())
        return await again.read()

    def _end(self) -> None:
        self._is_over = True
        self._batches.clear()
        if self._source is not None:
            self._source.end()

    async def aclose(self) -> None:
        """End the query, whether or not all of it was read."""
        self._end()

    async def __aenter__(self) -> ColumnStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def __del__(self) -> None:
        source = getattr(self, "_source", None)
        if source is not None and not source.is_over and not self._session.is_closed:
            loop = self._session.loop
            if asyncio._get_running_loop() is loop:
                source.end()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(source.end)


class OpenPortal:
    """A portal whose rows come as columns."""

    __slots__ = ("batch_rows", "portal", "sink", "timeout")

    def __init__(self, portal: Portal, batch_rows: int, sink: ColumnSink, timeout: float | None) -> None:
        self.portal = portal
        self.batch_rows = batch_rows
        self.sink = sink
        self.timeout = timeout

    @property
    def is_over(self) -> bool:
        return self.portal.is_exhausted

    async def read(self) -> list[ColumnBatch]:
        self.portal.check("stream_arrow")
        return await self.portal.fetch_into(self.sink, self.batch_rows, self.timeout, columnar_statement)

    def end(self) -> None:
        """Let the server forget the portal."""
        self.portal.forget()


class OpenQuery:
    """A query that has the connection for itself, from its first batch on. Its call hears here what becomes of it."""

    __slots__ = ("call", "is_over", "is_timed_out", "op", "seconds", "session", "task", "waiter")

    def __init__(
        self, session: Session, statement: Statement, args: tuple[Any, ...], batch_rows: int, sink: ColumnSink,
        timeout: float | None,
    ) -> None:
        self.session = session
        self.seconds = session.calls.seconds(timeout)
        self.op = Stream(columnar_statement(statement), args, sink, batch=batch_rows, with_parse=not statement.name)
        # The whole of it has no bound: the caller's own work lies between two batches.
        self.call: Any = session.calls.copy("stream_arrow", self.op, NO_BOUND, self)
        self.task: asyncio.Task[Any] | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.is_over = self.is_timed_out = False

    async def read(self) -> list[ColumnBatch]:
        """Ask for the next batch and wait for it."""
        self.task = asyncio.current_task()
        if self.seconds < 0:
            self.end()
            raise QueryTimeout("the time of stream_arrow was over before it began")
        if self.op.is_written:
            self.op.go_on(self.session.frontend.out)
            self.session.go_on()
        else:
            self.call.add_done_callback(self.on_done)
        timer = self.session.loop.call_later(self.seconds, self.on_timeout) if self.seconds else None
        try:
            await self.news()
        finally:
            if timer is not None:
                timer.cancel()
        if self.is_timed_out:
            raise QueryTimeout(f"stream_arrow: no batch within {self.seconds:g} s")
        if self.call.done():
            self.is_over = True
            self.call.result()
        return self.op.take_rows()

    async def news(self) -> None:
        """Wait until a batch is whole or the query is over."""
        while not self.op.is_full and not self.call.done():
            self.waiter = self.session.loop.create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def on_timeout(self) -> None:
        self.is_timed_out = True
        self.end()
        self.wake()

    def end(self) -> None:
        """Ask for no more. Between two batches that is a Sync; a batch that is under way is cancelled."""
        self.is_over = True
        if self.call.done():
            return
        if self.op.is_full:
            self.op.finish(self.session.frontend.out)
            self.session.go_on()
        else:
            self.call.cancel()

    # What the session says

    def __call__(self, op: Stream) -> None:
        """The value of the call."""

    def on_ready(self, session: Session, op: Stream) -> None:
        """A batch is whole."""
        self.wake()

    def on_flow(self) -> None:
        """Bytes have come or have left."""

    def on_done(self, call: Any) -> None:
        if not call.cancelled():
            call.exception()    # Whoever has stopped reading does not want to know.
        self.wake()

    def give_up(self, session: Session, op: Stream) -> None:
        """Nobody waits any more: what comes is thrown away until the server has ended the query."""
        op.finish(session.frontend.out)
        session.loop.call_soon(session.go_on)

    def refuse_own_task(self) -> None:
        """Refuse a call by the task that reads: it would wait for itself."""
        if not self.is_over and self.task is not None and self.task is asyncio.current_task():
            raise InterfaceError("a stream is open on this connection: read it to its end, close it, use it inside of "
                                 "a transaction, or use another connection")
