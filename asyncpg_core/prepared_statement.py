"""A statement that the user has prepared by name, and what the server has said of it."""
from __future__ import annotations

import json
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncpg_core.column_queries import arrow_order, numpy_order
from asyncpg_core.column_stream import ColumnStream
from asyncpg_core.cursor import CursorFactory, RecordT
from asyncpg_core.statement_cache import new_name
from asyncpg_core.types import Attribute, Type
from pgproto.codecs.codec import Codec
from pgproto.columns.plan import column_options
from pgproto.columns.result import Columns
from pgproto.errors import InterfaceError
from pgproto.operations.extended import Prepare
from pgproto.statement import Statement

if TYPE_CHECKING:
    from asyncpg_core.call import Call
    from asyncpg_core.connection import Connection
    from asyncpg_core.session import Session

T = TypeVar("T")


def type_of(codec: Codec) -> Type:
    """Return the public description of a codec's type."""
    return Type(codec.oid, codec.name, codec.kind, codec.schema)


class PreparedStatement(Generic[RecordT]):
    """A prepared statement; made by `Connection.prepare`. The server forgets it when nobody refers to it any more."""

    def __init__(self, connection: Connection[Any], statement: Statement, record_class: Any) -> None:
        self._connection = connection
        self._session = connection._session
        self._statement = statement
        self._record_class = record_class
        self._status: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._statement.name!r} {self._statement.sql[:30]!r}>"

    def __del__(self) -> None:
        statement = getattr(self, "_statement", None)
        if statement is not None and statement.name and not statement.is_closed and not self._session.is_closed:
            statement.is_closed = True
            self._session.statements.evicted.append(statement.name)

    def _check(self, method: str) -> None:
        if self._connection._session is not self._session:
            raise InterfaceError(f"cannot call PreparedStatement.{method}(): the underlying connection has been "
                                 "released back to the pool")
        if self._session.is_closed:
            raise InterfaceError(f"cannot call PreparedStatement.{method}(): the underlying connection is closed")

    @property
    def _query(self) -> str:
        # Tracers read it.
        return self._statement.sql

    def get_name(self) -> str:
        """Return the name that the server knows it by."""
        return self._statement.name

    def get_query(self) -> str:
        """Return the text of the statement."""
        return self._statement.sql

    def get_statusmsg(self) -> str | None:
        """Return the tag of the last execution, None before the first."""
        return self._status

    def get_parameters(self) -> tuple[Type, ...]:
        """Return the types of the parameters, in their order."""
        self._check("get_parameters")
        return tuple(type_of(codec) for codec in self._statement.parameter_codecs)

    def get_attributes(self) -> tuple[Attribute, ...]:
        """Return the columns of the result, () for a statement without rows."""
        self._check("get_attributes")
        return tuple(Attribute(column.name, type_of(codec))
                     for column, codec in zip(self._statement.columns, self._statement.column_codecs, strict=True))

    def fetch(self, *args: Any, timeout: float | None = None) -> Coroutine[Any, Any, list[RecordT]]:
        """Return the rows as a list of records."""
        self._check("fetch")
        return self._watched(self._connection._calls.fetch(
            self._statement.sql, args, timeout, self._record_class, statement=self._statement))

    def fetchrow(self, *args: Any, timeout: float | None = None) -> Coroutine[Any, Any, RecordT | None]:
        """Return the first row, None if there is none."""
        self._check("fetchrow")
        return self._watched(self._connection._calls.fetchrow(
            self._statement.sql, args, timeout, self._record_class, statement=self._statement))

    def fetchval(self, *args: Any, column: int | str = 0, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Return one value of the first row, None if there is no row."""
        self._check("fetchval")
        return self._watched(self._connection._calls.fetchval(
            self._statement.sql, args, column, timeout, statement=self._statement))

    def fetchmany(self, args: Iterable[Any], *, timeout: float | None = None) -> Coroutine[Any, Any, list[RecordT]]:
        """Execute for each element of `args` and return the rows of all."""
        self._check("fetchmany")
        return self._connection._calls.fetchmany(
            self._statement.sql, args, timeout, self._record_class, statement=self._statement)

    def executemany(self, args: Iterable[Any], *, timeout: float | None = None) -> Coroutine[Any, Any, None]:
        """Execute for each element of `args`, under one Sync."""
        self._check("executemany")
        return self._connection._calls.executemany(self._statement.sql, args, timeout, statement=self._statement)

    def fetch_arrow(
        self, *args: Any, timeout: float | None = None, numeric: str | tuple[int, int] = "auto",
        infinity: str = "error", nan: str = "error",
    ) -> Coroutine[Any, Any, Columns]:
        """Return the result as columns; see Connection.fetch_arrow."""
        self._check("fetch_arrow")
        return self._watched(self._connection._calls.fetch_columns(
            "fetch_arrow", self._statement.sql, args, timeout, arrow_order(numeric, infinity, nan),
            statement=self._statement))

    def fetch_numpy(
        self, *args: Any, timeout: float | None = None, nulls: str = "mask", infinity: str = "error",
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        """Return the result as a dict of numpy arrays; see Connection.fetch_numpy."""
        self._check("fetch_numpy")
        return self._watched(self._connection._calls.fetch_columns(
            "fetch_numpy", self._statement.sql, args, timeout, numpy_order(nulls, infinity),
            statement=self._statement))

    def stream_arrow(
        self, *args: Any, batch_rows: int = 65536, timeout: float | None = None,
        numeric: str | tuple[int, int] = "auto", infinity: str = "error", nan: str = "error",
    ) -> ColumnStream:
        """Return the result as batches of columns, for `async for`; see Connection.stream_arrow."""
        self._check("stream_arrow")
        return ColumnStream(self._connection, self._statement.sql, self, args, batch_rows, timeout,
                            column_options(numeric, infinity, nan))

    def cursor(self, *args: Any, prefetch: int | None = None, timeout: float | None = None) -> CursorFactory[RecordT]:
        """Return a cursor for `async for`, or to be awaited; it lives inside a transaction."""
        self._check("cursor")
        return CursorFactory(self._connection, self._statement.sql, self, args, prefetch, timeout, self._record_class)

    async def explain(self, *args: Any, analyze: bool = False) -> Any:
        """Return the plan as Python objects; with `analyze` the statement is executed and rolled back."""
        self._check("explain")
        query = f"EXPLAIN (FORMAT JSON, VERBOSE{', ANALYZE' if analyze else ''}) {self._statement.sql}"
        if not analyze:
            return plan_of(await self._connection.fetchval(query, *args))
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            value = await self._connection.fetchval(query, *args)
        except BaseException as error:
            # As any block is left: who is cancelled does not wait for the ROLLBACK.
            await transaction.__aexit__(type(error), error, None)
            raise
        await transaction.rollback()
        return plan_of(value)

    def _watched(self, call: Call[T]) -> Call[T]:
        """Let the call leave its tag here when it is done."""
        call.leave_tag_with(self)
        return call


def named_if_safe(session: Session, statement: Statement) -> Statement:
    """Return a statement that was described without a name as one that has one, if names are known to be safe now.

    Its Parse goes in front of whatever executes it, so nobody waits for it."""
    if not session.statements.names_own or session.holds_writes:
        return statement
    op = Prepare(statement.sql, new_name())
    if not session.frontend.may_submit(op):
        return statement
    session.frontend.submit(op)
    session.tick_soon()
    return statement.renamed(op.name)


def plan_of(value: Any) -> Any:
    """Return EXPLAIN's result as Python objects, whether or not a json codec has read it."""
    return json.loads(value) if isinstance(value, (str, bytes)) else value
