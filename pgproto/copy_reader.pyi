from typing import Any, final

from typing_extensions import Self

from pgproto.encodings import Encoding
from pgproto.record import Record
from pgproto.statement import Statement

@final
class RowReader:
    def __new__(cls, statement: Statement, record_class: type[Record], *, encoding: Encoding | None = None) -> Self: ...
    @property
    def is_at_end(self) -> bool: ...
    def read(self, chunk: bytes) -> list[Any]: ...
    def end(self) -> None: ...
