"""What asyncpg.pool has beside our own names."""
from __future__ import annotations

from typing import Any

from asyncpg_core import naming
from asyncpg_core.connection import Connection
from asyncpg_core.pool import Pool
from asyncpg_core.pool_member import PoolMember

__all__ = ("PoolConnectionHolder", "PoolConnectionProxy", "PoolConnectionProxyMeta", "logger")

logger = naming.logger("pool")


class PoolConnectionProxyMeta(type):
    """Says which connections are lent by a pool: asyncpg lends proxies, we lend objects of the connection class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Connection) and instance._pool is not None

    def __getattr__(cls, name: str) -> Any:
        return getattr(Connection, name)

    def __dir__(cls) -> list[str]:
        return dir(Connection)


class PoolConnectionProxy(metaclass=PoolConnectionProxyMeta):
    """For annotations, `isinstance` and mocks; there are no objects of this class itself."""

    def __class_getitem__(cls, item: Any) -> type[PoolConnectionProxy]:
        return cls


class PoolConnectionHolder:
    """asyncpg's face of a pool's member, or of room for one: made when somebody looks, and true as long as he does."""

    def __init__(self, pool: Pool[Any], member: PoolMember | None) -> None:
        self._pool = pool
        self._member = member

    def is_connected(self) -> bool:
        member = self._member
        return member is not None and not member.session.is_closed and member in members_of(self._pool)

    def is_idle(self) -> bool:
        return not self._in_use

    @property
    def _con(self) -> Any:
        """The connection that stays when borrowers come and go, None without one."""
        return self._member.connection if self._member is not None and self.is_connected() else None

    @property
    def _in_use(self) -> Any:
        """The connection that a borrower has; True for a call of the pool's own; None if nobody uses it."""
        if self._member is None or not self.is_connected() or self._member in self._pool._state.idle:
            return None
        return self._member.face_alive() or True

    @property
    def _inactive_callback(self) -> Any:
        """The timer that will end it when it stays idle: the pool has one for all. None if it will not."""
        is_idle = self._member is not None and self._member in self._pool._state.idle
        return self._pool._upkeep.expiry_timer if is_idle else None


class HolderQueue:
    """asyncpg's face of what a pool can lend."""

    def __init__(self, pool: Pool[Any]) -> None:
        self._pool = pool

    def qsize(self) -> int:
        """How many connections can be lent now, made first where they are not there yet."""
        state = self._pool._state
        return state.max_size - len(state.lent) - len(state.leaving) - state.n_connecting


def members_of(pool: Pool[Any]) -> list[PoolMember]:
    """Return the members that are not being closed, in the order in which they were connected."""
    state: Any = pool._state
    return sorted([*state.idle, *state.lent], key=lambda member: member.number)


def holders_of(pool: Pool[Any]) -> list[PoolConnectionHolder]:
    """Return one holder for each connection that the pool may have."""
    members: list[Any] = members_of(pool)
    return [PoolConnectionHolder(pool, member) for member in members + [None] * (pool._state.max_size - len(members))]
