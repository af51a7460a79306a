"""asyncpg.serverversion."""
from asyncpg_core.server_version import ServerVersion, split_server_version_string

__all__ = ("ServerVersion", "split_server_version_string")
