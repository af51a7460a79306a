"""Results as columns: fetch_arrow, fetch_numpy and stream_arrow of connections and pools.

Rows are read straight into Arrow buffers (`pgproto.columns`). What comes back knows Arrow's PyCapsule interface, so
pyarrow, polars, pandas and duckdb take it as it is, and none of them is needed here.
"""
from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from asyncpg_core import coroutine_mark
from asyncpg_core.numpy_columns import Numbers
from pgproto.columns.plan import ColumnOptions, column_options
from pgproto.columns.result import Columns
from pgproto.statement import Statement

T = TypeVar("T")


def any_statement(statement: Statement) -> None:
    """Find nothing wrong with a statement."""


@dataclass(frozen=True, slots=True)
class ColumnOrder(Generic[T]):
    """How a result is read, what is done with it, and what is asked of the statement before it is executed.

    `keywords` are those of the method that was called."""

    options: ColumnOptions
    finish: Callable[[Columns], T]
    keywords: Mapping[str, Any]
    check: Callable[[Statement], None] = field(default=any_statement)


def itself(columns: Columns) -> Columns:
    return columns


def arrow_order(numeric: Any, infinity: str, nan: str) -> ColumnOrder[Columns]:
    """Return the order of fetch_arrow; InterfaceError for an option that is none."""
    return ColumnOrder(column_options(numeric, infinity, nan), itself,
                       {"numeric": numeric, "infinity": infinity, "nan": nan})


def numpy_order(nulls: str, infinity: str) -> ColumnOrder[dict[str, Any]]:
    """Return the order of fetch_numpy; InterfaceError for an option that is none, or if there is no numpy."""
    numbers = Numbers(nulls)
    return ColumnOrder(column_options("float64", infinity, "error"), numbers.arrays,
                       {"nulls": nulls, "infinity": infinity}, numbers.check)


class MakesColumns(Protocol):
    """What makes the calls: a CallMaker, or a pool's MethodCalls."""

    def fetch_columns(
        self, name: str, sql: str, arguments: tuple[Any, ...], timeout: float | None, order: ColumnOrder[T],
        prepare: str | None, /
    ) -> Coroutine[Any, Any, T]: ...


class HasCalls(Protocol):
    @property
    def _calls(self) -> MakesColumns: ...


class ColumnQueries:
    """The queries whose results are columns."""

    __slots__ = ()

    def fetch_arrow(
        self: HasCalls, query: str, *args: Any, timeout: float | None = None, numeric: str | tuple[int, int] = "auto",
        infinity: str = "error", nan: str = "error", prepare: str | None = None,
    ) -> Coroutine[Any, Any, Columns]:
        """Return the result of a query as columns, for everything that takes `__arrow_c_stream__`.

        `numeric` says what numeric becomes: "auto" a decimal128 where the column has a precision up to 38 and text
        elsewhere, "string", "float64", or the (precision, scale) of a decimal128. What Arrow cannot hold is an
        OutOfRange that names row and column; with `infinity="null"` (dates and times) or `nan="null"` (decimals) it is
        NULL. `prepare` is as for fetch.
        """
        order = arrow_order(numeric, infinity, nan)
        return self._calls.fetch_columns("fetch_arrow", query, args, timeout, order, prepare)

    def fetch_numpy(
        self: HasCalls, query: str, *args: Any, timeout: float | None = None, nulls: str = "mask",
        infinity: str = "error", prepare: str | None = None,
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        """Return numbers, booleans, dates and timestamps as a dict of numpy arrays by column name.

        A column with NULLs is a masked array, with `nulls="error"` a DataError. numeric becomes float64, a timestamptz
        datetime64[us] in UTC. InterfaceError if there is no numpy, if two columns have one name, or for another type.
        """
        return self._calls.fetch_columns("fetch_numpy", query, args, timeout, numpy_order(nulls, infinity), prepare)


for _name in ("fetch_arrow", "fetch_numpy"):
    coroutine_mark.mark(ColumnQueries, _name)
