"""COPY: the methods of a connection that move data in bulk, in both directions.

A COPY is a simple Query that has the connection for itself until the server has answered it; what is called meanwhile
waits for its turn. Memory is bounded both ways: a slow sink stops the reading, a slow server the source. Whatever fails
in the middle, be it the source, the sink, a value, the time or the caller, the connection stays usable.
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from asyncpg_core import copy_statement
from asyncpg_core.copy_arguments import Budget, filled_in
from asyncpg_core.copy_ends import READ_SIZE, Output, Source, sink_of, source_of, view_of
from asyncpg_core.copy_rows import CopyRows
from asyncpg_core.copy_turn import CopyTurn, explain
from asyncpg_core.server_version import capabilities
from pgproto.arrow_in.stream import ArrowSource
from pgproto.arrow_in.writer import ArrowWriter
from pgproto.copy_rows import RowWriter
from pgproto.errors import InterfaceError, InvalidCachedStatementError, UnsupportedServerFeatureError
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Prepare

if TYPE_CHECKING:
    from asyncpg_core.call_maker import CallMaker
    from asyncpg_core.server_version import ServerVersion
    from asyncpg_core.session import Session
    from pgproto.codecs.codec import Codec
    from pgproto.encodings import Encoding
    from pgproto.statement import Statement

    Rows = RowWriter | ArrowWriter

    class NewRows(Protocol):
        """What makes the encoder of rows for columns of these names and types."""

        def __call__(
            self, names: tuple[str, ...], codecs: tuple[Codec, ...], *, encoding: Encoding | None
        ) -> Rows: ...


END = object()


class Copying:
    """The COPY methods of a connection.

    The options are those of the server's COPY; None leaves one out. `timeout` is in seconds and for the whole of it.
    The value is the tag, `COPY 5`.

    https://www.postgresql.org/docs/current/sql-copy.html
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _session: Session

        def _check_open(self) -> None: ...
        def is_in_transaction(self) -> bool: ...
        def get_server_version(self) -> ServerVersion: ...

    async def copy_from_table(
        self, table_name: str, *, output: Output, columns: Iterable[str] | None = None, schema_name: str | None = None,
        timeout: float | None = None, format: str | None = None, oids: bool | None = None,
        delimiter: str | None = None, null: str | None = None, header: bool | str | None = None,
        quote: str | None = None, escape: str | None = None, force_quote: bool | Iterable[str] | None = None,
        encoding: str | None = None,
    ) -> str:
        """Copy a table into `output`: a path, a file object, or a callable that takes bytes and may be `async`."""
        self._check_open()
        table = copy_statement.target(table_name, schema_name, columns)
        sql = copy_statement.copy_out_of(table, {
            "format": format, "oids": oids, "delimiter": delimiter, "null": null, "header": header, "quote": quote,
            "escape": escape, "force_quote": force_quote, "encoding": encoding})
        return await self._copy_out("copy_from_table", sql, output, Budget(self._session, timeout))

    async def copy_from_query(
        self, query: str, *args: Any, output: Output, timeout: float | None = None, format: str | None = None,
        oids: bool | None = None, delimiter: str | None = None, null: str | None = None,
        header: bool | str | None = None, quote: str | None = None, escape: str | None = None,
        force_quote: bool | Iterable[str] | None = None, encoding: str | None = None,
    ) -> str:
        """Copy the rows of a query into `output`, as copy_from_table.

        COPY takes no arguments: the server itself makes literals of `args`, which are put in the place of $1, $2, ..
        """
        self._check_open()
        budget = Budget(self._session, timeout)
        if args:
            query = await filled_in(self, query, args, budget)
        sql = copy_statement.copy_out_of(copy_statement.in_brackets(query), {
            "format": format, "oids": oids, "delimiter": delimiter, "null": null, "header": header, "quote": quote,
            "escape": escape, "force_quote": force_quote, "encoding": encoding})
        return await self._copy_out("copy_from_query", sql, output, budget)

    def copy_rows(
        self, query: str | None = None, *args: Any, table_name: str | None = None,
        columns: Iterable[str] | None = None, schema_name: str | None = None, record_class: Any = None,
        timeout: float | None = None,
    ) -> CopyRows[Any]:
        """Return the rows of a query, or of a table, for `async for`: records as fetch gives them, by COPY.

        The rows come while they are used, a few hundred kilobytes at a time. `args` as copy_from_query. Leave early
        through `async with` or `aclose()`.
        """
        self._check_open()
        if (query is None) == (table_name is None):
            raise InterfaceError("copy_rows() takes either a query or a table_name")
        if query is not None and (columns is not None or schema_name is not None):
            raise InterfaceError("columns and schema_name belong to a table_name: a query has its own")
        if table_name is not None:
            table = copy_statement.target(table_name, schema_name, None)
            query = copy_statement.columns_of(table, None if columns is None else tuple(columns))
        return CopyRows(self, query, args, record_class, timeout)

    async def copy_to_table(
        self, table_name: str, *, source: Source, columns: Iterable[str] | None = None, schema_name: str | None = None,
        timeout: float | None = None, format: str | None = None, oids: bool | None = None, freeze: bool | None = None,
        delimiter: str | None = None, null: str | None = None, header: bool | str | None = None,
        quote: str | None = None, escape: str | None = None, force_quote: bool | Iterable[str] | None = None,
        force_not_null: bool | Iterable[str] | None = None, force_null: bool | Iterable[str] | None = None,
        encoding: str | None = None, where: str | None = None,
    ) -> str:
        """Copy `source` into a table: a path (str or path-like), a file object, bytes, or an iterable or async iterable
        of bytes. `where` is SQL and written as it is."""
        self._check_open()
        self._check_where(where)
        sql = copy_statement.copy_into(copy_statement.target(table_name, schema_name, columns), {
            "format": format, "oids": oids, "freeze": freeze, "delimiter": delimiter, "null": null, "header": header,
            "quote": quote, "escape": escape, "force_quote": force_quote, "force_not_null": force_not_null,
            "force_null": force_null, "encoding": encoding}, where)
        return await self._copy_in("copy_to_table", sql, source, Budget(self._session, timeout))

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
        columns: Iterable[str] | None = None, schema_name: str | None = None, timeout: float | None = None,
        where: str | None = None,
    ) -> str:
        """Copy tuples or other sequences, from an iterable or async iterable, into a table.

        Each has as many values as there are columns. A value that cannot be encoded is a DataError that names record
        and column. Columns that are generated have to be left out by `columns`.
        """
        self._check_open()
        self._check_where(where)
        columns = None if columns is None else tuple(columns)
        table = copy_statement.target(table_name, schema_name, None)
        writing = RecordsCopy(
            self, copy_statement.columns_of(table, columns),
            copy_statement.target(table_name, schema_name, columns), where, Budget(self._session, timeout),
            "copy_records_to_table", RowWriter)
        return await writing.run(records)

    async def copy_arrow_to_table(
        self, table_name: str, data: Any, *, columns: Iterable[str] | None = None, schema_name: str | None = None,
        timeout: float | None = None, where: str | None = None,
    ) -> str:
        """Copy Arrow data into a table: any object with `__arrow_c_stream__` or `__arrow_c_array__`.

        Its columns go to those of the same names, or to `columns` in that order; the others have their defaults. Types
        that do not fit are a DataError before the COPY begins, a value that does not fit is one that names row and
        column. The data are read in the loop's thread, a batch at a time.
        """
        self._check_open()
        self._check_where(where)
        source = ArrowSource(data)
        try:
            columns = arrow_columns(source, columns)
            return await RecordsCopy(
                self, copy_statement.columns_of(copy_statement.target(table_name, schema_name, None), columns),
                copy_statement.target(table_name, schema_name, columns), where, Budget(self._session, timeout),
                "copy_arrow_to_table", partial(ArrowWriter, source)).run(source)
        finally:
            source.close()

    def _copy_out(self, name: str, sql: str, output: Output, budget: Budget) -> Coroutine[Any, Any, str]:
        return copy_out(self._session, name, sql, output, budget)

    def _copy_in(self, name: str, sql: str, source: Source, budget: Budget) -> Coroutine[Any, Any, str]:
        return copy_in(self._session, name, sql, source, budget)

    def _check_where(self, where: str | None) -> None:
        parameters = self._session.frontend.parameters
        if where is not None and not capabilities(self.get_server_version(), parameters).sql_copy_from_where:
            raise UnsupportedServerFeatureError("the `where` parameter requires PostgreSQL 12 or later")


