"""How a session goes on with what was held until the catalogue had told of its types."""
from typing import Any

from asyncpg_core.call import Call
from asyncpg_core.session import Session
from pgproto.operations.operation import Operation

def go_on(session: Session, waiter: object, op: Operation) -> None: ...
def types_to_ask_again(session: Session, call: Call[Any], op: Operation, error: BaseException) -> set[int]: ...
