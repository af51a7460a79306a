"""COMMIT and ROLLBACK whose caller has gone: the transaction ends nevertheless."""
from typing import Any

from asyncpg_core.call import Call
from asyncpg_core.session import Session
from pgproto.operations.operation import Operation

class Ending:
    __slots__ = ("is_top", "session")
    session: Session
    is_top: bool
    def __init__(self, session: Session, is_top: bool) -> None: ...
    def on_settled(self, op: Operation) -> None: ...
    def on_lost(self, error: BaseException) -> None: ...

def leave_ending(session: Session, call: Call[Any], rollback: str, is_top: bool) -> None: ...
def roll_back_first(session: Session, sql: str) -> None: ...
