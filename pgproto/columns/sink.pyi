"""The sink of an operation whose rows become columns."""
from typing import final

from typing_extensions import Self

from pgproto.columns.plan import ColumnOptions
from pgproto.columns.result import Columns
from pgproto.row_sinks import RowSink
from pgproto.statement import Statement

def columnar_statement(statement: Statement) -> Statement: ...

@final
class ColumnSink(RowSink):
    def __new__(cls, options: ColumnOptions | None = None, *, bytes_max: int = 0) -> Self: ...
    @property
    def n_rows(self) -> int: ...
    def feed(self, statement: Statement, row: bytes) -> None: ...
    def columns(self, statement: Statement) -> Columns: ...
