"""A server scripted byte by byte for the start of a session; it knows nothing of the protocol but what a test says.

Each accepted connection runs `script(reader, writer)` and is closed when that returns; without a script it is silent
until the client goes. What a connection sent and the script did not read is read afterwards, into `received`.
"""
import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
CANCEL_REQUEST_CODE = 80877102

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


AUTHENTICATION_OK = message(b"R", struct.pack("!i", 0))
CLEARTEXT = message(b"R", struct.pack("!i", 3))
READY = message(b"Z", b"I")


def parameter(name: str, value: str) -> bytes:
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def key_data(pid: int, key: bytes) -> bytes:
    return message(b"K", struct.pack("!i", pid) + key)


def error(sqlstate: str, text: str, severity: str = "FATAL") -> bytes:
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": text}
    return message(b"E", b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0")


WELCOME = (AUTHENTICATION_OK + parameter("server_version", "18.0") + parameter("client_encoding", "UTF8")
           + key_data(7, b"key!") + READY)


async def read_startup(reader: asyncio.StreamReader) -> bytes:
    """The next message without a type byte: StartupMessage, SSLRequest or CancelRequest, whole."""
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length, "big") - 4)


def answers(*replies: bytes) -> Script:
    """A script that reads a start-up packet in front of each reply."""
    async def script(reader, writer):
        for reply in replies:
            await read_startup(reader)
            writer.write(reply)
            await writer.drain()
        await reader.read(-1)
    return script


def answers_and_closes(*replies: bytes) -> Script:
    """The same, and the server hangs up behind the last one."""
    async def script(reader, writer):
        for reply in replies:
            await read_startup(reader)
            writer.write(reply)
            await writer.drain()
    return script


class StartupServer:
    """Listens inside `async with`, on 127.0.0.1 or at `path`.

    `scripts` are for the connections in their order, the last one for all that follow.
    """

    def __init__(self, *scripts: Script, path: str | None = None) -> None:
        self.scripts = scripts
        self.path = path
        self.received: list[bytes] = []
        self.n_connections = 0
        self.connected = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> "StartupServer":
        if self.path is not None:
            self.server = await asyncio.start_unix_server(self.accept, self.path)
        else:
            self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        n = self.n_connections
        self.n_connections += 1
        self.received.append(b"")
        self.connected.set()
        try:
            if self.scripts:
                await self.scripts[min(n, len(self.scripts) - 1)](reader, writer)
            else:
                self.received[n] = await reader.read(-1)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self.tasks.discard(task)

    async def all_closed(self, seconds: float = 5.0) -> None:
        """Wait until every connection so far is at its end."""
        await asyncio.wait_for(self.connected.wait(), seconds)
        if self.tasks:
            _, open_still = await asyncio.wait(self.tasks, timeout=seconds)
            assert not open_still
