"""Serves a web application on loopback, in the test's own loop."""
import asyncio
import contextlib

import httpx
import uvicorn
from aiohttp import web


def client_of(port):
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)


@contextlib.asynccontextmanager
async def served_by_uvicorn(app):
    """Serve an ASGI application, with its lifespan, and yield a client for it."""
    server = uvicorn.Server(uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", ws="none", lifespan="on"))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.wait([serving], timeout=0.01)
        assert not serving.done(), "the service has ended before it began"
    try:
        async with client_of(server.servers[0].sockets[0].getsockname()[1]) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def served_by_aiohttp(app):
    """Serve an aiohttp application and yield a client for it."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with client_of(runner.addresses[0][1]) as client:
            yield client
    finally:
        await runner.cleanup()
