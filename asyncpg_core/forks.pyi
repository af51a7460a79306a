"""A forked child has copies of its parent's sessions: the server, the socket and the selector are the parent's."""
from typing import Any

from asyncpg_core.session import Session
from pgproto.living import Living

sessions: Living[Session]
owners: Living[Any]

def watch(session: Session) -> None: ...
def disown_all() -> None: ...
def disown(session: Session, text: str) -> None: ...
