"""What asyncpg.pool has beside our own names."""
from __future__ import annotations

from typing import Any

from asyncpg_core.connection import Connection
from asyncpg_core.pool_member import PoolMember as PoolConnectionHolder

__all__ = ("PoolConnectionHolder", "PoolConnectionProxy", "PoolConnectionProxyMeta")


class PoolConnectionProxyMeta(type):
    """Says which connections are lent by a pool: asyncpg lends proxies, we lend objects of the connection class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Connection) and instance._pool is not None


class PoolConnectionProxy(metaclass=PoolConnectionProxyMeta):
    """For annotations and `isinstance`; there are no objects of this class itself."""

    def __class_getitem__(cls, item: Any) -> type[PoolConnectionProxy]:
        return cls
