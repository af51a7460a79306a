"""Transactions, prepared statements and cursors as type checkers see them; never run."""
from typing import Any

from typing_extensions import assert_type

from asyncpg_core import Attribute, Connection, Record, Type
from asyncpg_core.cursor import Cursor, CursorFactory, CursorIterator
from asyncpg_core.prepared_statement import PreparedStatement
from asyncpg_core.transaction import Transaction
from tests.typing.connection_types import Row


async def transactions(connection: Connection[Record]) -> None:
    assert_type(connection.transaction(isolation="serializable", readonly=True, deferrable=True), Transaction)
    async with connection.transaction() as entered:
        assert_type(entered, None)
    block = connection.transaction()
    assert_type(await block.start(), None)
    assert_type(await block.commit(), None)
    assert_type(await block.rollback(), None)


async def statements(connection: Connection[Row]) -> None:
    statement = await connection.prepare("select $1::int", name="mine", timeout=1)
    assert_type(statement, PreparedStatement[Row])
    assert_type(await statement.fetch(1, timeout=1), list[Row])
    assert_type(await statement.fetchrow(1), Row | None)
    assert_type(await statement.fetchval(1, column="a"), Any)
    assert_type(await statement.fetchmany([(1,), (2,)]), list[Row])
    assert_type(await statement.executemany([(1,), (2,)]), None)
    assert_type(await statement.explain(1, analyze=True), Any)
    assert_type(statement.get_name(), str)
    assert_type(statement.get_query(), str)
    assert_type(statement.get_statusmsg(), str | None)
    assert_type(statement.get_parameters(), tuple[Type, ...])
    assert_type(statement.get_attributes(), tuple[Attribute, ...])
    assert_type(statement.get_attributes()[0].type.oid, int)
    assert_type(statement.get_attributes()[0].name, str)


async def cursors(connection: Connection[Row], statement: PreparedStatement[Row]) -> None:
    assert_type(connection.cursor("select 1"), CursorFactory[Row])
    assert_type(statement.cursor(1, prefetch=5), CursorFactory[Row])
    assert_type(connection.cursor("select 1").__aiter__(), CursorIterator[Row])
    assert_type(await connection.cursor("select 1"), Cursor[Row])
    assert_type(await connection.cursor("select 1", record_class=Record), Cursor[Record])
    assert_type([row async for row in connection.cursor("select 1")], list[Row])
    async for row in statement.cursor():
        assert_type(row, Row)
    cursor = await statement.cursor()
    assert_type(await cursor.fetch(5, timeout=1), list[Row])
    assert_type(await cursor.fetchrow(), Row | None)
    assert_type(await cursor.forward(5), int)
