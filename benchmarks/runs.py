"""How each workload runs, once for all drivers.

A run is an asynchronous context manager. Entering it connects and checks answers by value and by type, so that a driver
that answers wrongly is not timed; it gives a Run, of which `measured` alone is timed. Every result is dropped as soon
as the next one is asked for, and inside the measured part.
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.drivers import Driver, Fetch
from benchmarks.workloads import (
    ALL_ROWS,
    COUNT_SINK,
    GATHERED,
    INSERT,
    POOL_SIZE,
    ROW_BY_KEY,
    SELECT_INT,
    TRUNCATE,
    Row,
    account_id,
    account_row,
    sink_rows,
    wide_row,
)

N_CHECKED = 100
Step = Callable[[int], Awaitable[None]]


class WrongAnswer(Exception):
    """A driver gave other rows than the workload expects; it is not measured."""


async def nothing(_n_ops: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Run:
    """The measured part of a workload, and what is done around it unmeasured; each takes the number of operations."""

    measured: Step
    before: Step = nothing
    after: Step = nothing


def expect(what: str, rows: Iterable[Sequence[object]], expected: Sequence[Row]) -> None:
    """Raise WrongAnswer unless `rows` equal `expected` in their values and in the types of these."""
    got = [tuple(row) for row in rows]
    if got != list(expected):
        raise WrongAnswer(f"{what}: expected {str(expected[:1])[:200]}, got {str(got[:1])[:200]} ({len(got)} rows)")
    for row, expected_row in zip(got, expected, strict=True):
        for value, expected_value in zip(row, expected_row, strict=True):
            # isinstance, not identity: a driver may have its own subclass of uuid.UUID.
            if not isinstance(value, type(expected_value)):
                raise WrongAnswer(f"{what}: expected {type(expected_value).__name__}, got {type(value).__name__}")


async def share_out(n_tasks: int, n_ops: int, one_task: Callable[[int, range], Awaitable[None]]) -> None:
    """Run `one_task(number, operations)` in tasks that start together, each with an equal share of the operations."""
    share = n_ops // n_tasks
    await asyncio.gather(*[one_task(n, range(n * share, (n + 1) * share)) for n in range(n_tasks)])


async def check_lookups(fetch: Fetch, statement: str) -> None:
    for n in range(N_CHECKED):
        expect("row by key", await fetch(statement, account_id(n)), [account_row(account_id(n))])


@asynccontextmanager
async def select_int(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(SELECT_INT)
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        expect("select int", await fetch(statement, 7), [(7,)])

        async def measured(n_ops: int) -> None:
            for n in range(n_ops):
                await fetch(statement, n)
        yield Run(measured)


@asynccontextmanager
async def row_by_key(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(ROW_BY_KEY)
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        await check_lookups(fetch, statement)

        async def measured(n_ops: int) -> None:
            for n in range(n_ops):
                await fetch(statement, account_id(n))
        yield Run(measured)


@asynccontextmanager
async def connections_10(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(ROW_BY_KEY)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(driver.connection()) for _ in range(POOL_SIZE)]
        fetches = [driver.fetch_of(connection) for connection in connections]
        for fetch in fetches:
            await check_lookups(fetch, statement)

        async def one_task(task: int, ops: range) -> None:
            fetch = fetches[task]
            for n in ops:
                await fetch(statement, account_id(n))

        async def measured(n_ops: int) -> None:
            await share_out(POOL_SIZE, n_ops, one_task)
        yield Run(measured)


@asynccontextmanager
async def pool_fetch(driver: Driver, n_tasks: int) -> AsyncIterator[Run]:
    statement = driver.statement(ROW_BY_KEY)
    async with driver.pool() as pool:
        fetch = driver.pool_fetch_of(pool)
        await check_lookups(fetch, statement)

        async def one_task(_task: int, ops: range) -> None:
            for n in ops:
                await fetch(statement, account_id(n))

        async def measured(n_ops: int) -> None:
            await share_out(n_tasks, n_ops, one_task)
        yield Run(measured)


def pool_fetch_10(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return pool_fetch(driver, 10)


def pool_fetch_100(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return pool_fetch(driver, 100)


@asynccontextmanager
async def acquire_query_10(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(ROW_BY_KEY)
    async with driver.pool() as pool:
        borrow = driver.borrow_of(pool)
        async with borrow() as connection:
            await check_lookups(driver.fetch_of(connection), statement)

        async def one_task(_task: int, ops: range) -> None:
            for n in ops:
                async with borrow() as connection:
                    await driver.fetch_of(connection)(statement, account_id(n))

        async def measured(n_ops: int) -> None:
            await share_out(10, n_ops, one_task)
        yield Run(measured)


@asynccontextmanager
async def gather_100(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(ROW_BY_KEY)
    keys = [account_id(n) for n in range(GATHERED)]
    async with driver.connection() as connection:
        results = await driver.fetch_together(connection, statement, keys)
        expect("gather", [row for rows in results for row in rows], [account_row(key) for key in keys])

        async def measured(n_ops: int) -> None:
            for _ in range(n_ops // GATHERED):
                await driver.fetch_together(connection, statement, keys)
        yield Run(measured)


@asynccontextmanager
async def rows_to_records(driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(ALL_ROWS)
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        expect("wide rows", await fetch(statement, N_CHECKED), [wide_row(key) for key in range(1, N_CHECKED + 1)])

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


RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    run.__name__: run for run in (select_int, row_by_key, connections_10, pool_fetch_10, pool_fetch_100,
                                  acquire_query_10, gather_100, rows_to_records, executemany)}
