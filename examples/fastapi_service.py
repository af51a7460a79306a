"""A FastAPI service with a pool in its lifespan.

    DATABASE_URL=postgresql://localhost/shop uvicorn fastapi_service:app
"""
import contextlib
import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

import asyncpg_core as asyncpg


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=10, command_timeout=5) as app.state.pool:
        await app.state.pool.execute(
            "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL, UNIQUE (text))")
        yield


async def borrow(request: Request):
    async with request.app.state.pool.acquire() as conn:
        yield conn


Database = Annotated[asyncpg.Connection, Depends(borrow)]
app = FastAPI(lifespan=lifespan)


class Note(BaseModel):
    text: str


@app.post("/notes", status_code=201)
async def add_note(note: Note, conn: Database):
    try:
        return {"id": await conn.fetchval("INSERT INTO notes (text) VALUES ($1) RETURNING id", note.text)}
    except asyncpg.UniqueViolationError as error:
        raise HTTPException(409, error.detail) from error


@app.get("/notes")
async def list_notes(conn: Database, limit: int = 20):
    return [dict(row) for row in await conn.fetch("SELECT id, text FROM notes ORDER BY id LIMIT $1", limit)]


@app.get("/notes/{note_id}")
async def read_note(note_id: int, conn: Database):
    row = await conn.fetchrow("SELECT id, text FROM notes WHERE id = $1", note_id)
    if row is None:
        raise HTTPException(404, "no such note")
    return dict(row)
