from typing import final

from typing_extensions import Self

from pgproto.arrow_in.fields import ArrowField

@final
class ArrowSource:
    def __new__(cls, data: object) -> Self: ...
    @property
    def schema(self) -> ArrowField: ...
    def close(self) -> None: ...
