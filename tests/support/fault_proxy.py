"""A proxy between the driver and a real server that delays, cuts into pieces, swallows and breaks what passes.

    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        proxy.latency_seconds = 0.05
        proxy.flights.clear()

`flights` lists what the client sent, one entry per round trip: bytes that leave before the answer to earlier ones has
been delivered belong to the same flight.
"""
import asyncio
import contextlib
import random
import socket
import struct
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and forwards to the server's unix socket, or to its `port`, which has TLS.

    `latency_seconds` delays what the server says, `jitter_seconds` by anything between two bounds; `chunk` is the most
    bytes that are passed at once; while `is_black_hole` nothing moves and nothing is closed; after `cut_after` more
    bytes from the server the connection is reset.
    """

    def __init__(self, socket_path: Path, user: str = "postgres", database: str = "postgres", *,
                 port: int | None = None) -> None:
        self.socket_path = socket_path
        self.target_port = port
        self.user = user
        self.database = database
        self.latency_seconds = 0.0
        self.jitter_seconds: tuple[float, float] | None = None
        self.notes_flights = True
        self.chunk = 65536
        self.cut_after: int | None = None
        self.flights: list[bytes] = []
        self.n_connections = 0
        self.n_from_server = 0
        self.flow = asyncio.Event()
        self.flow.set()
        self.client_is_next = True
        self.is_closed = False
        self.tasks: list[asyncio.Task[None]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "FaultProxy":
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]
        self.dsn = f"postgresql://{self.user}@127.0.0.1:{self.port}/{self.database}?sslmode=disable"
        return self

    def dsn_like(self, dsn: str) -> str:
        """Return another URI as it is, but for the place: that is the proxy."""
        parts = urlsplit(dsn)
        user = parts.netloc.rpartition("@")[0]
        query = {name: value for name, value in parse_qsl(parts.query) if name not in ("host", "port")}
        return parts._replace(netloc=f"{user}@127.0.0.1:{self.port}",
                              query=urlencode({"sslmode": "disable", **query}, quote_via=quote, safe="/")).geturl()

    async def __aexit__(self, *exc: object) -> None:
        self.is_closed = True
        # asyncio loses a socket that was accepted in the round in which its listener is closed. The last one to come is
        # the CancelRequest of a connection that has just been given up.
        await asyncio.sleep(0.02)
        self.listener.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for writer in self.writers:
            writer.transport.abort()
        # What was accepted in this round of the loop is told in the next ones, and what was aborted is closed then.
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def is_black_hole(self) -> bool:
        return not self.flow.is_set()

    @is_black_hole.setter
    def is_black_hole(self, value: bool) -> None:
        if value:
            self.flow.clear()
        else:
            self.flow.set()

    def reset_all(self) -> None:
        """Break every connection with RST."""
        for writer in self.writers:
            self.reset(writer)

    def reset(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        if not writer.is_closing() and sock.family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_closed:
            writer.transport.abort()
            return
        self.writers.append(writer)
        self.tasks.append(asyncio.get_running_loop().create_task(self.forward(reader, writer)))

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.target_port is None:
            return await asyncio.open_unix_connection(str(self.socket_path))
        return await asyncio.open_connection("127.0.0.1", self.target_port)

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        opening = asyncio.ensure_future(self.open())
        try:
            server_reader, server_writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # One that is cancelled on its last step leaves its transport behind.
            (await opening)[1].transport.abort()
            raise
        self.writers.append(server_writer)
        up = asyncio.ensure_future(self.pump(reader, server_writer, from_server=False))
        down = asyncio.ensure_future(self.pump(server_reader, writer, from_server=True))
        try:
            await asyncio.gather(up, down)
            # To close with something unread is to reset the connection, which the server would tell of.
            with contextlib.suppress(ConnectionError):
                while await server_reader.read(65536):
                    pass
        finally:
            up.cancel()
            down.cancel()
            server_writer.close()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(self.chunk):
                await self.flow.wait()
                if from_server:
                    if self.latency_seconds:
                        await asyncio.sleep(self.latency_seconds)
                    if self.jitter_seconds is not None:
                        await asyncio.sleep(random.uniform(*self.jitter_seconds))
                    self.client_is_next = True
                    self.n_from_server += len(piece)
                    if self.cut_after is not None and len(piece) >= self.cut_after:
                        writer.write(piece[:self.cut_after])
                        self.reset(writer)
                        return
                    if self.cut_after is not None:
                        self.cut_after -= len(piece)
                elif not self.notes_flights:
                    pass
                elif self.client_is_next:
                    self.client_is_next = False
                    self.flights.append(piece)
                else:
                    self.flights[-1] += piece
                if from_server:
                    await self.deliver(writer, piece)
                else:
                    writer.write(piece)
                    await writer.drain()
        await self.flow.wait()
        if from_server or not writer.can_write_eof():
            writer.close()
        elif not writer.is_closing():
            writer.write_eof()

    async def deliver(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        """Pass to the client what the server has said."""
        writer.write(piece)
        await writer.drain()
