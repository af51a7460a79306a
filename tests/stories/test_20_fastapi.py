"""Story 20: FastAPI under uvicorn, with the pool in the lifespan and Depends, and with a global pool."""
import asyncio
import contextlib
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

import asyncpg_core as asyncpg

SCHEMA = "CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL UNIQUE)"


class Item(BaseModel):
    name: str


async def get_db(request: Request):
    async with request.app.state.pool.acquire() as connection:
        yield connection


Database = Annotated[asyncpg.Connection, Depends(get_db)]


def service_with_depends(dsn):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.pool = await asyncpg.create_pool(dsn, min_size=1, max_size=3)
        yield
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/items", status_code=201)
    async def add(item: Item, db: Database):
        try:
            return {"id": await db.fetchval("INSERT INTO items (name) VALUES ($1) RETURNING id", item.name)}
        except asyncpg.UniqueViolationError:
            raise HTTPException(409, "exists") from None

    @app.get("/items/{item_id}")
    async def read(item_id: int, db: Database):
        row = await db.fetchrow("SELECT id, name FROM items WHERE id = $1", item_id)
        if row is None:
            raise HTTPException(404, "no such item")
        return dict(row)

    return app


def service_with_a_global_pool(dsn):
    pool = None

    @contextlib.asynccontextmanager
    async def lifespan(app):
        nonlocal pool
        async with asyncpg.create_pool(dsn=dsn, max_size=3) as pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/items", status_code=201)
    async def add(item: Item):
        async with pool.acquire() as connection, connection.transaction():
            try:
                new = await connection.fetchval("INSERT INTO items (name) VALUES ($1) RETURNING id", item.name)
            except asyncpg.UniqueViolationError as error:
                raise HTTPException(409, error.detail) from None
        return {"id": new}

    @app.get("/items/{item_id}")
    async def read(item_id: int):
        name = await pool.fetchval("SELECT name FROM items WHERE id = $1", item_id)
        if name is None:
            raise HTTPException(404)
        return {"id": item_id, "name": name}

    return app


@contextlib.asynccontextmanager
async def served(app):
    """Serve the app on loopback in this loop, with a client for it."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.wait([serving], timeout=0.01)
        assert not serving.done(), "the service has ended before it began"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize("service", [service_with_depends, service_with_a_global_pool])
async def test_a_service_creates_reads_and_refuses(conn, dsn, service):
    await conn.execute(SCHEMA)
    async with served(service(dsn)) as client:
        answer = await client.post("/items", json={"name": "first"})
        assert (answer.status_code, answer.json()) == (201, {"id": 1})
        answer = await client.get("/items/1")
        assert (answer.status_code, answer.json()) == (200, {"id": 1, "name": "first"})
        assert (await client.get("/items/2")).status_code == 404
        assert (await client.post("/items", json={"name": "first"})).status_code == 409
        assert (await client.get("/items/one")).status_code == 422
        assert (await client.get("/items/1")).status_code == 200
    assert await conn.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'") == 0


@pytest.mark.parametrize("service", [service_with_depends, service_with_a_global_pool])
async def test_fifty_requests_at_once_share_three_connections(conn, dsn, service):
    await conn.execute(SCHEMA)
    async with served(service(dsn)) as client:
        answers = await asyncio.gather(*(client.post("/items", json={"name": f"item {n}"}) for n in range(50)))
        assert [answer.status_code for answer in answers] == [201] * 50
        assert {answer.json()["id"] for answer in answers} == set(range(1, 51))
    assert await conn.fetchval("SELECT count(*) FROM items") == 50
