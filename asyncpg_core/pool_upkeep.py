"""What a pool opens and closes on its own: connections for those who wait and for the floor, the end of idle ones.

`PoolState` says how many and which. A floor that cannot be reached is tried again, less and less often; who waits is
told at once.
"""
from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from asyncpg_core.call import Call

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool

RECONNECT_SECONDS_MAX = 60.0


class Upkeep:
    """The timers and the connections under way of one pool."""

    __slots__ = ("connecting", "expiry_timer", "pool", "retry_seconds", "retry_timer")

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        self.connecting: set[asyncio.Task[Any]] = set()
        self.expiry_timer: asyncio.TimerHandle | None = None
        self.retry_timer: asyncio.TimerHandle | None = None
        self.retry_seconds = 0.0

    def fill(self) -> None:
        """Open what the waiters and the floor are short of."""
        pool = self.pool
        if self.retry_timer is not None and not pool._state.waiters:
            return
        for _ in range(pool._state.shortage()):
            if not pool._state.may_connect():
                break
            task = pool._start(self.connect())
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)

    async def connect(self) -> None:
        """Open one connection and give it to whoever waits."""
        pool = self.pool
        try:
            member = await pool._connect_member()
        except asyncio.CancelledError:
            pool._state.connect_failed()
            raise
        except Exception as error:
            pool._state.connect_failed()
            self.on_connect_failed(error)
            return
        self.retry_seconds = 0.0
        if pool._state.is_closing or pool._state.is_outdated(member):
            pool._state.connect_failed()
            self.fill()
            await member.close()
            return
        waiter = pool._state.connected(member, time.monotonic())
        if waiter is not None:
            pool._lender.hand_over(waiter, member)
        elif self.expiry_timer is None:
            self.schedule_expiry()

    def on_connect_failed(self, error: Exception) -> None:
        """The oldest waiter is told; for the floor it is tried again, less and less often."""
        state = self.pool._state
        while state.waiters:
            if self.refuse(state.waiters.popleft(), error):
                break
        if state.shortage() and self.retry_timer is None and not state.is_closing:
            self.retry_seconds = min(max(1.0, self.retry_seconds * 2), RECONNECT_SECONDS_MAX)
            naming.logger("pool").warning("a connection of the pool could not be opened, trying again in %g s: %s",
                           self.retry_seconds, error)
            self.retry_timer = self.pool._loop.call_later(self.retry_seconds, self.retry)
        if state.waiters:
            self.fill()

    def refuse(self, waiter: object, error: Exception) -> bool:
        """Tell a waiter that there will be no connection; whether he was still there to hear it."""
        if isinstance(waiter, Call):
            self.pool._lender.refuse(waiter, error)
            return True
        if isinstance(waiter, asyncio.Future) and not waiter.done():
            waiter.set_exception(error)
            return True
        return False

    def retry(self) -> None:
        self.retry_timer = None
        self.fill()

    def schedule_expiry(self) -> None:
        """See to it that what is idle too long is closed in time."""
        at = self.pool._state.next_expiry()
        if at is not None:
            self.expiry_timer = self.pool._loop.call_later(max(at - time.monotonic(), 0), self.expire)

    def expire(self) -> None:
        self.expiry_timer = None
        for member in self.pool._state.expire(time.monotonic()):
            self.pool._start(member.close())
        self.schedule_expiry()

    def stop(self) -> None:
        """Open and expire nothing more by the clock."""
        for timer in (self.expiry_timer, self.retry_timer):
            if timer is not None:
                timer.cancel()
        self.expiry_timer = self.retry_timer = None
