from typing import Final, final

from typing_extensions import Self

from pgproto.auth import Authentication, Step
from pgproto.operations.operation import Operation

PROTOCOL_3_0: Final[int]
PROTOCOL_3_2: Final[int]

@final
class Startup(Operation):
    def __new__(
        cls, parameters: dict[str, str], authentication: Authentication, *, version: int = 0x30000,
        least_version: int = 0x30000,
    ) -> Self: ...
    @property
    def question(self) -> Step | None: ...
    @property
    def is_authenticated(self) -> bool: ...
    @property
    def backend_pid(self) -> int: ...
    @property
    def backend_key(self) -> bytes | None: ...
    @property
    def negotiated(self) -> tuple[int, tuple[str, ...]] | None: ...
    def check_negotiated(self) -> None: ...
    def answer(self, value: object) -> None: ...
