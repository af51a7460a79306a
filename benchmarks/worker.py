"""The process that runs one driver on one loop: JSON lines in on stdin, one JSON line out for each.

    python -m benchmarks.worker DRIVER LOOP URI [ROUTE=URI ...]

The first URI is the main route to the server. It says hello (or why it cannot work), then answers `{"do": "open",
"workload": ...}`, `{"do": "round", "n_ops": ...}`, `{"do": "close"}`, `{"do": "script", "statements": [...]}` and
`{"do": "server_version"}` with the result or `{"error": ...}`, until stdin ends; a workload that the driver has not
opens with `{"lacks": ...}`. Orders are read between runs of the loop, never during one, so nothing but the driver is
timed. What a driver prints goes to stderr: the answers have a descriptor of their own.
"""
from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from benchmarks.codec_workloads import CODEC_RUNS
from benchmarks.drivers import Driver, missing_verbs, open_driver
from benchmarks.meter import Cost, Meter
from benchmarks.runs import RUNS, Run
from benchmarks.runs_bulk import BULK_RUNS
from benchmarks.runs_connect import CONNECT_RUNS
from benchmarks.runs_service import SERVICE_RUNS
from benchmarks.runs_toolbench import TOOLBENCH_RUNS
from benchmarks.workloads import MAIN


def new_asyncio_loop() -> tuple[asyncio.AbstractEventLoop, str]:
    # The selector loop on every platform: psycopg refuses the proactor loop of Windows.
    return asyncio.SelectorEventLoop(), platform.python_version()


def new_uvloop_loop() -> tuple[asyncio.AbstractEventLoop, str]:
    import uvloop

    return uvloop.new_event_loop(), version("uvloop")


LOOPS: dict[str, Callable[[], tuple[asyncio.AbstractEventLoop, str]]] = {
    "asyncio": new_asyncio_loop,
    "uvloop": new_uvloop_loop,
}


ALL_RUNS = {**RUNS, **BULK_RUNS, **CONNECT_RUNS, **TOOLBENCH_RUNS, **SERVICE_RUNS, **CODEC_RUNS}


class Worker:
    """One driver on one loop, with at most one workload open; `routes` has a driver for each way to the server."""

    def __init__(self, routes: dict[str, Driver], meter: Meter) -> None:
        self.routes = routes
        self.driver = routes[MAIN]
        self.meter = meter
        self.stack = AsyncExitStack()
        self.run: Run | None = None

    async def do_open(self, order: dict[str, Any]) -> dict[str, Any]:
        route = order.get("route", MAIN)
        if route not in self.routes:
            return {"lacks": f"the route {route}"}
        driver = self.routes[route]
        if hasattr(driver, "limit_of"):
            return await self.open_limit(driver, order["workload"])
        missing = missing_verbs(driver, order.get("needs", ()))
        if missing:
            return {"lacks": ", ".join(missing)}
        self.run = await self.stack.enter_async_context(ALL_RUNS[order["workload"]](driver))
        return {}

    async def open_limit(self, driver: Driver, workload: str) -> dict[str, Any]:
        """Open a workload that the driver runs by itself."""
        if workload not in driver.limited:
            return {"lacks": workload}
        limit = await self.stack.enter_async_context(driver.limit_of(workload))

        async def before(_n_ops: int) -> None:
            limit.before()

        async def measured(n_ops: int) -> Cost:
            cost: Cost = limit.measured(n_ops)
            return cost
        self.run = Run(measured, before)
        return {}

    async def do_round(self, order: dict[str, Any]) -> dict[str, Any]:
        run, n_ops = self.run, order["n_ops"]
        if run is None:
            raise ValueError("a round was ordered with no workload open")
        await run.before(n_ops)
        gc.enable()
        gc.collect()
        cost = await self.meter.measure(run.measured, n_ops)
        await run.after(n_ops)
        return {**asdict(cost), **run.take_figures()}

    async def do_close(self, _order: dict[str, Any]) -> dict[str, Any]:
        self.run = None
        await self.stack.aclose()
        return {}

    async def do_script(self, order: dict[str, Any]) -> dict[str, Any]:
        async with self.driver.connection() as connection:
            await self.driver.run_script(connection, order["statements"])
        return {}

    async def do_server_version(self, _order: dict[str, Any]) -> dict[str, Any]:
        statement = self.driver.statement("SELECT current_setting($1)")
        async with self.driver.connection() as connection:
            rows = await self.driver.fetch_of(connection)(statement, "server_version")
        return {"server_version": rows[0][0]}


def serve(driver_name: str, loop_name: str, uri: str, *others: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        # Who blocks is on no loop, and needs one to be started.
        loop, loop_version = LOOPS.get(loop_name, new_asyncio_loop)()
        asyncio.set_event_loop(loop)
        meter = Meter()
        uris = {MAIN: uri, **dict(other.split("=", 1) for other in others)}
        worker = Worker({route: open_driver(driver_name, one) for route, one in uris.items()}, meter)
        hello = {"version": worker.driver.version(), "loop_version": loop_version, "no_instructions": meter.refusal}
    except Exception as exc:
        # A driver under development may fail in any way; the comparison goes on without it.
        answer({"error": f"{type(exc).__name__}: {exc}"})
        return
    answer({**hello, "pid": os.getpid()})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer(loop.run_until_complete(getattr(worker, f"do_{order['do']}")(order)))
        except Exception as exc:
            # Whatever it is, it is a result of the benchmark: it is reported with the driver's name.
            answer({"error": f"{type(exc).__name__}: {exc}"})


if __name__ == "__main__":
    serve(*sys.argv[1:])
