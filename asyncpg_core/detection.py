"""Whether a pooler stands between a session and its server.

With its first call a session asks which process of the server answers, in front of it and in the same flight. If that
is not the process that BackendKeyData has named, what is prepared by a name now may not be there with the next
statement: the session names nothing, from its first statement on, because until the answer is there it names nothing
either. Where the user has chosen how to prepare nobody asks.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from pgproto.operations.backend_pid import AskBackendPid

if TYPE_CHECKING:
    from asyncpg_core.session import Session


def ask_who_answers(session: Session) -> None:
    """Put the question in front of what the session writes next."""
    op = AskBackendPid()
    op.waiter = Asker(session)
    session.frontend.submit(op)
    session.tick_soon()


class Asker:
    """Hears the answer."""

    __slots__ = ("session",)

    def __init__(self, session: Session) -> None:
        self.session = session

    def on_settled(self, op: AskBackendPid) -> None:
        """The answer, or the refusal of one, is there."""
        named = self.session.frontend.backend_pid
        if op.error is not None:
            mode, reason = "always", f"the default; which process answers could not be asked: {op.error}"
        elif op.pid is None:
            mode, reason = "always", "the default; which process answers was not told"
        elif op.pid != named:
            mode, reason = "never", f"process {op.pid} answers, BackendKeyData named {named}: a pooler stands between"
        else:
            mode, reason = "always", f"process {named} answers, as BackendKeyData named it: nothing stands between"
        self.session.statements.decide(mode, reason)

    def on_lost(self, error: BaseException) -> None:
        """The connection is gone."""
