"""How each workload runs, once for all drivers.

A run is an asynchronous context manager. Entering it connects and checks answers by value and by type, so that a driver
that answers wrongly is not timed; it gives a Run, of which `measured` alone is timed. Every result is dropped as soon
as the next one is asked for, and inside the measured part.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.drivers import Driver, Fetch
from benchmarks.meter import Cost
from benchmarks.workloads import (
    GATHERED,
    MOVE,
    POOL_SIZE,
    ROW_BY_KEY,
    SELECT_INT,
    Row,
    account_id,
    account_row,
)

N_CHECKED = 100
# Two readings of the clock for each fourth operation cost less than 0.1 us per operation.
SAMPLED = 4
clock = time.perf_counter
Step = Callable[[int], Awaitable[None]]


class WrongAnswer(Exception):
    """A driver gave other rows than the workload expects; it is not measured."""


async def nothing(_n_ops: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Run:
    """The measured part of a workload, and what is done around it unmeasured; each takes the number of operations.

    `samples` gets the seconds of one operation in four, where an operation is one await, and `figures` what else the
    measured part finds out. Who measures by itself, as a program outside of this process has to, gives a Cost.
    """

    measured: Callable[[int], Awaitable[Cost | None]]
    before: Step = nothing
    after: Step = nothing
    samples: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def take_figures(self) -> dict[str, float]:
        """Return what has been found out since the last time."""
        found = {**self.figures, **percentiles(self.samples)}
        self.samples.clear()
        self.figures.clear()
        return found


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile in microseconds, nothing of no samples."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {"p50_us": ordered[len(ordered) // 2] * 1e6, "p99_us": ordered[len(ordered) * 99 // 100] * 1e6}


def expect(what: str, rows: Iterable[Any], expected: Sequence[Row]) -> None:
    """Raise WrongAnswer unless `rows` equal `expected` in their values and in the types of these."""
    got = [tuple(row.values() if isinstance(row, dict) else row) for row in rows]
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
    samples: list[float] = []
    statement = driver.statement(SELECT_INT)
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        expect("select int", await fetch(statement, 7), [(7,)])

        async def measured(n_ops: int) -> None:
            for n in range(n_ops):
                if n % SAMPLED:
                    await fetch(statement, n)
                else:
                    began = clock()
                    await fetch(statement, n)
                    samples.append(clock() - began)
        yield Run(measured, samples=samples)


@asynccontextmanager
async def row_by_key(driver: Driver) -> AsyncIterator[Run]:
    samples: list[float] = []
    statement = driver.statement(ROW_BY_KEY)
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        await check_lookups(fetch, statement)

        async def measured(n_ops: int) -> None:
            for n in range(n_ops):
                if n % SAMPLED:
                    await fetch(statement, account_id(n))
                else:
                    began = clock()
                    await fetch(statement, account_id(n))
                    samples.append(clock() - began)
        yield Run(measured, samples=samples)


@asynccontextmanager
async def connections_10(driver: Driver) -> AsyncIterator[Run]:
    samples: list[float] = []
    statement = driver.statement(ROW_BY_KEY)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(driver.connection()) for _ in range(POOL_SIZE)]
        fetches = [driver.fetch_of(connection) for connection in connections]
        for fetch in fetches:
            await check_lookups(fetch, statement)

        async def one_task(task: int, ops: range) -> None:
            fetch = fetches[task]
            for n in ops:
                if n % SAMPLED:
                    await fetch(statement, account_id(n))
                else:
                    began = clock()
                    await fetch(statement, account_id(n))
                    samples.append(clock() - began)

        async def measured(n_ops: int) -> None:
            await share_out(POOL_SIZE, n_ops, one_task)
        yield Run(measured, samples=samples)


@asynccontextmanager
async def pool_fetch(driver: Driver, n_tasks: int) -> AsyncIterator[Run]:
    samples: list[float] = []
    statement = driver.statement(ROW_BY_KEY)
    async with driver.pool() as pool:
        fetch = driver.pool_fetch_of(pool)
        await check_lookups(fetch, statement)

        async def one_task(_task: int, ops: range) -> None:
            for n in ops:
                if n % SAMPLED:
                    await fetch(statement, account_id(n))
                else:
                    began = clock()
                    await fetch(statement, account_id(n))
                    samples.append(clock() - began)

        async def measured(n_ops: int) -> None:
            await share_out(n_tasks, n_ops, one_task)
        yield Run(measured, samples=samples)


def pool_fetch_10(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return pool_fetch(driver, 10)


def pool_fetch_100(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return pool_fetch(driver, 100)


def pool_fetch_1000(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return pool_fetch(driver, 1000)


@asynccontextmanager
async def transaction_3(driver: Driver) -> AsyncIterator[Run]:
    """A row by key, an update and the row again; the balances come out as they were, so that the checks stay true."""
    samples: list[float] = []
    read, write = driver.statement(ROW_BY_KEY), driver.statement(MOVE)
    async with driver.connection() as connection:
        fetch, transaction = driver.fetch_of(connection), driver.transaction_of(connection)
        change = driver.change_of(connection)
        await check_lookups(fetch, read)

        async def one(n: int) -> None:
            key = account_id(n)
            async with transaction():
                await fetch(read, key)
                await change(write, 0, key)
                await fetch(read, key)

        async def measured(n_ops: int) -> None:
            for n in range(n_ops):
                began = clock()
                await one(n)
                samples.append(clock() - began)
        yield Run(measured, samples=samples)


@asynccontextmanager
async def acquire_query_10(driver: Driver) -> AsyncIterator[Run]:
    samples: list[float] = []
    statement = driver.statement(ROW_BY_KEY)
    async with driver.pool() as pool:
        borrow = driver.borrow_of(pool)
        async with borrow() as connection:
            await check_lookups(driver.fetch_of(connection), statement)

        async def one_task(_task: int, ops: range) -> None:
            for n in ops:
                began = clock()
                async with borrow() as connection:
                    await driver.fetch_of(connection)(statement, account_id(n))
                if not n % SAMPLED:
                    samples.append(clock() - began)

        async def measured(n_ops: int) -> None:
            await share_out(10, n_ops, one_task)
        yield Run(measured, samples=samples)


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


RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    run.__name__: run for run in (select_int, row_by_key, transaction_3, connections_10, pool_fetch_10, pool_fetch_100,
                                  pool_fetch_1000, acquire_query_10, gather_100)}
