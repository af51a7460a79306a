"""What makes calls: the methods of a connection as calls that do nothing until they are awaited."""
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, final, overload

from typing_extensions import Self

from asyncpg_core.call import Call
from asyncpg_core.column_queries import ColumnOrder
from asyncpg_core.endpoint import Endpoint
from asyncpg_core.statement_cache import CachedStatement
from pgproto.operations.extended import Prepare
from pgproto.operations.operation import Group, Operation
from pgproto.statement import Statement

_T = TypeVar("_T")
_Op = TypeVar("_Op", bound=Operation)

def refuse_unfit(record_class: object) -> None: ...

@final
class CallMaker:
    default_timeout: float
    record_class: type[Any]
    def __new__(cls, owner: Endpoint) -> Self: ...
    @property
    def owner(self) -> Endpoint: ...
    def fetch(
        self, sql: str, arguments: tuple[Any, ...], timeout: float | None, record_class: type[Any] | None,
        prepare: str | None = None, statement: Statement | None = None, group: Group | None = None,
    ) -> Call[list[Any]]: ...
    def fetchrow(
        self, sql: str, arguments: tuple[Any, ...], timeout: float | None, record_class: type[Any] | None,
        prepare: str | None = None, statement: Statement | None = None, group: Group | None = None,
    ) -> Call[Any]: ...
    def fetchval(
        self, sql: str, arguments: tuple[Any, ...], column: int | str, timeout: float | None,
        prepare: str | None = None, statement: Statement | None = None, group: Group | None = None,
    ) -> Call[Any]: ...
    def fetch_columns(
        self, name: str, sql: str, arguments: tuple[Any, ...], timeout: float | None, order: ColumnOrder[_T],
        prepare: str | None = None, statement: Statement | None = None,
    ) -> Call[_T]: ...
    def execute(
        self, sql: str, arguments: tuple[Any, ...], timeout: float | None, prepare: str | None = None,
        group: Group | None = None,
    ) -> Call[str]: ...
    def executemany(
        self, sql: str, elements: Iterable[Any], timeout: float | None, prepare: str | None = None, *,
        statement: Statement | None = None, group: Group | None = None, return_status: bool = False,
    ) -> Call[Any]: ...
    def fetchmany(
        self, sql: str, elements: Iterable[Any], timeout: float | None, record_class: type[Any] | None,
        prepare: str | None = None, *, statement: Statement | None = None, group: Group | None = None,
    ) -> Call[list[Any]]: ...
    def prepare(
        self, sql: str, name: str, timeout: float | None, make: Callable[[Prepare], _T]
    ) -> Call[_T]: ...
    def copy(self, name: str, op: Operation, timeout: float | None, turn: Any) -> Call[str]: ...
    def describe(
        self, name: str, sql: str, timeout: float | None, prepare: str | None = None
    ) -> Call[CachedStatement]: ...
    def seconds(self, timeout: float | None) -> float: ...
    @overload
    def run(self, name: str, op: _Op, timeout: float | None, make: None = None) -> Call[_Op]: ...
    @overload
    def run(self, name: str, op: _Op, timeout: float | None, make: Callable[[_Op], _T]) -> Call[_T]: ...
