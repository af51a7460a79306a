"""How the workloads of fresh connections run: one more connection of a pool, its first query with a user's type."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.drivers import Driver
from benchmarks.runs import Run, clock, expect
from benchmarks.workloads import USER_TYPES

# As many as a round of the longest workload here opens.
N_MORE = 20


def check_user_types(rows: Any, n: int) -> None:
    expect("user types", [(mood, [tuple(pair) for pair in pairs], number) for mood, pairs, number in rows],
           [("calm", [(1, "one")], n)])


@asynccontextmanager
async def connect_pool(driver: Driver) -> AsyncIterator[Run]:
    samples: list[float] = []
    opened: list[Any] = []
    async with driver.growing_pool(N_MORE) as pool:
        async def measured(n_ops: int) -> None:
            for _ in range(n_ops):
                began = clock()
                opened.append(await driver.grow(pool))
                samples.append(clock() - began)

        async def after(_n_ops: int) -> None:
            await driver.shrink(pool, opened)
            opened.clear()
        yield Run(measured, after=after, samples=samples)


@asynccontextmanager
async def first_user_type(driver: Driver) -> AsyncIterator[Run]:
    samples: list[float] = []
    opened: list[Any] = []
    async with driver.growing_pool(N_MORE) as pool:
        # The first connection of the pool that meets the types may have to ask for them.
        first = await driver.grow(pool)
        check_user_types(await driver.fetch_of(first)(USER_TYPES, 1), 1)
        await driver.shrink(pool, [first])

        async def before(n_ops: int) -> None:
            opened.extend([await driver.grow(pool) for _ in range(n_ops)])

        async def measured(_n_ops: int) -> None:
            for n, connection in enumerate(opened):
                began = clock()
                await driver.fetch_of(connection)(USER_TYPES, n)
                samples.append(clock() - began)

        async def after(_n_ops: int) -> None:
            check_user_types(await driver.fetch_of(opened[0])(USER_TYPES, 1), 1)
            await driver.shrink(pool, opened)
            opened.clear()
        yield Run(measured, before, after, samples)


CONNECT_RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    run.__name__: run for run in (connect_pool, first_user_type)}
