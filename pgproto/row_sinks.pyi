from typing import final

from typing_extensions import Self, disjoint_base

from pgproto.record import Record

@disjoint_base
class RowSink: ...

@final
class Records(RowSink):
    def __init__(self, record_class: type[Record] | None = None) -> None: ...

@final
class RawRows(RowSink):
    def __new__(cls) -> Self: ...

@final
class KeptRows(RowSink):
    @property
    def sink(self) -> RowSink: ...
    def type_oids(self) -> list[int]: ...
