from typing import final

from pgproto.operations.operation import Operation

def question() -> bytes: ...

@final
class AskBackendPid(Operation):
    @property
    def pid(self) -> int | None: ...
