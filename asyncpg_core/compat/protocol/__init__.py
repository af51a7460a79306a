"""What asyncpg.protocol has beside our own names."""
from __future__ import annotations

from pgproto.codecs.registry import builtin_codec
from pgproto.oids import NAME_OF, OID_OF, SQL_ALIASES

# The default of `timeout` in asyncpg's protocol: no time was given, which is not the same as None.
NO_TIMEOUT = object()
# The rows of the catalogue's own tables are composites that a session has to ask for.
BUILTIN_TYPE_OID_MAP = {oid: name for oid, name in NAME_OF.items() if builtin_codec(oid) is not None}
BUILTIN_TYPE_NAME_MAP = {**OID_OF, **{alias: OID_OF[name] for alias, name in SQL_ALIASES.items()}}

__all__ = ("BUILTIN_TYPE_NAME_MAP", "NO_TIMEOUT")
