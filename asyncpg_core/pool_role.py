"""A pool that was told which kind of server it wants: a connection whose server is that no longer is not lent again.

A statement that is refused as one in a read-only transaction (25006), or by a server that is going away (57P01 to
57P03), raises the doubt; the member is asked when it comes back. A standby that is promoted says so by itself.
"""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from asyncpg_core.connect import fits
from pgproto.errors import ConnectionDoesNotExistError

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool
    from asyncpg_core.pool_member import PoolMember

# What the answer to our question may take.
ROLE_SECONDS = 5.0
ROLE_QUERY = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on'"
# With these there is one server that fits: when it is another one now, every connection leads to the wrong one.
ONLY_ONE_FITS = ("primary", "read-write")
# Whatever a server becomes, it is one of those that were asked for.
NEVER_UNFIT = ("any", "prefer-standby")


class RoleWatch:
    """Knows what kind of server the members of one pool are to be on."""

    __slots__ = ("n_evicted", "pool", "wanted")

    def __init__(self, pool: Pool[Any], wanted: str) -> None:
        self.pool = pool
        self.wanted = wanted
        self.n_evicted = 0

    def takes(self, member: PoolMember) -> bool:
        """Whether a member that is given back is not free yet, because its server has to be asked what it is."""
        standby = member.session.frontend.parameters.get("in_hot_standby")
        is_other = standby is not None and not fits(self.wanted, standby == "on", standby == "on")
        if not (member.is_doubted or is_other):
            return False
        self.pool._start(self.look_at(member))
        return True

    async def look_at(self, member: PoolMember) -> None:
        """Ask the server what it is; lend the member again, or evict it."""
        member.is_doubted = False
        try:
            row = await member.session.calls.fetchrow(ROLE_QUERY, (), ROLE_SECONDS, None)
            is_fit = fits(self.wanted, row[0], row[0] or row[1])
        except asyncio.CancelledError:
            member.session.abort()
            raise
        except Exception as error:
            member.session.abort(ConnectionDoesNotExistError(f"the server does not say which role it has: {error}"))
            return
        if is_fit:
            self.pool._lender.give_back_clean(member)
        else:
            self.evict(member)

    def evict(self, member: PoolMember) -> None:
        """Close a member; where only one server fits, all of them."""
        pool = self.pool
        self.n_evicted += 1
        naming.logger("pool").warning(
            "the server of a pooled connection is no longer one that target_session_attrs=%s asks for", self.wanted)
        pool._retire(member)
        if self.wanted in ONLY_ONE_FITS:
            pool._outdate()
        pool._upkeep.fill()


def watch_of(pool: Pool[Any], connection: Any) -> RoleWatch | None:
    """Return what watches the members of a pool whose first connection is given, None if any server will do."""
    params = getattr(connection, "_params", None)
    wanted = getattr(params, "target_session_attrs", "any")
    return None if wanted in NEVER_UNFIT else RoleWatch(pool, wanted)
