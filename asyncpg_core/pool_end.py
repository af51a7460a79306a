"""The end of a pool: gracefully, when the last borrower has released, or at once."""
from __future__ import annotations

import asyncio
import contextlib
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from asyncpg_core.exceptions import PoolTimeout
from asyncpg_core.limit import within
from pgproto.errors import PoolClosed

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool

CLOSE_WARNING_SECONDS = 60.0


def weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a bound method as long as its object is there, without keeping it."""
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> Any:
        bound = reference()
        return None if bound is None else bound(*args)

    return call


def end_unclosed(pool: Pool[Any]) -> None:
    """Warn of a pool that is forgotten but not closed, and close its connections."""
    warnings.warn(f"unclosed pool {pool!r}", ResourceWarning, stacklevel=3)
    sessions = sessions_of(pool)

    def end() -> None:
        for session in sessions:
            session.say_goodbye()

    with contextlib.suppress(RuntimeError):     # the loop may be closed between the question and the call
        if pool._loop.is_closed():
            end()
        else:
            pool._loop.call_soon_threadsafe(end)


def sessions_of(pool: Pool[Any]) -> list[Any]:
    """Return the sessions of a pool, wherever their members are."""
    state = pool._state
    return [member.session for member in (*state.idle, *state.lent, *state.leaving)]


class PoolEnd:
    """How far the end of one pool has come."""

    __slots__ = ("all_back", "over", "pool")

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        # Done when close is through; later callers wait for the first one's.
        self.over: asyncio.Future[None] | None = None
        self.all_back: asyncio.Future[None] | None = None

    async def close(self, timeout: float | None) -> None:
        """Refuse who waits, wait for the borrowers, close everything; an end of the wait terminates the rest."""
        if timeout is None:
            await self.close_in_peace()
            return
        try:
            await within(timeout, self.close_in_peace())
        except asyncio.TimeoutError:
            raise PoolTimeout(f"the pool's connections were not all released within {timeout:g} s: "
                              "the others were closed") from None

    async def close_in_peace(self) -> None:
        """Close without a bound of time."""
        pool, state = self.pool, self.pool._state
        self.over = pool._loop.create_future()
        idle = self.begin()
        warning = pool._loop.call_later(CLOSE_WARNING_SECONDS, self.warn)
        try:
            if pool._replicas is not None:
                await pool._replicas.pool.close()
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
        if self.pool._replicas is not None:
            self.pool._replicas.pool.terminate()
        self.begin()
        self.terminate_members()
        self.pool._is_closed = True

    def terminate_members(self) -> None:
        """Cancel what the pool is doing and say goodbye on every connection."""
        with contextlib.suppress(RuntimeError):     # of a loop that is closed: it has ended them itself
            for task in list(self.pool._tasks):
                task.cancel()
        for session in sessions_of(self.pool):
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
