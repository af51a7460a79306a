"""A server that follows a script, message by message, for what a real one will not do on demand.

    async def script(session):
        await session.start()
        await session.take_to("S")                     # up to the next Sync
        session.send(error("57P01", "bye", severity="FATAL"))
        session.hang_up()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)

Each connection runs the script anew; a CancelRequest is noted in `cancels` and closed, or left open if `answers_cancel`
is False. What fails in a script fails the test when the block is left.
"""
import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

CANCEL_CODE = 80877102
PID = 4711
KEY = b"key!"
PARAMETERS = {"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on",
              "integer_datetimes": "on"}
OID_INT4 = 23
# A script that waits for what never comes must not hang the run.
TAKE_SECONDS = 20.0


# What a backend says

def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def ready(status: str = "I") -> bytes:
    return message("Z", status.encode())


def complete(tag: str) -> bytes:
    return message("C", tag.encode() + b"\0")


def error(sqlstate: str, text: str, *, severity: str = "ERROR", **fields: str) -> bytes:
    """An ErrorResponse; `fields` are added by their one-letter codes."""
    parts = {"S": severity, "V": severity, "C": sqlstate, "M": text, **fields}
    return message("E", b"".join(code.encode() + value.encode() + b"\0" for code, value in parts.items()) + b"\0")


def notice(text: str) -> bytes:
    return b"N" + error("00000", text, severity="NOTICE")[1:]


def parameter_description(*oids: int) -> bytes:
    return message("t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def row_description(*names: str, oid: int = OID_INT4, text_format: bool = False) -> bytes:
    columns = b"".join(name.encode() + b"\0" + struct.pack("!IhIhih", 0, 0, oid, 4, -1, 0 if text_format else 1)
                       for name in names)
    return message("T", struct.pack("!H", len(names)) + columns)


def data_row(*values: int) -> bytes:
    return message("D", struct.pack("!H", len(values)) + b"".join(struct.pack("!ii", 4, value) for value in values))


PARSED, BOUND, CLOSED, NO_DATA = message("1"), message("2"), message("3"), message("n")
# Answers to a Prepare and to an Execute of `select .. as a`, an int4.
DESCRIBED = PARSED + parameter_description() + row_description("a", text_format=True)
ONE_ROW = BOUND + data_row(1) + complete("SELECT 1")


class CutReached(Exception):
    """The byte `cut_at` is sent: the script says how the connection ends."""


class FakeSession:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, startup: bytes) -> None:
        self.reader = reader
        self.writer = writer
        self.startup = startup
        self.taken: list[tuple[str, bytes]] = []
        self.n_sent = 0
        self.cut_at: int | None = None

    async def start(self) -> None:
        """Let the client in."""
        told = b"".join(message("S", name.encode() + b"\0" + value.encode() + b"\0")
                        for name, value in PARAMETERS.items())
        self.send(message("R", struct.pack("!i", 0)) + told + message("K", struct.pack("!i", PID) + KEY) + ready())

    async def take(self) -> tuple[str, bytes]:
        """The next message's kind and body; IncompleteReadError if the client has gone."""
        head = await asyncio.wait_for(self.reader.readexactly(5), TAKE_SECONDS)
        body = await self.reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
        self.taken.append((head[:1].decode(), body))
        return self.taken[-1]

    async def take_to(self, *kinds: str) -> str:
        """Take up to and with the first message of one of `kinds`; the kinds of all in one string."""
        found = ""
        while not found.endswith(kinds or "S"):
            found += (await self.take())[0]
        return found

    def send(self, *parts: bytes) -> None:
        """Send, up to the byte `cut_at` where CutReached is raised."""
        data = b"".join(parts)
        if self.cut_at is not None and self.n_sent + len(data) >= self.cut_at:
            self.writer.write(data[:self.cut_at - self.n_sent])
            self.n_sent = self.cut_at
            raise CutReached
        self.n_sent += len(data)
        self.writer.write(data)

    def hang_up(self) -> None:
        """Close as a process that ends does."""
        self.writer.close()

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self.take()

    async def serve(self) -> None:
        """Answer whatever comes as `select 1 as a` until the client goes."""
        answers = {"P": PARSED, "B": BOUND, "E": data_row(1) + complete("SELECT 1"), "S": ready(), "C": CLOSED,
                   "Q": complete("SELECT 1") + ready(), "H": b""}
        described = {"S": parameter_description() + row_description("a", text_format=True), "P": row_description("a")}
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                kind, body = await self.take()
                if kind == "X":
                    self.writer.close()
                    return
                self.send(described[chr(body[0])] if kind == "D" else answers[kind])


Script = Callable[[FakeSession], Awaitable[None]]


class FakeServer:
    """The listener on a free port of 127.0.0.1; `sessions` are its connections, `cancels` the requests to cancel."""

    def __init__(self, script: Script, *, answers_cancel: bool = True) -> None:
        self.script = script
        self.answers_cancel = answers_cancel
        self.sessions: list[FakeSession] = []
        self.cancels: list[tuple[int, bytes]] = []
        self.cancelled = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "FakeServer":
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        port = self.listener.sockets[0].getsockname()[1]
        # Who has chosen how to prepare is not asked for the server's process first.
        self.dsn_of_default = f"postgresql://someone@127.0.0.1:{port}/some?sslmode=disable"
        self.dsn = f"{self.dsn_of_default}&prepare=always"
        return self

    async def __aexit__(self, kind: object, failure: object, traceback: object) -> None:
        self.listener.close()
        if failure is not None:
            for task in self.tasks:
                task.cancel()
        outcomes = await asyncio.gather(*self.tasks, return_exceptions=True)
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        for outcome in outcomes:
            if failure is None and isinstance(outcome, BaseException):
                raise outcome

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.tasks.append(asyncio.get_running_loop().create_task(self.run(reader, writer)))

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (n_bytes,) = struct.unpack("!i", await reader.readexactly(4))
            startup = await reader.readexactly(n_bytes - 4)
        except (asyncio.IncompleteReadError, ConnectionError):
            return      # a client that has changed its mind: a CancelRequest whose time was over
        if struct.unpack_from("!i", startup)[0] == CANCEL_CODE:
            self.cancels.append((struct.unpack_from("!i", startup, 4)[0], startup[8:]))
            self.cancelled.set()
            if not self.answers_cancel:
                await reader.read()
            writer.close()
            return
        session = FakeSession(reader, writer, startup)
        self.sessions.append(session)
        await self.script(session)
