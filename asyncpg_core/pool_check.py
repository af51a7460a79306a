"""`check=`: an idle connection is looked at before it is lent, and replaced unseen if it does not answer.

Only what was idle for a while is looked at. A connection that was just opened, or that somebody has given back this
moment, has been heard of.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from asyncpg_core import naming
from asyncpg_core.limit import within
from pgproto.errors import ConnectionDoesNotExistError, InterfaceError, PoolClosed

if TYPE_CHECKING:
    from asyncpg_core.call import Call
    from asyncpg_core.pool import Pool
    from asyncpg_core.pool_member import PoolMember

Check = Callable[[Any], Awaitable[object]] | Literal[True] | None


class Checks:
    """The looks that one pool takes at its idle members: `check` after `idle_seconds`, for `seconds` at most."""

    __slots__ = ("check", "idle_seconds", "n_failed", "pool", "seconds")

    def __init__(self, pool: Pool[Any], check: Check, idle_seconds: float, seconds: float) -> None:
        self.pool = pool
        self.check = check
        self.idle_seconds = idle_seconds
        self.seconds = seconds
        self.n_failed = 0

    def is_due(self, member: PoolMember) -> bool:
        """Whether a member that was just taken was idle for so long that it is looked at."""
        return time.monotonic() - member.idle_since >= self.idle_seconds

    async def passes(self, member: PoolMember, seconds_left: float | None) -> bool:
        """Look at a member that was taken; one that fails is closed, and another one opened if it is missed."""
        if not self.is_due(member):
            return True
        seconds = self.seconds if seconds_left is None else min(self.seconds, seconds_left)
        try:
            await within(seconds, self.ask(member))
        except asyncio.CancelledError:
            self.pool._lender.give_back_after_use(member)
            raise
        except Exception as error:
            self.reject(member, error)
            return False
        except BaseException:
            member.session.abort()
            raise
        return not member.session.is_closed

    async def ask(self, member: PoolMember) -> None:
        if self.check is True:
            await member.session.calls.execute("", (), None)
            return
        assert self.check is not None
        if await self.check(member.connection) is False:
            raise InterfaceError("the check returned False")
        if member.connection.is_in_transaction():
            raise InterfaceError("the check has left a transaction open")

    def reject(self, member: PoolMember, error: Exception) -> None:
        self.n_failed += 1
        why = f"{error}" or type(error).__name__
        naming.logger("pool").info("an idle connection of the pool has not passed the check and is replaced: %s", why)
        member.session.abort(ConnectionDoesNotExistError(f"the connection has not passed the check of its pool: {why}"))

    async def lend_to_call(self, call: Call[Any], member: PoolMember) -> None:
        """Let a one-shot call have a member that is looked at first, or the next one that is fit."""
        lender = self.pool._lender
        found: PoolMember | None = member
        try:
            while found is not None and not await self.passes(found, None):
                found = lender.take_member()
        except BaseException as error:
            lender.refuse(call, PoolClosed("pool is closed") if isinstance(error, asyncio.CancelledError) else error)
            if not isinstance(error, Exception):
                raise
            return
        if found is None:
            lender.queue_first(call)
        elif not lender.lend_to_call(call, found):
            lender.give_back_after_use(found)
