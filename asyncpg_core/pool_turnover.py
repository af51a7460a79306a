"""Replacing the connections of a pool, all of them or some, without cutting one that is lent.

Idle ones are closed at once; those that are lent when they come back. A connection that is being closed counts until
the server has hung up, so there are never more than max_size.
"""
from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from asyncpg_core.exceptions import PoolTimeout
from asyncpg_core.limit import within
from asyncpg_core.pool_arguments import check_sizes
from pgproto.errors import PoolClosed

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool


class Departures:
    """Who waits until certain members are gone."""

    __slots__ = ("waits",)

    def __init__(self) -> None:
        self.waits: dict[asyncio.Future[None], set[Any]] = {}

    def on_gone(self, member: Any) -> None:
        for future, members in self.waits.items():
            members.discard(member)
            if not members and not future.done():
                future.set_result(None)

    async def wait(self, members: set[Any], seconds: float | None) -> None:
        """Return when the members are gone; PoolTimeout if that takes longer than `seconds`."""
        if not members:
            return
        future = asyncio.get_running_loop().create_future()
        self.waits[future] = members
        try:
            await within(seconds, future)
        except asyncio.TimeoutError:
            raise PoolTimeout(f"{len(members)} connections of the pool are still in use after {seconds:g} s") from None
        finally:
            del self.waits[future]


def resize(pool: Pool[Any], min_size: int | None, max_size: int | None) -> None:
    """Set other sizes; a smaller max_size alone lowers min_size."""
    state = pool._state
    high = state.max_size if max_size is None else max_size
    low = min(state.min_size, high) if min_size is None else min_size
    check_sizes(low, high, None, 1, 0)
    for member in state.resize(low, high):
        pool._start(member.close())
    pool._init_size = min(max(pool._init_size, low), high)
    if pool._lender.is_open and not state.is_closing:
        pool._upkeep.fill()
        pool._upkeep.schedule_expiry()


async def drain(pool: Pool[Any], seconds: float | None) -> None:
    """Replace every connection and return when the last of them is gone."""
    state = pool._state
    old = {*state.idle, *state.lent, *state.leaving}
    pool._outdate()
    pool._upkeep.fill()
    await pool._departures.wait(old, seconds)


async def rotate(pool: Pool[Any], dsn: Any, changes: dict[str, Any]) -> None:
    """Let a first connection be made with other arguments; if that works all that come are, and the old ones go.

    The first one takes the place of an old one where the pool is full, as a borrower would.
    """
    arguments = pool._arguments.changed(dsn, changes)
    arguments.client_options()
    state = pool._state
    pool._upkeep.end_pause()
    old = None if state.may_connect() else await pool._member(None)
    connecting: asyncio.Task[Any] | None = None
    try:
        if old is not None:
            state.n_connecting += 1     # the place is ours before the old one leaves it
            pool._retire(old)
            await pool._departures.wait({old} & state.leaving, None)
        connecting = pool._start(pool._connect_member(arguments))
        member = await connecting
    except BaseException:
        state.connect_failed()
        if connecting is not None and connecting.done() and not connecting.cancelled() and not connecting.exception():
            # A cancel has come in the same moment as the connection, which is nobody's then.
            connecting.result().session.say_goodbye()
        if pool._lender.is_open and not state.is_closing:
            pool._upkeep.fill()
        raise
    if state.is_closing:
        state.connect_failed()
        await member.close()
        raise PoolClosed("pool is closing")
    pool._use(arguments)
    pool._outdate()
    member.generation = state.generation
    pool._upkeep.place(member, time.monotonic())
    pool._upkeep.fill()
