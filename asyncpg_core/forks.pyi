"""A forked child has copies of its parent's sessions: the server, the socket and the selector are the parent's."""
from typing import Any
from weakref import WeakSet

from asyncpg_core.session import Session

sessions: WeakSet[Session]
owners: WeakSet[Any]

def watch(session: Session) -> None: ...
def disown_all() -> None: ...
def disown(session: Session, text: str) -> None: ...
