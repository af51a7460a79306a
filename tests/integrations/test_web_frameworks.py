"""FastAPI, Starlette, Quart and aiohttp (stories 20 and 21), each with its own way to open and close a pool, driven
over HTTP."""
import asyncio
import contextlib

import asyncpg
import pytest
from aiohttp import web
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from quart import Quart, jsonify
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.integrations.serving import served_by_aiohttp, served_by_uvicorn

POWER = "SELECT 2 ^ $1::int"


def starlette_app(dsn):
    async def power(request):
        value = await request.app.state.pool.fetchval(POWER, request.path_params["power"])
        return JSONResponse({"value": value})

    async def add(request):
        async with request.app.state.pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO visits (name) VALUES ($1)", (await request.json())["name"])
            return JSONResponse({"visits": await connection.fetchval("SELECT count(*) FROM visits")}, 201)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as app.state.pool:
            yield

    return Starlette(lifespan=lifespan, routes=[
        Route("/visits", add, methods=["POST"]), Route("/{power:int}", power)])


class Visit(BaseModel):
    name: str


def fastapi_app(dsn):
    async def pool(request: Request):
        return request.state.pool

    async def connection(pool=Depends(pool)):  # noqa: B008  # as FastAPI has it
        async with pool.acquire() as lent:
            yield lent

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
            yield {"pool": pool}

    app = FastAPI(lifespan=lifespan)

    @app.get("/{power:int}")
    async def power(power: int, pool: asyncpg.Pool = Depends(pool)):  # noqa: B008
        return {"value": await pool.fetchval(POWER, power)}

    @app.post("/visits", status_code=201)
    async def add(visit: Visit, connection: asyncpg.Connection = Depends(connection)):  # noqa: B008
        async with connection.transaction():
            await connection.execute("INSERT INTO visits (name) VALUES ($1)", visit.name)
            return {"visits": await connection.fetchval("SELECT count(*) FROM visits")}

    return app


def quart_app(dsn):
    app = Quart(__name__)

    @app.before_serving
    async def open_pool():
        app.pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4)

    @app.after_serving
    async def close_pool():
        await app.pool.close()

    @app.get("/<int:power>")
    async def power(power):
        return jsonify(value=await app.pool.fetchval(POWER, power))

    @app.post("/visits")
    async def add():
        from quart import request

        async with app.pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO visits (name) VALUES ($1)", (await request.get_json())["name"])
            return jsonify(visits=await connection.fetchval("SELECT count(*) FROM visits")), 201

    return app


POOL = web.AppKey("pool", asyncpg.Pool)


def aiohttp_app(dsn):
    async def power(request):
        pool = request.app[POOL]
        async with pool.acquire() as connection, connection.transaction():
            return web.json_response({"value": await connection.fetchval(POWER, int(request.match_info["power"]))})

    async def add(request):
        async with request.app[POOL].acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO visits (name) VALUES ($1)", (await request.json())["name"])
            visits = await connection.fetchval("SELECT count(*) FROM visits")
            return web.json_response({"visits": visits}, status=201)

    async def pool_context(app):
        async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
            app[POOL] = pool
            yield

    app = web.Application()
    app.cleanup_ctx.append(pool_context)
    app.add_routes([web.get(r"/{power:\d+}", power), web.post("/visits", add)])
    return app


@pytest.mark.parametrize("make_app, served", [
    (fastapi_app, served_by_uvicorn), (starlette_app, served_by_uvicorn), (quart_app, served_by_uvicorn),
    (aiohttp_app, served_by_aiohttp)])
async def test_a_service_opens_a_pool_answers_and_closes_it(cluster, dsn, database, make_app, served):
    setup = await asyncpg.connect(dsn)
    await setup.execute("CREATE TABLE visits (name text UNIQUE)")
    async with served(make_app(dsn)) as client:
        answer = await client.get("/10")
        assert (answer.status_code, answer.json()) == (200, {"value": 1024})
        answers = await asyncio.gather(*(client.post("/visits", json={"name": f"v{n}"}) for n in range(40)))
        assert [answer.status_code for answer in answers] == [201] * 40
        assert (await client.get("/nothing")).status_code == 404
    assert await setup.fetchval("SELECT count(*) FROM visits") == 40
    await setup.close()
    assert cluster.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'") == [("0",)]
