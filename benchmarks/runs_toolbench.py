"""How the seven queries of MagicStack's client-driver toolbench run: 10 tasks, each on a connection of its own.

SQL and data are our own words for what it asks: a part of the catalogue, a series of integers, a hundred rows of a
kilobyte, a hundred arrays of a hundred integers, a COPY, a batch of inserts, and one and one.
"""
from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from benchmarks.drivers import Driver, Fetch
from benchmarks.runs import SAMPLED, Run, WrongAnswer, clock, expect, share_out
from benchmarks.workloads import (
    ARRAYS,
    BYTEA,
    INSERT,
    ONE_PLUS_ONE,
    PG_TYPE,
    POOL_SIZE,
    SCHEMA,
    SERIES,
    Row,
    sink_rows,
)

N_COPIED, N_INSERTED = 10_000, 1_000
Check = Callable[[list[Any]], None]


def check_catalogue(rows: list[Any]) -> None:
    if len(rows) < 100 or len(rows[0]) != 12:
        raise WrongAnswer(f"pg_type: {len(rows)} rows of {len(rows[0]) if rows else 0}")


def check_series(rows: list[Any]) -> None:
    expect("series", rows, [(n,) for n in range(1, 1001)])


def check_bytea(rows: list[Any]) -> None:
    values = [bytes(next(iter(row.values())) if isinstance(row, dict) else row[0]) for row in rows]
    if values != [bytes([n]) * 1024 for n in range(1, 101)]:
        raise WrongAnswer(f"bytea: {len(values)} rows, or other bytes")


def check_arrays(rows: list[Any]) -> None:
    expect("arrays", rows, [(list(range(1, 101)),)] * 100)


def check_sum(rows: list[Any]) -> None:
    expect("one and one", rows, [(2,)])


@asynccontextmanager
async def ten_connections(driver: Driver, do: Callable[[int, Any], Awaitable[Any]], prepare: Callable[[Any], Awaitable[
        None]] | None = None) -> AsyncIterator[Run]:
    """Run `do(task, connection)` in ten tasks; `prepare(connection)` comes before each round."""
    samples: list[float] = []
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(driver.connection()) for _ in range(POOL_SIZE)]

        async def before(_n_ops: int) -> None:
            if prepare is not None:
                await prepare(connections[0])

        async def one_task(task: int, ops: range) -> None:
            connection = connections[task]
            for n in ops:
                began = clock()
                await do(task, connection)
                if not n % SAMPLED:
                    samples.append(clock() - began)

        async def measured(n_ops: int) -> None:
            await share_out(POOL_SIZE, n_ops, one_task)
        yield Run(measured, before, samples=samples)


@asynccontextmanager
async def rows_of(sql: str, arguments: tuple[object, ...], check: Check, driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(sql)
    fetches: dict[int, Fetch] = {}

    def fetch(task: int, connection: Any) -> Awaitable[Any]:
        if task not in fetches:
            fetches[task] = driver.fetch_of(connection)
        return fetches[task](statement, *arguments)
    async with driver.connection() as connection:
        check(list(await driver.fetch_of(connection)(statement, *arguments)))
    async with ten_connections(driver, fetch) as run:
        yield run


def sink_of(task: int) -> str:
    return f"{SCHEMA}.sink_{task}"


@asynccontextmanager
async def written(driver: Driver, do: Callable[[int, Any], Awaitable[Any]]) -> AsyncIterator[Run]:
    async def prepare(connection: Any) -> None:
        await driver.run_script(connection, [f"TRUNCATE {sink_of(task)}" for task in range(POOL_SIZE)])
    async with ten_connections(driver, do, prepare) as run:
        yield run


def tb_copy(driver: Driver) -> AbstractAsyncContextManager[Run]:
    rows: list[Row] = sink_rows(N_COPIED)
    return written(driver, lambda task, connection: driver.copy_in(connection, sink_of(task), rows))


def tb_batch(driver: Driver) -> AbstractAsyncContextManager[Run]:
    rows: list[Row] = sink_rows(N_INSERTED)
    statements = [driver.statement(INSERT.replace(f"{SCHEMA}.sink", sink_of(task))) for task in range(POOL_SIZE)]
    return written(driver, lambda task, connection: driver.executemany(connection, statements[task], rows))


TOOLBENCH_RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    "tb_pg_type": partial(rows_of, PG_TYPE, (-1, True), check_catalogue),
    "tb_series": partial(rows_of, SERIES, (1000,), check_series),
    "tb_bytea": partial(rows_of, BYTEA, (), check_bytea),
    "tb_arrays": partial(rows_of, ARRAYS, (), check_arrays),
    "tb_copy": tb_copy,
    "tb_batch": tb_batch,
    "tb_one_plus_one": partial(rows_of, ONE_PLUS_ONE, (), check_sum),
}
