from collections.abc import Callable
from typing import Any, final

from typing_extensions import Self

from pgproto.record import RowShape

@final
class Codec:
    def __new__(
        cls, oid: int, name: str | None, *, schema: str = "pg_catalog", kind: str = "scalar",
        element: Codec | None = None,
    ) -> Self: ...
    @property
    def oid(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def schema(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def element(self) -> Codec | None: ...
    @property
    def fields(self) -> tuple[Codec, ...] | None: ...
    @property
    def shape(self) -> RowShape | None: ...
    @property
    def base(self) -> Codec | None: ...
    preferred: int
    is_leaf: bool
    delimiter: int
    keeps_bounds: bool
    binary_is_text: bool
    encoder: Callable[[Any], Any] | None
    decoder: Callable[[Any], Any] | None
    runs_user_code: bool
    def has_format(self, format: int) -> bool: ...
    def encode_value(self, value: object, format: int = 1) -> bytes: ...
    def decode_value(self, body: bytes, format: int = 1) -> Any: ...