def arrow_columns(source: ArrowSource, columns: Iterable[str] | None) -> tuple[str, ...]:
    """Return the table's columns that Arrow data go to: those that are given, or those of the same names."""
    names = tuple([field.name for field in source.schema.children])
    if not names:
        raise InterfaceError("the Arrow data have no columns")
    if columns is not None:
        columns = tuple(columns)
        if len(columns) != len(names):
            raise InterfaceError(f"the Arrow data have {len(names)} columns, `columns` names {len(columns)}")
        return columns
    if "" in names or len(set(names)) < len(names):
        raise InterfaceError(f"the columns of the Arrow data have no names of their own ({', '.join(names)}): "
                             "say by `columns` where they go")
    return names


async def copy_out(session: Session, name: str, sql: str, output: Output, budget: Budget) -> str:
    """Run a COPY TO STDOUT into `output` and return its tag."""
    async with sink_of(output) as sink:
        op = CopyOut(sql)
        turn = CopyTurn(op)
        turn.start(session.calls.copy(name, op, budget.left(), turn))
        try:
            while True:
                is_over = turn.call.done()
                chunk = await turn.take()
                if is_over and not chunk:
                    return turn.call.result()  # type: ignore[no-any-return]
                if chunk:
                    # What comes while the sink works is kept, up to as much again.
                    turn.go_on()
                    await turn.outside(sink(chunk))
                else:
                    await turn.wait()
        except BaseException as error:
            explain(error, sql)
            await turn.give_up_for(error)
            raise


