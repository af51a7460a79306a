"""CancelRequest: a connection of its own, over the same kind of path as the session that it concerns.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
"""
from __future__ import annotations

import asyncio

from asyncpg_core.dial import Route, demand_tls, open_socket, start_tls
from asyncpg_core.options import ConnectOptions
from pgproto.errors import InterfaceError
from pgproto.messages.frontend import cancel_request


class UntilClosed(asyncio.Protocol):
    """Waits for the peer to hang up: by then the server has signalled the backend."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def send_cancel_request(route: Route, options: ConnectOptions, pid: int, key: bytes | None) -> None:
    """Ask the server to cancel what the session `pid` is executing; returns when the server has hung up.

    Never in the clear when the session was encrypted. The caller bounds the time.
    """
    if key is None:
        raise InterfaceError("the server gave the session no cancel key")
    await way[0](route, options, pid, key)


async def send_directly(route: Route, options: ConnectOptions, pid: int, key: bytes) -> None:
    """Send the request as `send_cancel_request` says."""
    request = cancel_request(pid, key)
    loop = asyncio.get_running_loop()
    sock = await open_socket(route, options)
    try:
        if route.is_tls:
            protocol = UntilClosed()
            await demand_tls(sock, route.address, options.tls)
            stream = await start_tls(sock, route.address, options.tls, protocol)
            try:
                stream.write(request)
                await protocol.closed
            finally:
                stream.abort()
        else:
            await loop.sock_sendall(sock, request)
            try:
                await loop.sock_recv(sock, 1)
            except ConnectionResetError:
                pass    # The server may hang up hard; the request has arrived.
    finally:
        sock.close()


# How a request is sent: compat puts asyncpg's function here, so that who replaces that one is on the way.
way = [send_directly]
