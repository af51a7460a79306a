"""What a pool opens and closes on its own: connections for those who wait and for the floor, the end of idle ones.

`PoolState` says how many and which. A floor that cannot be reached is tried again, less and less often; who waits is
told at once. While a server refuses to let us in nobody knocks: there is a pause, and who would wait is told its error.
"""
from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from asyncpg_core.call import Call
from asyncpg_core.pool_end import weakly
from pgproto.errors import InvalidAuthorizationSpecificationError

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool
    from asyncpg_core.pool_member import PoolMember

RECONNECT_SECONDS_MAX = 60.0
# How long nobody knocks after a wrong password: twice as long each time, up to the second.
PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 5.0


class Upkeep:
    """The timers and the connections under way of one pool."""

    __slots__ = ("__weakref__", "connecting", "expiry_at", "expiry_timer", "n_failed", "pause_seconds", "paused_until",
                 "pool", "refusal", "retry_seconds", "retry_timer")

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        self.connecting: set[asyncio.Task[Any]] = set()
        self.expiry_timer: asyncio.TimerHandle | None = None
        self.retry_timer: asyncio.TimerHandle | None = None
        self.retry_seconds = 0.0
        self.expiry_at = 0.0
        self.n_failed = 0
        # The error of a server that does not let us in, and how long it is taken for an answer.
        self.refusal: Exception | None = None
        self.paused_until = self.pause_seconds = 0.0

    def fill(self) -> None:
        """Open what the waiters and the floor are short of."""
        pool = self.pool
        if self.retry_timer is not None and not pool._state.waiters:
            return
        if self.refusal is not None and time.monotonic() < self.paused_until:
            self.refuse_all()
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
        arguments = pool._arguments
        try:
            member = await pool._connect_member()
        except asyncio.CancelledError:
            pool._state.connect_failed()
            raise
        except Exception as error:
            pool._state.connect_failed()
            if pool._arguments is arguments:
                self.on_connect_failed(error)
            else:
                # There are others by now, which may work.
                self.n_failed += 1
                self.fill()
            return
        self.retry_seconds = 0.0
        self.end_pause()
        if pool._state.is_to_leave(member, time.monotonic()):
            pool._state.connect_failed()
            self.fill()
            await member.close()
            return
        self.place(member, time.monotonic())

    def place(self, member: PoolMember, now: float) -> None:
        """A new member is free."""
        waiter = self.pool._state.connected(member, now)
        if waiter is not None:
            self.pool._lender.hand_over(waiter, member)
        self.schedule_expiry()

    def on_connect_failed(self, error: Exception) -> None:
        """The oldest waiter is told, or all if nobody is let in; for the floor it is tried less and less often."""
        state = self.pool._state
        self.n_failed += 1
        if isinstance(error, InvalidAuthorizationSpecificationError):
            self.pause(error)
            self.refuse_all()
        else:
            self.refuse_first(error)
        if state.shortage() and self.retry_timer is None and not state.is_closing:
            self.retry_seconds = min(max(1.0, self.retry_seconds * 2), RECONNECT_SECONDS_MAX)
            naming.logger("pool").warning("a connection of the pool could not be opened, trying again in %g s: %s",
                           self.retry_seconds, error)
            self.retry_timer = self.pool._loop.call_later(self.retry_seconds, weakly(self.retry))
        if state.waiters:
            self.fill()

    def refuse_first(self, error: Exception) -> None:
        """The oldest of those who wait, and are still there, is told."""
        waiters = self.pool._state.waiters
        while waiters and not self.refuse(waiters.popleft(), error):
            pass

    def pause(self, refusal: Exception) -> None:
        """The server does not let us in: ask it again after a while."""
        self.refusal = refusal
        self.pause_seconds = min(max(PAUSE_SECONDS, self.pause_seconds * 2), PAUSE_SECONDS_MAX)
        self.paused_until = time.monotonic() + self.pause_seconds
        self.pool._loop.call_later(self.pause_seconds, weakly(self.fill))

    def end_pause(self) -> None:
        """Somebody was let in, or there are other arguments to try."""
        self.refusal = None
        self.pause_seconds = 0.0

    def refuse_all(self) -> None:
        """Those who wait are told why nobody is let in, unless there are connections that will come back to them."""
        state = self.pool._state
        if not state.lent and self.refusal is not None:
            while state.waiters:
                self.refuse(state.waiters.popleft(), self.refusal)

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
        now = time.monotonic()
        at = self.pool._state.next_expiry(now)
        if at is None:
            return
        if self.expiry_timer is not None:
            if self.expiry_at <= at:
                return
            self.expiry_timer.cancel()
        self.expiry_at = at
        self.expiry_timer = self.pool._loop.call_later(max(at - now, 0), weakly(self.expire))

    def expire(self) -> None:
        self.expiry_timer = None
        for member in self.pool._state.expire(time.monotonic()):
            self.pool._start(member.close())
        self.fill()
        self.schedule_expiry()

    def stop(self) -> None:
        """Open and expire nothing more by the clock."""
        for timer in (self.expiry_timer, self.retry_timer):
            if timer is not None:
                timer.cancel()
        self.expiry_timer = self.retry_timer = None
