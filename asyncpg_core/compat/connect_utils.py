"""asyncpg.connect_utils: the settings of a connection under asyncpg's names."""
from __future__ import annotations

import asyncio
import enum
from typing import Any, NamedTuple

from asyncpg_core import cancel
from asyncpg_core.connect import Attempt, observer
from asyncpg_core.dial import Route
from asyncpg_core.dsn import resolve
from asyncpg_core.options import SESSION_ATTRIBUTES, ClientOptions, ConnectOptions, SslMode, TcpAddress
from asyncpg_core.tls import context_of
from pgproto.secret import Secret

PGPASSFILE = ".pgpass"
PG_SERVICEFILE = ".pg_service.conf"
SSLMode = SslMode
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


class _ConnectionParameters(NamedTuple):
    """What asyncpg calls the settings that are not addresses."""

    user: str
    password: Any
    database: str
    ssl: Any
    sslmode: SslMode | None
    ssl_negotiation: Any
    server_settings: dict[str, str] | None
    target_session_attrs: Any
    krbsrvname: str | None
    gsslib: str


async def _connect_addr(*, addr: Any, params: ConnectOptions, attempt: Attempt) -> Any:
    """Start a session at one address: tracers replace this name. `addr` is host and port, or a socket's path."""
    return await attempt()


async def _observed(route: Route, options: ConnectOptions, attempt: Attempt) -> Any:
    # Looked up now: it may have been replaced.
    return await _connect_addr(addr=route.address.dialled_address, params=options, attempt=attempt)


observer[0] = _observed


async def _cancel(
    *, loop: Any, addr: Any, params: tuple[Route, ConnectOptions], backend_pid: int, backend_secret: bytes
) -> None:
    """Send a CancelRequest; `params` is how the session was reached, `addr` where."""
    await cancel.send_directly(*params, backend_pid, backend_secret)


async def _cancel_by_name(route: Route, options: ConnectOptions, pid: int, key: bytes) -> None:
    # Looked up now: it may have been replaced.
    await _cancel(loop=asyncio.get_running_loop(), addr=route.address.dialled_address, params=(route, options),
                  backend_pid=pid, backend_secret=key)


cancel.way[0] = _cancel_by_name


def _parse_connect_dsn_and_args(*, dsn: str | None, **given: Any) -> tuple[list[Any], _ConnectionParameters]:
    """Return the addresses and the settings that `connect` would use, as asyncpg shows them.

    `password` is one, or a list of one for each address where a password file has several.
    """
    options = resolve(dsn, **given)
    revealed = [password.reveal() if isinstance(password, Secret) else password for password in options.passwords]
    is_one = all(password == revealed[0] for password in revealed)
    has_tcp = any(isinstance(address, TcpAddress) for address in options.addresses)
    is_tls = options.tls.mode is not SslMode.disable
    return [address.dialled_address for address in options.addresses], _ConnectionParameters(
        user=options.user,
        password=revealed[0] if is_one else revealed,
        database=options.database,
        ssl=context_of(options.tls) if is_tls else False if has_tcp else None,
        sslmode=options.tls.mode if is_tls else SslMode.disable,
        ssl_negotiation=SSLNegotiation(options.tls.negotiation),
        server_settings=options.server_settings or None,
        target_session_attrs=SessionAttribute(options.target_session_attrs),
        krbsrvname=None if options.krbsrvname == "postgres" and given.get("krbsrvname") is None else options.krbsrvname,
        gsslib=options.gsslib)
