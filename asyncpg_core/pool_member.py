"""A pool's connection, and the faces that borrowers see of it.

The member's own Connection is made once; `init` and a user's reset get it. What a borrower gets is a new object of the
same class on the same session: cheap, and dead after its release whoever has the session then. A subclass that keeps
attributes on its instances finds them on every face.
"""
from __future__ import annotations

import asyncio
import contextlib
import itertools
import weakref
from typing import TYPE_CHECKING, Any

from asyncpg_core.call_maker import CallMaker
from asyncpg_core.pool_endpoint import ReleasedEndpoint, prelude_of
from asyncpg_core.watchers import end_hearing, move_hearing
from pgproto.codecs.catalogue import TypeCache

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool

CLOSE_SECONDS = 5.0
# A member that was idle longer than this is looked at before it is lent: a loop that was busy has not seen its end.
# Under load nobody is idle for so long, so the system call costs nothing there.
UNSEEN_SECONDS = 0.05

RELEASED: Any = ReleasedEndpoint()
RELEASED_CALLS = CallMaker(RELEASED)
# Of members, in the order in which they were connected.
numbers = itertools.count()


class PoolMember:
    """One connection of a pool, as the pool knows it."""

    __slots__ = ("connection", "session", "idle_since", "generation", "n_changes", "number", "_face", "__weakref__")

    def __init__(self, connection: Any, session: Any, now: float, generation: int = 0) -> None:
        self.connection = connection
        self.session = session
        self.idle_since = now
        self.generation = generation
        self.number = next(numbers)
        # ParameterStatus messages seen when the current one-shot call began.
        self.n_changes = 0
        self._face: weakref.ref[Any] | None = None

    @property
    def is_resetting(self) -> bool:
        resetting: bool = self.session.is_resetting
        return resetting

    def is_dead(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the server has hung up; asked without waiting, and only after some time unseen."""
        session = self.session
        if session.is_closed or session.frontend.farewell is not None:
            return True
        if loop.time() - self.idle_since <= UNSEEN_SECONDS:
            return False
        # A byte may be the answer to the reset; when nothing is owed it is a farewell, or something unasked for.
        byte = session.transport.peek()
        return byte == b"" or (byte is not None and session.frontend.n_pending == 0)

    def lend(self, face: Any) -> None:
        """Remember who has the member."""
        self._face = weakref.ref(face)

    def face_alive(self) -> Any:
        """Return the face of the current lease, None if there is none."""
        face = self._face() if self._face is not None else None
        return face if face is not None and face._lease is self else None

    async def close(self) -> None:
        """Close gracefully within 5 s, else at once."""
        with contextlib.suppress(Exception):    # what closing cannot do, aborting has done
            await self.connection.close(timeout=CLOSE_SECONDS)


def face_of(pool: Pool[Any], member: PoolMember) -> Any:
    """Return a borrower's connection on the member's session."""
    raw = member.connection
    face = raw._new_face()
    face._lease = member
    face._pool = pool
    member.lend(face)
    return face


def release_face(face: Any) -> None:
    """Cut a borrower's connection off from its session."""
    end_hearing(face._session)
    face._lease = None
    face._session = RELEASED
    face._calls = RELEASED_CALLS
    face._top_transaction = None
    face._server_version = None


def is_managed(transaction: Any) -> bool:
    """Whether a transaction is entered by `async with`: its block is told what becomes of it."""
    return transaction is not None and bool(transaction._managed)


def can_move(session: Any, strays: list[Any]) -> bool:
    """Whether what the borrower has begun on a session, unsent, can begin on another one: at most one BEGIN."""
    if session.pipeline is not None:
        return False
    owed = [sql for call in strays for sql in prelude_of(call)] + session.preludes.statements
    return not owed or (len(owed) == 1 and owed[0].startswith("BEGIN"))


def transfer(face: Any, member: PoolMember) -> None:
    """Let a borrower's connection, and the transaction that it has begun, go on with another member."""
    move_hearing(face._session, member.session)
    face._lease = member
    face._session = member.session
    face._calls = member.session.calls
    member.lend(face)
    transaction = face._top_transaction
    if transaction is not None:
        transaction.move_to(member.session)


def share_types(caches: dict[Any, TypeCache], connection: Any) -> None:
    """Let what one connection of a pool asks about types go for all of the same database."""
    session = connection._session
    types = caches.setdefault((connection._addr, connection._params.database or connection._params.user), TypeCache())
    session.registry.adopt(types)
    types.dependents.add(session.statements)
    session.statements.siblings = types.dependents
