"""The end of a pool: gracefully, when the last borrower has released, or at once."""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from pgproto.errors import PoolClosed

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool

CLOSE_WARNING_SECONDS = 60.0


class PoolEnd:
    """How far the end of one pool has come."""

    __slots__ = ("all_back", "over", "pool")

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        # Done when close is through; later callers wait for the first one's.
        self.over: asyncio.Future[None] | None = None
        self.all_back: asyncio.Future[None] | None = None

    async def close(self) -> None:
        """Refuse who waits, wait for the borrowers, close everything; an end of the wait terminates the rest."""
        pool, state = self.pool, self.pool._state
        self.over = pool._loop.create_future()
        idle = self.begin()
        warning = pool._loop.call_later(CLOSE_WARNING_SECONDS, self.warn)
        try:
            await asyncio.gather(*[member.close() for member in idle])
            while state.lent or state.leaving:
                self.all_back = pool._loop.create_future()
                await self.all_back
            for task in pool._upkeep.connecting:
                task.cancel()
            await asyncio.gather(*pool._tasks, return_exceptions=True)
        except BaseException:
            pool.terminate()
            raise
        finally:
            warning.cancel()
            pool._is_closed = True
            self.over.set_result(None)

    def begin(self) -> list[Any]:
        """Refuse those who wait and return the idle members."""
        idle, waiters = self.pool._state.close()
        for waiter in waiters:
            self.pool._upkeep.refuse(waiter, PoolClosed("pool is closing"))
        self.pool._upkeep.stop()
        return idle

    def terminate(self) -> None:
        """Close every connection at once."""
        self.begin()
        self.terminate_members()
        self.pool._is_closed = True

    def terminate_members(self) -> None:
        """Cancel what the pool is doing and say goodbye on every connection."""
        for task in list(self.pool._tasks):
            task.cancel()
        state = self.pool._state
        for session in [m.session for m in (*state.idle, *state.lent, *state.leaving)]:
            session.say_goodbye()

    def on_member_gone(self) -> None:
        """If it was the last one, the wait of `close` is over."""
        state = self.pool._state
        if self.all_back is not None and not self.all_back.done() and not (state.lent or state.leaving):
            self.all_back.set_result(None)

    def warn(self) -> None:
        naming.logger("pool").warning(
            "Pool.close() is taking over 60 seconds to complete. Check if you have any unreleased connections left. "
            "Use asyncio.wait_for() to set a timeout for Pool.close().")
