from typing import final

from typing_extensions import Self

from pgproto.operations.extended import COPY_IN_REFUSED as COPY_IN_REFUSED
from pgproto.operations.extended import COPY_OUT_REFUSED as COPY_OUT_REFUSED
from pgproto.operations.operation import Operation

@final
class SimpleQuery(Operation):
    def __new__(cls, sql: str) -> Self: ...
    @property
    def sql(self) -> str: ...
    @property
    def tag(self) -> str | None: ...