async def copy_in(session: Session, name: str, sql: str, source: Source, budget: Budget) -> str:
    """Run a COPY FROM STDIN from `source` and return its tag."""
    async with source_of(source) as chunks:
        op = CopyIn(sql)
        turn = CopyTurn(op)
        turn.start(session.calls.copy(name, op, budget.left(), turn))
        try:
            await begin_in(turn, op)
            while (chunk := await turn.outside(next_of(chunks))) is not END:
                view = view_of(chunk)
                for at in range(0, len(view), READ_SIZE):
                    await still_wanted(turn, op)
                    op.put_data(turn.session.frontend.out, view[at:at + READ_SIZE])  # type: ignore[union-attr]
                    await sent(turn)
            return await end_in(turn, op)
        except BaseException as error:
            explain(error, sql)
            await turn.give_up_for(error)
            raise


async def next_of(chunks: Any) -> Any:
    """Return the next chunk, END when there are no more."""
    return await anext(chunks, END)


async def begin_in(turn: CopyTurn, op: CopyIn) -> None:
    """Wait until the server wants data; from then on its errors are read as they come."""
    while not op.wants_data:
        turn.raise_failure()
        await turn.wait()
    op.start()
    turn.go_on()


async def still_wanted(turn: CopyTurn, op: CopyIn) -> None:
    """Go on if the server still wants data; if it has refused what it got, that is raised when it is all told."""
    if not op.wants_data:
        await turn.until_done()
    turn.raise_failure()


async def sent(turn: CopyTurn) -> None:
    """Send what was put, and wait while the server does not keep up. Others get their turn in any case."""
    turn.go_on()
    session = turn.session
    if session is None or not session.transport.is_congested:
        await asyncio.sleep(0)
    while session is not None and session.transport.is_congested and not turn.call.done():
        await turn.wait()
    turn.raise_failure()


