"""What query loggers are told: each query when it is over, with its time."""
from typing import Any, NamedTuple, final

from asyncpg_core.call import Call

@final
class LoggedCall:
    def __call__(self, call: Call[Any]) -> None: ...

class LoggedQuery(NamedTuple):
    query: str
    args: Any
    timeout: float | None
    elapsed: float
    exception: BaseException | None
    conn_addr: Any
    conn_params: Any
