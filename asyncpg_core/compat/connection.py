"""What asyncpg.connection has beside our own names."""
from __future__ import annotations

from asyncpg_core.connection import Connection
from asyncpg_core.server_version import ServerCapabilities

# A connection that a pool lends is one of the connection class, so no metaclass has to say so.
ConnectionMeta = type(Connection)
# asyncpg counts the names that it gives on the server here; ours are unique across processes and need no counter.
_uid = 0

__all__ = ("ConnectionMeta", "ServerCapabilities", "_uid")
