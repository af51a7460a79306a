"""How much memory one thing takes at its peak, measured in a process that does nothing else.

    python -m tests.memory              all cases, the long ones too, on a server of its own: a table
    python -m tests.memory CASE DSN     one case, as JSON

Printed is what the peak of resident memory has grown by, in KiB, and what the case itself has counted. The cases are
the lines of docs/reliability-time.md about memory. The table exits with 1 if a figure is above its bound; the short
cases are tests too (tests/live/test_memory.py).
"""
from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg_core
from tests.support.cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIG = 100_000_000
Case = Callable[[Any, Any], Awaitable[dict[str, float]]]


def peak_kib() -> int:
    """The peak of resident memory. Not of getrusage where there is another way: there a process begins with the peak of
    the one that has started it."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


class Growth:
    """How far the peak has grown since `start`."""

    def __init__(self) -> None:
        self.before = 0

    def start(self) -> None:
        self.before = peak_kib()

    def kib(self) -> int:
        return peak_kib() - self.before


async def at_rest(count: Callable[[], int]) -> None:
    """Wait until what is counted stands still."""
    before = -1
    while before != count():
        before = count()
        await asyncio.sleep(0.2)


async def rows_by_cursor(connection: Any, growth: Growth) -> dict[str, float]:
    async def read(n: int) -> int:
        n_rows = 0
        async with connection.transaction():
            async for _ in connection.cursor(
                    "SELECT i, repeat('x', 200) FROM generate_series(1, $1::int) i", n, prefetch=500):
                n_rows += 1
        return n_rows

    await read(5000)
    growth.start()
    return {"rows": await read(200_000)}


async def stalled_sink(connection: Any, growth: Growth) -> dict[str, float]:
    n_bytes = 0
    stalled = asyncio.Event()

    async def sink(piece: bytes) -> None:
        nonlocal n_bytes
        n_bytes += len(piece)
        if n_bytes > 1_000_000 and not stalled.is_set():
            stalled.set()
            await asyncio.sleep(1)

    async def copy(n: int) -> None:
        await connection.copy_from_query(
            f"SELECT i, repeat('x', 1000) FROM generate_series(1, {n}) i", output=sink)

    await copy(500)
    growth.start()
    await copy(100_000)
    return {"bytes": n_bytes, "stalled": float(stalled.is_set())}


async def blocked(connection: Any, start: Callable[[], Any], count: Callable[[], int]) -> dict[str, float]:
    """Let a task write to a server that has stopped, until it gets no further; then let the server go on."""
    task = asyncio.ensure_future(start())
    while not count():
        await asyncio.sleep(0.001)
    os.kill(connection.get_server_pid(), signal.SIGSTOP)
    try:
        await at_rest(count)
        n_held = count()
    finally:
        os.kill(connection.get_server_pid(), signal.SIGCONT)
    await task
    return {"given while blocked": n_held, "given": count()}


async def copy_in_while_blocked(connection: Any, growth: Growth) -> dict[str, float]:
    n = 0
    piece = b"1\t" + b"x" * 99_997 + b"\n"

    async def source(n_pieces: int) -> Any:
        nonlocal n
        for _ in range(n_pieces):
            n += 1
            yield piece

    await connection.copy_to_table("memory_sink", source=source(20))
    n = 0
    growth.start()
    return await blocked(connection, lambda: connection.copy_to_table("memory_sink", source=source(600)), lambda: n)


async def executemany_while_blocked(connection: Any, growth: Growth) -> dict[str, float]:
    n = 0
    text = "x" * 10_000

    def elements(n_elements: int) -> Any:
        nonlocal n
        for i in range(n_elements):
            n += 1
            yield i, text

    insert = "INSERT INTO memory_sink VALUES ($1, $2)"
    await connection.executemany(insert, elements(200))
    n = 0
    growth.start()
    return await blocked(connection, lambda: connection.executemany(insert, elements(6000)), lambda: n)


async def text_down(connection: Any, growth: Growth) -> dict[str, float]:
    growth.start()
    value = await connection.fetchval("SELECT repeat('x', $1::int)", BIG)
    return {"times": growth.kib() * 1024 / len(value)}


async def text_up(connection: Any, growth: Growth) -> dict[str, float]:
    value = "x" * BIG
    growth.start()
    assert await connection.fetchval("SELECT length($1::text)", value) == BIG
    # Beyond the value itself.
    return {"times": growth.kib() * 1024 / BIG}


async def small_rows(connection: Any, growth: Growth, n_rows: int = 1_000_000) -> dict[str, float]:
    await connection.fetch("SELECT i FROM generate_series(1048577, 1049577) i")
    growth.start()
    rows = await connection.fetch("SELECT i FROM generate_series(1048577, 1048576 + $1::int) i", n_rows)
    assert len(rows) == n_rows
    return {"bytes per row": growth.kib() * 1024 / n_rows}


async def five_million_rows(connection: Any, growth: Growth) -> dict[str, float]:
    return await small_rows(connection, growth, 5_000_000)


async def flat(growth: Growth, work: Callable[[int], Awaitable[None]], n_before: int, n: int) -> dict[str, float]:
    """Do something `n_before` times, then `n` times; the objects that are more afterwards."""
    def n_objects() -> int:
        for _ in range(2):
            gc.collect()
        return len(gc.get_objects())

    await work(n_before)
    before = n_objects()
    growth.start()
    await work(n)
    return {"n": n, "objects": n_objects() - before}


async def million_queries(connection: Any, growth: Growth) -> dict[str, float]:
    async def work(n: int) -> None:
        for i in range(n):
            await connection.fetchval("SELECT $1::int", i)

    return await flat(growth, work, 20_000, 1_000_000)


async def ten_thousand_connects(connection: Any, growth: Growth) -> dict[str, float]:
    async def work(n: int) -> None:
        for _ in range(n):
            other = await asyncpg_core.connect(sys.argv[2])
            await other.fetchval("SELECT 1")
            await other.close()

    return await flat(growth, work, 500, 10_000)


async def hundred_thousand_texts(connection: Any, growth: Growth) -> dict[str, float]:
    numbers = itertools.count()

    async def work(n: int) -> None:
        for _ in range(n):
            await connection.fetchval(f"SELECT {next(numbers)}")

    return await flat(growth, work, 5_000, 100_000)


CASES: dict[str, Case] = {
    "cursor": rows_by_cursor, "stalled sink": stalled_sink, "copy in": copy_in_while_blocked,
    "executemany": executemany_while_blocked, "text down": text_down, "text up": text_up, "small rows": small_rows,
    "five million rows": five_million_rows, "million queries": million_queries,
    "ten thousand connects": ten_thousand_connects, "hundred thousand texts": hundred_thousand_texts,
}
MIB = 1024
# Each figure of the page with its bound: name of the case, of the figure, at most.
BOUNDS = (("cursor", "kib", 4 * MIB), ("stalled sink", "kib", 4 * MIB), ("copy in", "kib", 4 * MIB),
          ("executemany", "kib", 4 * MIB), ("text down", "times", 2.1), ("text up", "times", 1.2),
          ("small rows", "bytes per row", 112))
# What takes too long for every run of the tests. A peak that stands still may yet have one arena more.
LONG_BOUNDS = (("five million rows", "bytes per row", 112), ("million queries", "objects", 200),
               ("million queries", "kib", 2 * MIB), ("ten thousand connects", "objects", 200),
               ("ten thousand connects", "kib", 2 * MIB), ("hundred thousand texts", "objects", 200),
               ("hundred thousand texts", "kib", 2 * MIB))


async def one_case(name: str, dsn: str) -> None:
    connection = await asyncpg_core.connect(dsn)
    await connection.execute("DROP TABLE IF EXISTS memory_sink; CREATE TABLE memory_sink (a int, b text)")
    growth = Growth()
    facts = await CASES[name](connection, growth)
    print(json.dumps({"kib": growth.kib(), **facts}))
    await connection.execute("DROP TABLE memory_sink")
    await connection.close()


def measured(name: str, dsn: str, seconds: float) -> dict[str, float]:
    """Run one case in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "tests.memory", name, dsn], capture_output=True, text=True,
                          timeout=seconds, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    facts: dict[str, float] = json.loads(done.stdout)
    return facts


def all_cases() -> int:
    """Print a table of all cases; return the exit status."""
    facts: dict[str, dict[str, float]] = {}
    status = 0
    with Cluster() as cluster:
        for name, figure, bound in BOUNDS + LONG_BOUNDS:
            if name not in facts:
                facts[name] = measured(name, cluster.dsn(), 600)
            value = facts[name][figure]
            print(f"{name:<24} {figure:<14} {value:12.1f}   at most {bound:g}{'' if value <= bound else '   WRONG'}",
                  flush=True)
            status |= value > bound
    return status


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(all_cases())
    asyncio.run(one_case(*sys.argv[1:]))
