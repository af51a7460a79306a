"""What asyncpg.protocol has beside our own names."""
from __future__ import annotations

from pgproto.oids import NAME_OF, OID_OF, SQL_ALIASES

# The default of `timeout` in asyncpg's protocol: no time was given, which is not the same as None.
NO_TIMEOUT = object()
BUILTIN_TYPE_OID_MAP = dict(NAME_OF)
BUILTIN_TYPE_NAME_MAP = {**OID_OF, **{alias: OID_OF[name] for alias, name in SQL_ALIASES.items()}}

__all__ = ("BUILTIN_TYPE_NAME_MAP", "NO_TIMEOUT")
