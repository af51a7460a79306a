"""The Arrow schema of a result."""
from typing import final

from typing_extensions import Self

from pgproto.columns.plan import Field

@final
class Schema:
    def __new__(cls, fields: tuple[Field, ...]) -> Self: ...
    @property
    def fields(self) -> tuple[Field, ...]: ...
