"""The fixed work that `budget` counts, per operation: rows through the frontend, calls through the whole driver.

Each workload is an asynchronous context manager that gives a function of the number of operations. The frontend's need
no server; the others talk to `replay_server.py` over a unix socket, on asyncio's own loop.

    python -m benchmarks.budget_workloads COUNTER SOCKET WORKLOAD [WORKLOAD ...]      what is counted; started by budget
"""
from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import asyncpg_core
from benchmarks.callgrind import MARK
from benchmarks.meter import Counter
from benchmarks.recordings import (
    BATCH,
    BOOL,
    BY_KEY,
    FLOAT8,
    INSERT,
    INT4,
    INT8,
    NUMERIC,
    RECORDINGS,
    TEXT,
    TIMESTAMPTZ,
    UUID,
    row_of,
)
from pgproto.columns.plan import ColumnOptions
from pgproto.columns.sink import ColumnSink, columnar_statement
from pgproto.operations.copy import CopyOut
from pgproto.operations.extended import Execute
from pgproto.row_sinks import Records
from tests.support.backend_bytes import (
    BOUND,
    COPY_DONE,
    complete,
    copy_response,
    data_row,
    message,
    ready,
    ready_frontend,
    statement,
)

GATHERED = 50
# What a read of the socket brings at once, about; a row may lie across two.
PIECE = 8192

Operations = Callable[[int], Awaitable[object]]
Work = Callable[[str], AbstractAsyncContextManager[Operations]]


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A workload and the two numbers of operations whose difference is counted."""

    name: str
    work: Work
    n_few: int
    n_many: int


@cache      # the time before the counted one makes it
def answer_of(oids: tuple[int, ...], n_rows: int) -> list[bytes]:
    """Return the answer to Bind, Execute and Sync with so many rows, in pieces."""
    row = data_row(*row_of(oids).rows[0])
    answer = BOUND + row * n_rows + complete(f"SELECT {n_rows}") + ready()
    return [answer[at:at + PIECE] for at in range(0, len(answer), PIECE)]


@asynccontextmanager
async def rows_read(oids: tuple[int, ...], _socket: str) -> AsyncIterator[Operations]:
    """A row, from the bytes of its DataRow to the Record in the list."""
    frontend = ready_frontend()
    reading = statement(columns=row_of(oids).columns)

    async def read(n_rows: int) -> None:
        op = Execute(reading, (), Records())
        frontend.submit(op)
        frontend.take_output()
        for piece in answer_of(oids, n_rows):
            frontend.receive(piece)
        assert len(op.take_rows()) == n_rows
    yield read


@asynccontextmanager
async def columns_read(oids: tuple[int, ...], _socket: str) -> AsyncIterator[Operations]:
    """A row, from the bytes of its DataRow to the values in Arrow's buffers."""
    frontend = ready_frontend()
    reading = columnar_statement(statement(columns=row_of(oids).columns))

    async def read(n_rows: int) -> None:
        op = Execute(reading, (), ColumnSink(ColumnOptions(numeric=(18, 4))))
        frontend.submit(op)
        frontend.take_output()
        for piece in answer_of(oids, n_rows):
            frontend.receive(piece)
        assert sum(len(batch) for batch in op.take_rows()) == n_rows
    yield read


@cache
def copied_answer(oids: tuple[int, ...], n_rows: int) -> list[bytes]:
    """Return the answer to a COPY of so many rows in its text form, in pieces."""
    line = b"\t".join(value or b"\\N" for value in row_of(oids).rows[0]) + b"\n"
    answer = copy_response("H", 0) + message("d", line) * n_rows + COPY_DONE + complete(f"COPY {n_rows}") + ready()
    return [answer[at:at + PIECE] for at in range(0, len(answer), PIECE)]


@asynccontextmanager
async def copy_out(_socket: str) -> AsyncIterator[Operations]:
    """A row of a COPY TO STDOUT, from its CopyData to the bytes that are handed over."""
    frontend = ready_frontend()

    async def read(n_rows: int) -> None:
        op = CopyOut("COPY t TO STDOUT")
        frontend.submit(op)
        frontend.take_output()
        for piece in copied_answer(WIDE, n_rows):
            frontend.receive(piece)
        assert len(op.take()) % n_rows == 0
    yield read


@asynccontextmanager
async def frontend_query(_socket: str) -> AsyncIterator[Operations]:
    """A query with one argument and one row, without a loop: Bind, Execute, Sync out, the answer in."""
    frontend = ready_frontend()
    recording = RECORDINGS[BY_KEY]
    query = statement(parameters=(INT4,), columns=recording.columns)
    answer = BOUND + recording.executed + ready()

    async def exchange(n_ops: int) -> None:
        for n in range(n_ops):
            op = Execute(query, (n,), Records())
            frontend.submit(op)
            frontend.take_output()
            frontend.receive(answer)
            op.take_rows()
    yield exchange


def connecting(socket: str) -> dict[str, Any]:
    path = Path(socket)
    return {"host": str(path.parent), "port": int(path.suffix[1:]), "user": "someone", "database": "some",
            "prepare": "always"}     # What answers is a recording, which knows no process.


