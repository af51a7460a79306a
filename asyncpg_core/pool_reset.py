"""A pool's resets that are more than bytes behind the borrower: the user's, which is awaited, and one that has failed.

The ordinary reset leaves with the release and nobody waits for it; when it fails its connection is closed, and what
waited behind it, unsent, goes on with another one.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from asyncpg_core.limit import within
from asyncpg_core.pool_member import PoolMember, can_move, is_managed, transfer
from asyncpg_core.released import has_hook
from pgproto.errors import ConnectionDoesNotExistError, InterfaceError, PoolClosed

if TYPE_CHECKING:
    from asyncpg_core.call import Call
    from asyncpg_core.pool import Pool

# What a user's reset may take without a timeout of release, and the wait for another connection after a failed one.
RESET_SECONDS = 5.0


class Resets:
    """The resets of one pool."""

    __slots__ = ("__weakref__", "n_errors", "pool")

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        self.n_errors = 0

    def note(self, error: BaseException) -> None:
        """Count and log an error that no releaser hears of."""
        self.n_errors += 1
        naming.logger("pool").warning("the reset of a pooled connection failed: %s", error)

    # The user's

    async def run_unawaited(self, member: PoolMember) -> None:
        """Reset after a one-shot call, whose caller has gone: an error goes to the log."""
        try:
            await self.run(member, None)
        except Exception as error:
            self.note(error)

    async def run(self, member: PoolMember, timeout: float | None) -> None:
        """Run the user's reset and take the member back; a connection that cannot be reset is closed."""
        raw = member.connection
        if member.session.is_closed:
            return
        try:
            await within(RESET_SECONDS if timeout is None else timeout, self.run_hook(raw))
        except BaseException:
            raw.terminate()
            raise
        self.pool._lender.give_back_clean(member)

    async def run_hook(self, raw: Any) -> None:
        if self.pool._reset is None:
            await raw.reset()
            return
        if raw.is_in_transaction():
            if not is_managed(raw._top_transaction):
                self.pool._complain(raw)
            raw._forget_transaction()
            await raw.execute("ROLLBACK")
        await self.pool._reset(raw)

    # One that has failed

    def on_failed(self, session: Any, strays: list[Call[Any]], error: BaseException) -> None:
        """A reset has failed: its connection is closed, what waited behind it goes unsent to another one."""
        self.note(error)
        session.statements.on_failed_reset(error)
        pool = self.pool
        face = session.member.face_alive()
        if not pool._lender.is_open or pool._state.is_closing:
            refusal: Exception = PoolClosed("pool is closing")
        elif face is not None and not can_move(session, strays):
            refusal = ConnectionDoesNotExistError(
                f"the reset of the connection failed before the transaction had begun: {error}")
            refusal.safe_to_retry = True
        else:
            if face is not None or strays:
                pool._start(self.move(face, session, strays))
            return
        for call in strays:
            pool._lender.refuse(call, refusal)

    async def move(self, face: Any, session: Any, strays: list[Call[Any]]) -> None:
        """Find another member for a borrower, or for a one-shot call, whose session was lost to a failed reset."""
        pool, member = self.pool, session.member
        try:
            other = pool._lender.take_member() or await pool._wait(RESET_SECONDS)
        except BaseException as error:
            for call in strays:
                pool._lender.refuse(call, error)
            if not isinstance(error, Exception):
                raise
            return
        if face is not None and face._lease is not member:      # released meanwhile
            for call in strays:
                pool._lender.refuse(call, InterfaceError(
                    "the connection was released back to the pool before the statement was sent"))
            pool._lender.give_back_clean(other)
            return
        if face is not None:
            transfer(face, other)
        pool._lender.move(strays, other)
        if face is None and not any(has_hook(call) for call in strays):
            pool._lender.give_back_after_use(other)
