"""A tour of asyncpg_core on a PostgreSQL of its own: `make demo`.

Copy what you need. Your DSN comes from your configuration; here a throw-away server is started and stopped.
"""
import asyncio
import contextlib
import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

import httpx
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

import asyncpg_core as asyncpg
from tests.support.cluster import Cluster

SCHEMA = """
CREATE TABLE books (id serial PRIMARY KEY, title text NOT NULL UNIQUE, price numeric NOT NULL, published date NOT NULL);
CREATE TABLE sales (book_id int NOT NULL REFERENCES books, sold_at timestamptz NOT NULL DEFAULT now());
"""
BOOKS = [(f"Book {n}", Decimal(n % 40) / 8, date(2000, 1, 1) + timedelta(n % 9000)) for n in range(1, 20_001)]


def show(what, result):
    print(f"  {what:<40}{result}", flush=True)


@contextlib.asynccontextmanager
async def chapter(title):
    print(f"\n{title}", flush=True)
    started = time.perf_counter()
    yield
    print(f"  ({1000 * (time.perf_counter() - started):.0f} ms)", flush=True)


async def one_connection(conn):
    async with chapter("Schema, bulk insert, queries"):
        await conn.execute(SCHEMA)  # without arguments the text may hold several statements
        await conn.executemany("INSERT INTO books (title, price, published) VALUES ($1, $2, $3)", BOOKS)
        show("books inserted", await conn.fetchval("SELECT count(*) FROM books"))
        row = await conn.fetchrow("SELECT * FROM books WHERE id = ANY($1) ORDER BY id", [7, 8])
        show("a row, by name and by position", f"{row['title']!r} costs {row[2]}")
        show("the same row for pydantic or JSON", dict(row))

    async with chapter("A transaction with a savepoint, and a unique violation that is caught"):
        async with conn.transaction():  # BEGIN travels with the first statement
            await conn.execute("INSERT INTO sales (book_id) VALUES ($1)", 7)
            try:
                async with conn.transaction():
                    await conn.execute("DELETE FROM sales")
                    await conn.execute("INSERT INTO books VALUES (DEFAULT, $1, 1, current_date)", "Book 1")
            except asyncpg.UniqueViolationError as error:
                show("back to the savepoint, because of", error.constraint_name)
        show("sales committed", await conn.fetchval("SELECT count(*) FROM sales"))

    async with chapter("A prepared statement, executed a thousand times"):
        price_of = await conn.prepare("SELECT price FROM books WHERE id = $1")
        show("sum of prices", sum([await price_of.fetchval(n) for n in range(1, 1001)]))

    async with chapter("A thousand queries at once, on this one connection"):
        titles = await asyncio.gather(*(
            conn.fetchval("SELECT title FROM books WHERE id = $1", n) for n in range(1, 1001)))
        show("titles, each where it belongs", f"{titles[0]!r} .. {titles[-1]!r}")

    async with chapter("A pipeline block: written together, all or nothing"):
        async with conn.pipeline() as p:
            tag = p.execute("INSERT INTO sales (book_id) VALUES ($1)", 8)
            count = p.fetchval("SELECT count(*) FROM sales")
        show("tag and count", f"{await tag}, {await count}")


async def a_pool(dsn):
    async with chapter("A pool of 4 connections, 50 tasks"), asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:

        async def sell(book_id):
            async with pool.acquire() as conn, conn.transaction():
                await conn.execute("INSERT INTO sales (book_id) VALUES ($1)", book_id)
                return await conn.fetchval("SELECT price FROM books WHERE id = $1", book_id)

        show("turnover", sum(await asyncio.gather(*(sell(n) for n in range(1, 51)))))
        show("sales", await pool.fetchval("SELECT count(*) FROM sales"))


class Book(BaseModel):
    title: str
    price: Decimal


async def borrow(request: Request):
    async with request.app.state.pool.acquire() as conn:
        yield conn


Database = Annotated[asyncpg.Connection, Depends(borrow)]


def make_service(dsn):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with asyncpg.create_pool(dsn, min_size=1, max_size=10) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/books/{book_id}")
    async def read_book(book_id: int, conn: Database):
        row = await conn.fetchrow("SELECT id, title, price FROM books WHERE id = $1", book_id)
        if row is None:
            raise HTTPException(404, "no such book")
        return dict(row)

    @app.post("/books", status_code=201)
    async def add_book(book: Book, conn: Database):
        insert = "INSERT INTO books (title, price, published) VALUES ($1, $2, current_date) RETURNING id"
        return {"id": await conn.fetchval(insert, book.title, book.price)}

    return app


async def a_service(dsn):
    async with chapter("A FastAPI service with the pool in its lifespan, asked over HTTP"):
        server = uvicorn.Server(uvicorn.Config(make_service(dsn), port=0, log_level="warning"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.wait([serving], timeout=0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for answer in (await client.get("/books/7"), await client.get("/books/0"),
                           await client.post("/books", json={"title": "A new one", "price": 19.9})):
                show(f"{answer.request.method} {answer.url.path}", f"{answer.status_code} {answer.text}")
        server.should_exit = True
        await serving


async def tour(dsn):
    conn = await asyncpg.connect(dsn)
    show("connected to PostgreSQL", conn.get_server_version().major)
    await one_connection(conn)
    await conn.close()
    await a_pool(dsn)
    await a_service(dsn)


if __name__ == "__main__":
    with Cluster() as cluster:
        asyncio.run(tour(cluster.dsn()))
    print("\nThat was the tour: the server is stopped, its files are gone.")