@asynccontextmanager
async def connected(socket: str) -> AsyncIterator[Any]:
    connection = await asyncpg_core.connect(**connecting(socket))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def connection_fetch(socket: str) -> AsyncIterator[Operations]:
    """`await connection.fetch(..)`, one after the other."""
    async with connected(socket) as connection:
        async def fetch(n_ops: int) -> None:
            for n in range(n_ops):
                await connection.fetch(BY_KEY, n)
        yield fetch


@asynccontextmanager
async def gather(socket: str) -> AsyncIterator[Operations]:
    """A query of 50 that are gathered on one connection."""
    async with connected(socket) as connection:
        await connection.fetch(BY_KEY, 0)
        await connection.execute(f"{BATCH}{GATHERED}")

        async def fetch(n_ops: int) -> None:
            for _ in range(n_ops // GATHERED):
                await asyncio.gather(*[connection.fetch(BY_KEY, n) for n in range(GATHERED)])
        yield fetch
        await connection.execute(f"{BATCH}1")


@asynccontextmanager
async def acquire_query(socket: str) -> AsyncIterator[Operations]:
    """`async with pool.acquire()` with one query inside, the reset included."""
    async with asyncpg_core.create_pool(**connecting(socket), min_size=1, max_size=1) as pool:
        async def borrow(n_ops: int) -> None:
            for n in range(n_ops):
                async with pool.acquire() as connection:
                    await connection.fetch(BY_KEY, n)
            # So that the last reset is answered before the next count begins.
            async with pool.acquire():
                pass
        yield borrow


@asynccontextmanager
async def pool_fetch(socket: str) -> AsyncIterator[Operations]:
    """`await pool.fetch(..)`, one after the other."""
    async with asyncpg_core.create_pool(**connecting(socket), min_size=1, max_size=1) as pool:
        async def fetch(n_ops: int) -> None:
            for n in range(n_ops):
                await pool.fetch(BY_KEY, n)
        yield fetch


@cache
def sink_rows(n_rows: int) -> list[tuple[object, ...]]:
    return [(n, n + 1, n + 2, n + 3, f"text {n}", "a second text", n * 0.25) for n in range(n_rows)]


@asynccontextmanager
async def executemany(socket: str) -> AsyncIterator[Operations]:
    """A row of seven arguments of `executemany`, all in one message to the server."""
    async with connected(socket) as connection:
        async def insert(n_rows: int) -> None:
            await connection.executemany(INSERT, sink_rows(n_rows))
        yield insert


@asynccontextmanager
async def copy_records(socket: str) -> AsyncIterator[Operations]:
    """A row of seven values of `copy_records_to_table`."""
    async with connected(socket) as connection:
        async def copy(n_rows: int) -> None:
            await connection.copy_records_to_table("sink", records=sink_rows(n_rows))
        yield copy


WIDE = (INT8, TEXT, TIMESTAMPTZ, FLOAT8, NUMERIC, UUID, BOOL)
SINGLE = {"int8": INT8, "text": TEXT, "timestamptz": TIMESTAMPTZ, "numeric": NUMERIC, "uuid": UUID}
BUDGETED = {one.name: one for one in (
    Budgeted("row of 7 columns", partial(rows_read, WIDE), 500, 2500),
    Budgeted("row of 7 columns as Arrow", partial(columns_read, WIDE), 500, 2500),
    *(Budgeted(f"row of {name}", partial(rows_read, (oid,)), 500, 2500) for name, oid in SINGLE.items()),
    Budgeted("row of COPY out", copy_out, 500, 2500),
    Budgeted("query through the frontend", frontend_query, 100, 600),
    Budgeted("connection.fetch", connection_fetch, 100, 400),
    Budgeted("acquire and fetch", acquire_query, 100, 400),
    Budgeted("pool.fetch", pool_fetch, 100, 400),
    Budgeted("gather of 50", gather, 2 * GATHERED, 8 * GATHERED),
    Budgeted("row of executemany", executemany, 100, 500),
    Budgeted("row of copy_records_to_table", copy_records, 200, 1000),
)}


class Marks:
    """Counts by marks that callgrind writes its totals down at, before which nothing is known in here."""

    def __init__(self) -> None:
        self.mark = getattr(os, MARK)

    async def count(self, work: Operations, n_ops: int) -> int:
        self.mark()
        await work(n_ops)
        self.mark()
        return 0


class Perf:
    """Counts by a counter of the processor."""

    def __init__(self) -> None:
        self.counter = Counter()

    async def count(self, work: Operations, n_ops: int) -> int:
        self.counter.start()
        await work(n_ops)
        return self.counter.stop() or 0


async def count_all(counter: Marks | Perf, socket: str, budgeted: Sequence[Budgeted]) -> list[int]:
    """Return what each workload took, with few operations and with many."""
    found = []
    for one in budgeted:
        async with one.work(socket) as work:
            for n_ops in (one.n_few, one.n_many):
                await work(n_ops)       # what is made once is made
                await work(n_ops)
                gc.collect()
                found.append(await counter.count(work, n_ops))
    return found


def main(kind: str, socket: str, *names: str) -> None:
    # When the collector runs depends on all that was allocated before, so it would make the counts depend on the order.
    gc.disable()
    counter = Perf() if kind == "perf" else Marks()
    loop = asyncio.SelectorEventLoop()
    counts = loop.run_until_complete(count_all(counter, socket, [BUDGETED[name] for name in names]))
    loop.close()
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
