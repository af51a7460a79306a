"""From an address to a connected socket, with or without TLS: what connecting and cancelling share.

A CancelRequest must travel like the session it belongs to, so both come through here: the same address, the same TLS
mode, the same context.
"""
from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import sys
from dataclasses import dataclass
from typing import Any

from asyncpg_core.options import Address, ConnectOptions, TcpAddress, TlsOptions, UnixAddress
from asyncpg_core.tls import ALPN, context_of, server_hostname
from pgproto.errors import ClientConfigurationError, InterfaceError, ProtocolError, UnsupportedClientFeatureError
from pgproto.messages.frontend import ssl_request

# Of struct tcp_info in linux/tcp.h: tcpi_rtt, in microseconds.
ROUND_TRIP = struct.Struct("@68xI")
# Linux's struct ucred: process, user and group id.
PEER_CREDENTIALS = struct.Struct("3i")
# First bytes of the answers to SSLRequest that other servers give.
STRANGERS = {
    b"H": ": it seems to speak HTTP",
    b"<": ": it seems to speak HTTP",
    b"\x15": ": it seems to speak TLS without being asked, which sslnegotiation=direct is for",
}


class TlsRefused(ConnectionError):
    """The server does not do TLS on this port, or what answers is no PostgreSQL server."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a session reached its server: one resolved address, and TLS or not."""

    family: int
    sockaddr: Any
    address: Address
    is_tls: bool


async def resolve_address(address: Address) -> list[tuple[int, Any]]:
    """Return the socket families and addresses of a host, in the system's order."""
    if isinstance(address, UnixAddress):
        if not hasattr(socket, "AF_UNIX"):
            raise ClientConfigurationError(f"unix-domain sockets are not available here: {address}")
        return [(socket.AF_UNIX, address.dialled)]
    try:
        # A number is no question to anybody: it needs no thread.
        found = socket.getaddrinfo(address.dialled, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(address.dialled, address.port, type=socket.SOCK_STREAM)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def set_socket_options(sock: socket.socket, options: ConnectOptions) -> None:
    """Apply TCP_NODELAY, the keepalive settings and tcp_user_timeout, as far as the system has them."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wanted = {"TCP_USER_TIMEOUT": options.tcp_user_timeout}
    if options.keepalives:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
        wanted |= {idle: options.keepalives_idle, "TCP_KEEPINTVL": options.keepalives_interval,
                   "TCP_KEEPCNT": options.keepalives_count}
    for name, value in wanted.items():
        if value is not None and hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def open_socket(route: Route, options: ConnectOptions) -> socket.socket:
    """Return a connected, non-blocking socket; OSError names the address."""
    sock = socket.socket(route.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if isinstance(route.address, TcpAddress):
            set_socket_options(sock, options)
        try:
            await asyncio.get_running_loop().sock_connect(sock, route.sockaddr)
        except OSError as error:
            # asyncio and uvloop word this differently; say which address it was, keep the number.
            text = os.strerror(error.errno) if error.errno is not None else str(error) or type(error).__name__
            raise type(error)(error.errno, f"cannot connect to {route.address}: {text}") from error
        if options.requirepeer is not None and isinstance(route.address, UnixAddress):
            check_peer(sock, options.requirepeer)
    except BaseException:
        sock.close()
        raise
    return sock


def round_trip_of(sock: socket.socket) -> float:
    """Return the seconds to the peer and back as the kernel measured them, 0 if it is here or nobody knows.

    The time that connecting took is no measure: a busy loop adds to it.
    """
    if sys.platform != "linux" or sock.family == socket.AF_UNIX:
        return 0.0
    try:
        information = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ROUND_TRIP.size)
    except OSError:
        return 0.0
    return ROUND_TRIP.unpack(information)[0] / 1e6 if len(information) == ROUND_TRIP.size else 0.0


def check_peer(sock: socket.socket, wanted: str) -> None:
    """Refuse a server behind a unix socket that runs as another user than requirepeer names."""
    import pwd  # not on Windows

    uid = peer_user_id(sock)
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user id {uid}"
    if name != wanted:
        raise InterfaceError(f"requirepeer asks for {wanted!r}, but the server runs as {name!r}")


def peer_user_id(sock: socket.socket) -> int:
    """Return the user id of the process at the other end of a unix socket."""
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = PEER_CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED,
                                                            PEER_CREDENTIALS.size))
        return int(uid)
    if sys.platform == "darwin":
        # struct xucred begins with its version and the user id; 76 is the size of the whole, 0 and 1 are SOL_LOCAL and
        # LOCAL_PEERCRED of sys/un.h.
        _, uid = struct.unpack_from("II", sock.getsockopt(0, 1, 76))
        return int(uid)
    raise UnsupportedClientFeatureError("requirepeer cannot be checked on this platform")


async def ask_for_tls(sock: socket.socket, address: Address) -> bool:
    """Send SSLRequest and return whether the server agrees.

    Nothing that comes before TLS is trusted or shown: the text of an error could be anybody's.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, ssl_request())
    answer = await loop.sock_recv(sock, 1)
    if answer == b"E":
        raise TlsRefused(f'PostgreSQL server at "{address}": server sent an error response during SSL exchange; '
                         "check the server logs for details")
    if answer == b"":
        raise TlsRefused(f"the server at {address} closed the connection when it was asked for SSL")
    if answer not in (b"S", b"N"):
        stranger = STRANGERS.get(answer, "")
        raise TlsRefused(f"the server at {address} answered the request for SSL with {answer!r}{stranger}")
    refuse_stuffed(sock, address)
    return answer == b"S"


def refuse_stuffed(sock: socket.socket, address: Address) -> None:
    """Behind the answer there must be nothing: somebody could have put it there."""
    try:
        waiting = sock.recv(4, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return
    if waiting.startswith(b"SH-"):
        raise TlsRefused(f"the peer at {address} does not speak PostgreSQL's protocol: it seems to speak SSH")
    if waiting:
        raise TlsRefused(f"the server at {address} sent data in the clear behind its answer to the request for SSL")


async def demand_tls(sock: socket.socket, address: Address, tls: TlsOptions) -> None:
    """Bring the socket to where the handshake begins; TlsRefused if the server does not do TLS."""
    if tls.negotiation != "direct" and not await ask_for_tls(sock, address):
        raise TlsRefused(f'PostgreSQL server at "{address}" rejected SSL upgrade')


async def start_tls(sock: socket.socket, address: Address, tls: TlsOptions, protocol: asyncio.BaseProtocol) -> Any:
    """Do the handshake and return the asyncio transport that `protocol` got; it owns the socket."""
    loop = asyncio.get_running_loop()
    context = await context_off_loop(tls)
    if tls.negotiation == "direct" and tls.context is not None:
        context.set_alpn_protocols([ALPN])
    name = server_hostname(tls, address)
    stream, _ = await loop.create_connection(
        lambda: protocol, sock=sock, ssl=context, server_hostname=name if name is not None else "")
    if tls.negotiation == "direct" and stream.get_extra_info("ssl_object").selected_alpn_protocol() != ALPN:
        # Without it the other end may be a server of another protocol that got mixed up with ours.
        stream.abort()
        raise ProtocolError(f"the server at {address} did not agree to the protocol {ALPN!r} in direct TLS (ALPN)")
    return stream


async def context_off_loop(tls: TlsOptions) -> ssl.SSLContext:
    """Return the TLS context; its files are read in a thread."""
    if tls.context is not None or tls.made.context is not None:
        return context_of(tls)
    return await asyncio.get_running_loop().run_in_executor(None, context_of, tls)
