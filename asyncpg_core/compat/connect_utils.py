"""asyncpg.connect_utils: the settings of a connection under asyncpg's names."""
from __future__ import annotations

import enum

from asyncpg_core.options import SESSION_ATTRIBUTES, ClientOptions, ConnectOptions, SslMode

PGPASSFILE = ".pgpass"
PG_SERVICEFILE = ".pg_service.conf"
SSLMode = SslMode
_ConnectionParameters = ConnectOptions
_ClientConfiguration = ClientOptions
# What asks a server for TLS, and what asks it to cancel: 1234 in the upper half of an int32.
_SSL_REQUEST_CODE = 1234 << 16 | 5679


class _Word(str, enum.Enum):
    """A word of libpq's; its str() is the word on every Python."""

    def __str__(self) -> str:
        return str(self.value)


SessionAttribute = _Word("SessionAttribute", {name.replace("-", "_"): name for name in SESSION_ATTRIBUTES})  # type: ignore[call-overload]
SSLNegotiation = _Word("SSLNegotiation", {name: name for name in ("postgres", "direct")})  # type: ignore[call-overload]

__all__ = ("PGPASSFILE", "PG_SERVICEFILE", "SSLMode", "SSLNegotiation", "SessionAttribute")
