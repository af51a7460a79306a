"""How the HTTP services run: an application with a pool in this process, a bounded load on it from another one.

One driver or the other stands behind the same application, and nothing else differs. CPU time is the service's; latency
is the client's, over all requests.
"""
from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.drivers import Driver
from benchmarks.machine import ROOT
from benchmarks.runs import Run, WrongAnswer
from benchmarks.workloads import N_ACCOUNTS, ROW_BY_KEY

N_CLIENTS = 20
ANSWER_SECONDS = 60.0
Serve = Callable[[Any, socket.socket], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def fastapi_service(pool: Any, listener: socket.socket) -> AsyncIterator[None]:
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/accounts/{key}")
    async def account(key: int) -> dict[str, Any]:
        return dict(await pool.fetchrow(ROW_BY_KEY, key))

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    # It tells nobody when it has started.
    while not server.started and not serving.done():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def aiohttp_service(pool: Any, listener: socket.socket) -> AsyncIterator[None]:
    from aiohttp import web

    async def account(request: web.Request) -> web.Response:
        row = await pool.fetchrow(ROW_BY_KEY, int(request.match_info["key"]))
        return web.json_response({**row, "opened": row["opened"].isoformat()})

    app = web.Application()
    app.router.add_get("/accounts/{key}", account)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


async def load(port: int, n_requests: int) -> dict[str, float]:
    """Return latencies of so many requests, sent by another process, and the wall time without its start."""
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.http_load", str(port), str(n_requests), str(N_CLIENTS), str(N_ACCOUNTS),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    try:
        output, _ = await asyncio.wait_for(client.communicate(), ANSWER_SECONDS)
    except asyncio.TimeoutError:
        client.kill()
        await client.wait()
        raise
    if client.returncode != 0:
        raise WrongAnswer("a request was not answered with a row")
    found: dict[str, float] = json.loads(output)
    return found


@asynccontextmanager
async def service(driver: Driver, serve: Serve) -> AsyncIterator[Run]:
    figures: dict[str, float] = {}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        async with driver.pool() as pool, serve(pool, listener):
            async def measured(n_ops: int) -> None:
                figures.update(await load(port, n_ops))
            yield Run(measured, figures=figures)


def http_fastapi(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return service(driver, fastapi_service)


def http_aiohttp(driver: Driver) -> AbstractAsyncContextManager[Run]:
    return service(driver, aiohttp_service)


SERVICE_RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    run.__name__: run for run in (http_fastapi, http_aiohttp)}
