"""How the workloads of many rows run: read whole, written whole, and what a result weighs while it lives."""
from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.drivers import Driver
from benchmarks.runs import N_CHECKED, Run, WrongAnswer, expect
from benchmarks.workloads import (
    ALL_ROWS,
    COUNT_SINK,
    INSERT,
    OUT_ROWS,
    SINK,
    TRUNCATE,
    Row,
    sink_rows,
    wide_row,
)


def first_rows(driver: Driver) -> list[Row]:
    """Return the rows that are checked, in the types that the driver is known for."""
    as_read = getattr(driver, "as_read", tuple)
    return [as_read(wide_row(key)) for key in range(1, N_CHECKED + 1)]


@asynccontextmanager
async def rows_to_records(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(ALL_ROWS)
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        expect("wide rows", await fetch(statement, N_CHECKED), first_rows(driver))

        async def measured(n_ops: int) -> None:
            n_rows = len(await fetch(statement, n_ops))
            if n_rows != n_ops:
                raise WrongAnswer(f"wide rows: expected {n_ops} rows, got {n_rows}")
            # A turn of the loop lets go of what the loop itself may still hold, so that the drop is paid in here.
            await asyncio.sleep(0)
        yield Run(measured)


@asynccontextmanager
async def executemany(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(INSERT)
    count = driver.statement(COUNT_SINK)
    arguments: list[Row] = []
    async with driver.connection() as connection:
        async def before(n_ops: int) -> None:
            arguments[:] = sink_rows(n_ops)
            await driver.run_script(connection, [TRUNCATE])

        async def measured(_n_ops: int) -> None:
            await driver.executemany(connection, statement, arguments)

        async def after(n_ops: int) -> None:
            expect("executemany", await driver.fetch_of(connection)(count, 0), [(n_ops,)])
        yield Run(measured, before, after)


@asynccontextmanager
async def live_memory(driver: Driver) -> AsyncIterator[Run]:
    """A result that is kept: what Python's allocators have given for it. tracemalloc sees no memory of C's malloc."""
    statement = driver.statement(ALL_ROWS)
    figures: dict[str, float] = {}
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        expect("wide rows", await fetch(statement, N_CHECKED), first_rows(driver))

        async def measured(n_ops: int) -> None:
            gc.collect()
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                rows = await fetch(statement, n_ops)
                # The buffers of reading are given back by then.
                await asyncio.sleep(0)
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            if len(rows) != n_ops:
                raise WrongAnswer(f"wide rows: expected {n_ops} rows, got {len(rows)}")
            figures["live_bytes"] = (after - before) / n_ops
        yield Run(measured, figures=figures)


@asynccontextmanager
async def rows_to_arrow(driver: Driver) -> AsyncIterator[Run]:
    import pyarrow

    async with driver.connection() as connection:
        table = pyarrow.table(await driver.fetch_arrow(connection, ALL_ROWS, N_CHECKED))
        if table.column("id").to_pylist() != list(range(1, N_CHECKED + 1)) or table.num_columns != 7:
            raise WrongAnswer(f"Arrow: {table.num_columns} columns, {table.num_rows} rows")
        figures: dict[str, float] = {}

        async def measured(n_ops: int) -> None:
            rows = await driver.fetch_arrow(connection, ALL_ROWS, n_ops)
            if isinstance(rows, pyarrow.Table) and rows.num_rows != n_ops:
                raise WrongAnswer(f"Arrow: expected {n_ops} rows, got {rows.num_rows}")
            del rows
            await asyncio.sleep(0)

        async def after(n_ops: int) -> None:
            # Outside of what is timed: what the columns weigh, and whether they are all there.
            rows = pyarrow.table(await driver.fetch_arrow(connection, ALL_ROWS, n_ops))
            if rows.num_rows != n_ops:
                raise WrongAnswer(f"Arrow: expected {n_ops} rows, got {rows.num_rows}")
            figures["live_bytes"] = rows.nbytes / n_ops
        yield Run(measured, after=after, figures=figures)


@asynccontextmanager
async def copy_in(driver: Driver) -> AsyncIterator[Run]:
    count = driver.statement(COUNT_SINK)
    rows: list[Row] = []
    async with driver.connection() as connection:
        async def before(n_ops: int) -> None:
            rows[:] = sink_rows(n_ops)
            await driver.run_script(connection, [TRUNCATE])

        async def measured(_n_ops: int) -> None:
            await driver.copy_in(connection, SINK, rows)

        async def after(n_ops: int) -> None:
            expect("copy in", await driver.fetch_of(connection)(count, 0), [(n_ops,)])
        yield Run(measured, before, after)


def arrow_rows(n_rows: int) -> Any:
    """Return the rows of the sink as an Arrow table."""
    import pyarrow

    columns = list(zip(*sink_rows(n_rows), strict=True))
    types = [pyarrow.int32()] * 4 + [pyarrow.string()] * 2 + [pyarrow.float64()]
    return pyarrow.table({name: pyarrow.array(column, kind)
                          for name, column, kind in zip("abcdefg", columns, types, strict=True)})


@asynccontextmanager
async def copy_in_arrow(driver: Driver) -> AsyncIterator[Run]:
    tables: dict[int, Any] = {}
    async with driver.connection() as connection:
        async def before(n_ops: int) -> None:
            if n_ops not in tables:
                tables[n_ops] = arrow_rows(n_ops)

        async def measured(n_ops: int) -> None:
            await driver.copy_arrow_in(connection, SINK, tables[n_ops])
        yield Run(measured, before)


@asynccontextmanager
async def copy_out(driver: Driver) -> AsyncIterator[Run]:
    async with driver.connection() as connection:
        n_bytes = 0

        async def sink(piece: bytes) -> None:
            nonlocal n_bytes
            n_bytes += len(piece)

        async def measured(n_ops: int) -> None:
            nonlocal n_bytes
            n_bytes = 0
            await driver.copy_out(connection, OUT_ROWS.replace("$1", str(n_ops)), sink)
            if n_bytes < 50 * n_ops:
                raise WrongAnswer(f"copy out: {n_bytes} bytes came for {n_ops} rows")
        yield Run(measured)


@asynccontextmanager
async def copy_out_rows(driver: Driver) -> AsyncIterator[Run]:
    async with driver.connection() as connection:
        async def measured(n_ops: int) -> None:
            n_rows = await driver.copy_rows(connection, OUT_ROWS.replace("$1", str(n_ops)))
            if n_rows != n_ops:
                raise WrongAnswer(f"copy out: expected {n_ops} rows, got {n_rows}")
        yield Run(measured)


BULK_RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    run.__name__: run for run in (rows_to_records, rows_to_arrow, live_memory, executemany, copy_in, copy_in_arrow,
                                  copy_out, copy_out_rows)}
