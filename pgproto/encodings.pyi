"""Text in another encoding than UTF-8."""
from typing import final

from typing_extensions import Self

@final
class Encoding:
    def __new__(cls, name: str, codec: str | None) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def codec(self) -> str | None: ...

def known_encodings() -> dict[str, str]: ...
