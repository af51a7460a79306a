"""The rows of a query or a table for `async for`, as records, out of COPY TO STDOUT in the binary format.

COPY tells no types: the query is described as any statement is, and once more in the same flight as the COPY, as
copy_records_to_table does; if the two differ, nothing is decoded and it begins anew. What came of the rows is decoded a
chunk at a time; while its rows are used, about as much again is read.
"""
from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncpg_core import copy_statement
from asyncpg_core.call_maker import refuse_unfit
from asyncpg_core.copy_arguments import Budget, filled_in
from asyncpg_core.copy_turn import CopyTurn, explain
from pgproto.copy_reader import RowReader
from pgproto.errors import InterfaceError, InvalidCachedStatementError, ProtocolError
from pgproto.operations.copy import CopyOut
from pgproto.operations.extended import Prepare
from pgproto.record import Record

if TYPE_CHECKING:
    from typing_extensions import Self

    from asyncpg_core.call import Call
    from asyncpg_core.statement_cache import CachedStatement

RecordT = TypeVar("RecordT", bound=Record, covariant=True)
# What is decoded at once: the loop waits for it, about 2 ms (2 vCPU).
CHUNK = 131072


class CopyRows(Generic[RecordT]):
    """The rows, once: `async for`, in an `async with` if the loop may be left early.

    Left early, the COPY is cancelled, or inside a transaction, which a cancel would fail, read to its end and thrown
    away. A loop that is left without `async with` or `aclose()` does that as soon as nobody holds this object.
    """

    __slots__ = ("_args", "_budget", "_connection", "_entry", "_is_open", "_is_over", "_is_reading", "_query",
                 "_reader", "_record_class", "_rows", "_tag", "_timeout", "_turn")

    def __init__(self, connection: Any, query: str | None, args: tuple[Any, ...], record_class: Any,
                 timeout: float | None) -> None:
        self._is_open = False       # a COPY has begun and is not over
        if record_class is not None and record_class is not Record:
            refuse_unfit(record_class)
        self._connection = connection
        self._query: Any = query
        self._args = args
        self._record_class = record_class
        self._timeout = timeout
        # The next one is the last.
        self._rows: list[RecordT] = []
        self._is_over = False
        self._is_reading = False
        self._tag: str | None = None
        self._turn: Any = None

    @property
    def tag(self) -> str | None:
        """The server's tag, `COPY 5`, once all rows have come."""
        return self._tag

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordT:
        if not self._rows:
            await self._read()
        return self._rows.pop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End it: there are no more rows, and the connection is free for others when the server has stopped."""
        turn = self._turn
        self._rows.clear()
        self._is_over = True
        if not self._is_open:
            return
        self._is_open = False
        leave(self._connection, turn)
        try:
            await turn.until_done()
        except BaseException:
            turn.call.cancel()
            raise

    def __del__(self) -> None:
        if self._is_open and not self._turn.call.done() and not self._turn.call.get_loop().is_closed():
            self._turn.reader_task = None
            # The collector may come from another thread, or in the middle of anything.
            self._turn.call.get_loop().call_soon_threadsafe(leave, self._connection, self._turn)

    async def _read(self) -> None:
        """Wait for rows; StopAsyncIteration when there are no more."""
        if self._is_over:
            raise StopAsyncIteration
        if self._is_reading:
            raise InterfaceError("another task waits for the next row")
        self._is_reading = True
        try:
            if self._turn is None:
                self._budget = Budget(self._connection._session, self._timeout)
                await self._begin(is_retried=False)
            self._turn.reader_task = None
            await self._fill()
            self._turn.reader_task = asyncio.current_task()
        except BaseException:
            self._is_open = False
            self._is_over = True
            raise
        finally:
            self._is_reading = False

    async def _begin(self, *, is_retried: bool) -> None:
        """Start the COPY of what the query is known to give."""
        calls = self._connection._session.calls
        query = self._query
        if self._args:
            query = await filled_in(self._connection, query, self._args, self._budget)
        self._entry: CachedStatement = await calls.describe("copy_rows", self._query, self._budget.left())
        statement: Any = self._entry.statement
        if not statement.has_rows:
            raise InterfaceError("copy_rows() needs a query that gives rows")
        self._reader = RowReader(
            statement, self._record_class or calls.record_class,
            encoding=self._connection._session.frontend.encoding)
        sql = copy_statement.copy_out_of(copy_statement.in_brackets(query), {"format": "binary"})
        op = CopyOut(sql, high_water=CHUNK)
        turn = self._turn = CopyTurn(op)
        again: Call[Prepare] = calls.run("copy_rows", Prepare(self._query), self._budget.left())
        again.add_done_callback(lambda call: call.cancelled() or call.exception())
        turn.start(calls.copy("copy_rows", op, self._budget.left(), turn))
        self._is_open = True
        try:
            while not op.n_bytes and not turn.call.done():
                await turn.wait()
            if again.done():
                # In a transaction what follows its error says only that there was one.
                again.result()
            turn.raise_failure()
            is_as_described = statement.matches(again.result().columns or ())
        except BaseException as error:
            again.cancel()
            explain(error, sql)
            await turn.give_up_for(error)
            raise
        if not is_as_described:
            await self._begin_anew(is_retried)

    async def _begin_anew(self, is_retried: bool) -> None:
        """What the query gives has changed since it was described."""
        changed = InvalidCachedStatementError("the columns of the query have changed since they were described; call "
                                              "again outside of the transaction")
        await self._turn.give_up_for(changed)
        self._connection._session.statements.forget(self._entry)
        if is_retried or self._connection.is_in_transaction():
            raise changed
        await self._begin(is_retried=True)

    async def _fill(self) -> None:
        turn = self._turn
        try:
            while not self._rows:
                is_over = turn.call.done()
                chunk = await turn.take()
                if chunk:
                    # What comes while the rows are used is kept, up to as much again.
                    turn.go_on()
                    self._rows = self._reader.read(chunk)
                    self._rows.reverse()
                elif is_over:
                    self._end()
                else:
                    await turn.wait()
        except StopAsyncIteration:
            raise
        except BaseException as error:
            explain(error, turn.op.sql)
            await turn.give_up_for(error)
            if isinstance(error, ProtocolError):
                self._connection.terminate()
            raise

    def _end(self) -> None:
        self._reader.end()
        self._tag = self._turn.call.result()
        raise StopAsyncIteration


def leave(connection: Any, turn: CopyTurn) -> None:
    """Nobody wants the rest of the rows."""
    turn.reader_task = None
    if turn.call.done():
        return
    if connection.is_in_transaction():
        turn.op.discard()   # type: ignore[union-attr]  # it is a CopyOut
        turn.go_on()
    else:
        turn.call.cancel()