async def end_in(turn: CopyTurn, op: CopyIn) -> str:
    """Say that there is no more data, and return the tag."""
    turn.raise_failure()
    op.put_done(turn.session.frontend.out)  # type: ignore[union-attr]  # the server wanted data
    turn.go_on()
    await turn.until_done()
    return turn.call.result()  # type: ignore[no-any-return]


class RecordsCopy:
    """A COPY of values that are encoded here: Python's, or those in Arrow's buffers.

    The types of the columns are described once and kept as any statement's description is. As the table may have
    changed since, it is described again in the same flight as the COPY; if the types are others now, nothing is sent
    and the COPY begins anew, which inside a transaction it cannot.
    """

    __slots__ = ("budget", "connection", "name", "new_rows", "select", "table", "where")

    def __init__(
        self, connection: Copying, select: str, table: str, where: str | None, budget: Budget, name: str,
        new_rows: NewRows,
    ) -> None:
        self.name = name
        self.new_rows = new_rows
        self.connection = connection
        self.select = select
        self.table = table
        self.where = where
        self.budget = budget

    @property
    def calls(self) -> CallMaker:
        """The session's: another one when what had begun on the first has moved."""
        return self.connection._session.calls

    async def run(self, records: Any) -> str:
        is_retried = False
        while True:
            entry = await self.calls.describe(self.name, self.select, self.budget.left())
            statement: Any = entry.statement
            rows = self.new_rows(tuple([column.name for column in statement.columns]), statement.column_codecs,
                                 encoding=self.connection._session.frontend.encoding)
            sql = copy_statement.copy_into(self.table, {"format": rows.format}, self.where)
            tag = await self.attempt(sql, statement, rows, records)
            if tag is not None:
                return tag
            self.connection._session.statements.forget(entry)
            if is_retried or self.connection.is_in_transaction():
                raise InvalidCachedStatementError(
                    f"the columns of {self.table} have changed since they were described; call again outside of the "
                    "transaction")
            is_retried = True

    async def attempt(self, sql: str, statement: Statement, rows: Rows, records: Any) -> str | None:
        """Return the tag, None if the table has changed since it was described."""
        op = CopyIn(sql)
        turn = CopyTurn(op)
        again = self.calls.run(self.name, Prepare(self.select), self.budget.left())
        again.add_done_callback(lambda call: call.cancelled() or call.exception())
        turn.start(self.calls.copy(self.name, op, self.budget.left(), turn))
        try:
            await begin_in(turn, op)
            if not statement.matches(again.result().columns or ()):
                await turn.give_up_for(InterfaceError("the columns have changed"))
                return None
            if len(op.formats or ()) != rows.n_columns:
                raise InterfaceError(
                    f"COPY takes {len(op.formats or ())} columns of {self.table}, which has {rows.n_columns}: leave "
                    "out those that are generated, by `columns`")
            await put_records(turn, op, rows, records)
            return await end_in(turn, op)
        except BaseException as error:
            again.cancel()
            explain(error, sql)
            await turn.give_up_for(error)
            raise


async def put_records(turn: CopyTurn, op: CopyIn, rows: Rows, records: Any) -> None:
    """Put all records, a chunk at a time."""
    if hasattr(records, "__aiter__"):
        iterator = records.__aiter__()
        while await turn.outside(fill_from(iterator, rows)):
            await move_rows(turn, op, rows)
    else:
        iterator = records if isinstance(records, ArrowSource) else iter(records)
        while fill_inside(turn, rows, iterator):
            await move_rows(turn, op, rows)
    rows.end()
    await move_rows(turn, op, rows)


def fill_inside(turn: CopyTurn, rows: Rows, iterator: Any) -> bool:
    with turn:
        return rows.fill(iterator)


async def fill_from(iterator: Any, rows: Any) -> bool:
    """Put rows of an async iterator until there is a chunk; False when there were no more."""
    async for row in iterator:
        rows.put(row)
        if rows.is_full:
            return True
    return False


async def move_rows(turn: CopyTurn, op: CopyIn, rows: Rows) -> None:
    await still_wanted(turn, op)
    rows.move_to(op, turn.session.frontend.out)  # type: ignore[union-attr]  # the server wanted data
    await sent(turn)
