"""From an address to a connected socket, with or without TLS: what connecting and cancelling share.

A CancelRequest must travel like the session it belongs to, so both come through here: the same address, the same TLS mode,
the same context.
"""
from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from dataclasses import dataclass
from typing import Any

from asyncpg_core.options import Address, ConnectOptions, TcpAddress, TlsOptions, UnixAddress
from asyncpg_core.tls import context_of, server_hostname
from pgproto.errors import ClientConfigurationError, ProtocolError
from pgproto.messages.frontend import ssl_request

# A host name may have many addresses; each that is tried gets what is left of the attempt's time.


class TlsRefused(ConnectionError):
    """The server does not do TLS on this port."""


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
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.dialled, address.port, type=socket.SOCK_STREAM)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def set_socket_options(sock: socket.socket, options: ConnectOptions) -> None:
    """Apply TCP_NODELAY, the keepalive settings and tcp_user_timeout, as far as the system has them."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not options.keepalives:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    for name, value in (
        (idle, options.keepalives_idle),
        ("TCP_KEEPINTVL", options.keepalives_interval),
        ("TCP_KEEPCNT", options.keepalives_count),
        ("TCP_USER_TIMEOUT", options.tcp_user_timeout),
    ):
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
            text = error.strerror or str(error) or type(error).__name__
            raise type(error)(error.errno, f"cannot connect to {route.address}: {text}") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def ask_for_tls(sock: socket.socket, address: Address) -> None:
    """Send SSLRequest and read the one byte that answers it; TlsRefused for 'N'.

    Nothing that comes before TLS is trusted or shown: the text of an error could be anybody's.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, ssl_request())
    answer = await loop.sock_recv(sock, 1)
    if answer == b"N":
        raise TlsRefused(f"the server at {address} rejected SSL upgrade")
    if answer == b"E":
        raise ConnectionError(f"the server at {address} answered the request for SSL with an error")
    if answer == b"":
        raise ConnectionError(f"the server at {address} closed the connection when it was asked for SSL")
    if answer != b"S":
        raise ProtocolError(f"the server at {address} answered the request for SSL with {answer!r}")


def refuse_stuffed(sock: socket.socket, address: Address) -> None:
    """Between 'S' and the handshake there must be nothing: somebody could have put it there."""
    try:
        waiting = sock.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return
    if waiting:
        raise ProtocolError(f"the server at {address} sent data in the clear behind its answer to the request for SSL")


async def start_tls(sock: socket.socket, route: Route, tls: TlsOptions, protocol: asyncio.BaseProtocol) -> Any:
    """Do the handshake on a connected socket and return the asyncio transport that `protocol` got."""
    loop = asyncio.get_running_loop()
    context = await context_off_loop(tls)
    if tls.negotiation == "direct":
        if tls.context is not None:
            context.set_alpn_protocols(["postgresql"])
    else:
        await ask_for_tls(sock, route.address)
        refuse_stuffed(sock, route.address)
    name = server_hostname(tls, route.address)
    stream, _ = await loop.create_connection(
        lambda: protocol, sock=sock, ssl=context, server_hostname=name if name is not None else "")
    return stream


async def context_off_loop(tls: TlsOptions) -> ssl.SSLContext:
    """Return the TLS context; its files are read in a thread."""
    if tls.context is not None or tls.made.context is not None:
        return context_of(tls)
    return await asyncio.get_running_loop().run_in_executor(None, context_of, tls)
