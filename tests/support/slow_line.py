"""A line to the server that cuts what it says into single bytes, or delays it at random; tests need not know of it.

    with SlowLine(cluster.socket_path, "1byte") as line:
        ...connect(line.dsn)...

It runs in a thread with a loop of its own, so that any test on any loop may be on the other end. The environment
variable ASYNCPG_CORE_TEST_PROXY puts it between the tests that ask for `dsn` and their server (`make test-chunked`).
"""
import asyncio
import os
import random
import threading
from pathlib import Path

from tests.support.fault_proxy import FaultProxy

WAYS = ("1byte", "jitter")
VARIABLE = "ASYNCPG_CORE_TEST_PROXY"
# The beginning of what is read at once goes byte by byte, the rest in pieces of any size: a large result in single
# bytes would take minutes, and is not cut in other places. Nor may each of a million bytes be late.
SINGLE_BYTES = 1500
PIECE_MAX = 5000
JITTER_SECONDS = 0.002


def seconds_on_this_line(seconds: float) -> float:
    """A bound for what waits for megabytes: a larger one behind a slow line, which passes about three in a second."""
    return seconds * 12 if os.environ.get(VARIABLE) else seconds


def rows_on_this_line(n_rows: int) -> int:
    """Return how many rows a test of many of them reads: a fifth over the line that cuts."""
    return n_rows // 5 if os.environ.get(VARIABLE) else n_rows


class SlowProxy(FaultProxy):
    """Passes what the server says as `way` wants it."""

    def __init__(self, socket_path: Path, way: str, user: str, database: str) -> None:
        super().__init__(socket_path, user, database)
        if way not in WAYS:
            raise ValueError(f"{VARIABLE} is {way!r}, one of {', '.join(WAYS)} was expected")
        self.way = way
        self.chance = random.Random(20_260_725)

    def cut(self, piece: bytes) -> list[bytes]:
        n_single = min(len(piece), SINGLE_BYTES) if self.way == "1byte" else 0
        parts = [piece[at:at + 1] for at in range(n_single)]
        at = n_single
        while at < len(piece):
            n = self.chance.randrange(1, max(PIECE_MAX, len(piece) // 4))
            parts.append(piece[at:at + n])
            at += n
        return parts

    async def deliver(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        for part in self.cut(piece):
            if self.way == "jitter":
                await asyncio.sleep(self.chance.random() * JITTER_SECONDS)
            writer.write(part)
            await writer.drain()
            # Asyncio's sockets have TCP_NODELAY: each write is a segment; others get their turn in between.
            await asyncio.sleep(0)


class SlowLine:
    def __init__(self, socket_path: Path, way: str, *, user: str = "postgres", database: str = "postgres") -> None:
        self.proxy = SlowProxy(socket_path, way, user, database)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="slow line", daemon=True)

    def __enter__(self) -> "SlowLine":
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.proxy.__aenter__(), self.loop).result(10)
        self.dsn = self.proxy.dsn
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self.proxy.__aexit__(*exc), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
