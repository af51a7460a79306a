"""encode/databases, whose postgresql backend is asyncpg by name."""
import asyncio

import pytest
import sqlalchemy
from databases import Database

metadata = sqlalchemy.MetaData()
notes = sqlalchemy.Table(
    "notes", metadata, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("text", sqlalchemy.String(length=100)), sqlalchemy.Column("completed", sqlalchemy.Boolean))


@pytest.fixture
async def db(dsn):
    async with Database(dsn, min_size=1, max_size=5) as database:
        await database.execute("CREATE TABLE notes (id serial PRIMARY KEY, text varchar(100), completed boolean)")
        yield database


async def test_queries_as_text_and_as_expressions(db):
    await db.execute("INSERT INTO notes(text, completed) VALUES (:text, :completed)",
                           {"text": "example1", "completed": True})
    await db.execute_many("INSERT INTO notes(text, completed) VALUES (:text, :completed)", [
        {"text": "example2", "completed": False}, {"text": "example3", "completed": True}])
    assert await db.execute(notes.insert().values(text="example4", completed=False)) == 4
    rows = await db.fetch_all(notes.select().where(notes.c.completed).order_by(notes.c.id))
    assert [(row.id, row["text"], row._mapping["completed"]) for row in rows] == [
        (1, "example1", True), (3, "example3", True)]
    row = await db.fetch_one("SELECT * FROM notes WHERE id = :id", {"id": 2})
    assert dict(row._mapping) == {"id": 2, "text": "example2", "completed": False}
    assert await db.fetch_val(sqlalchemy.select(sqlalchemy.func.count()).select_from(notes)) == 4
    assert [row["id"] async for row in db.iterate(notes.select().order_by(notes.c.id))] == [1, 2, 3, 4]


async def test_transactions(db):
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.execute(notes.insert().values(text="x", completed=True))
            raise ZeroDivisionError
    async with db.transaction(isolation="serializable"):
        await db.execute(notes.insert().values(text="y", completed=True))
        assert await db.fetch_val("SHOW transaction_isolation") == "serializable"
        transaction = await db.transaction()
        await db.execute(notes.insert().values(text="z", completed=True))
        await transaction.rollback()
    assert [row["text"] for row in await db.fetch_all(notes.select())] == ["y"]


async def test_tasks_share_the_pool(db):
    async def add(n):
        async with db.connection() as connection:
            await connection.execute(notes.insert().values(text=str(n), completed=False))
            await connection.raw_connection.executemany("UPDATE notes SET completed = $1", [(True,)])

    await asyncio.gather(*(add(n) for n in range(20)))
    assert await db.fetch_val("SELECT count(*) FROM notes WHERE completed") == 20
