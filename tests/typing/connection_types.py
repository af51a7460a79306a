"""What mypy and pyright make of a program that uses the driver; never run, checked by `make types`."""
import asyncio
from collections.abc import AsyncIterator
from typing import Any

from typing_extensions import assert_type

import asyncpg_core
from asyncpg_core import Attribute, Connection, Pool, Record, ServerVersion, Type
from asyncpg_core.cursor import Cursor
from asyncpg_core.prepared_statement import PreparedStatement


class Row(Record):
    """A user's own record."""


class Own(Connection[Row]):
    """A user's own connection."""


async def connections() -> None:
    assert_type(await asyncpg_core.connect("postgres://", timeout=5, sslmode="require"), Connection[Record])
    assert_type(await asyncpg_core.connect(user="me", record_class=Row), Connection[Row])
    assert_type(await asyncpg_core.connect(host="h", connection_class=Own), Own)


async def queries(connection: Connection[Row]) -> None:
    assert_type(await connection.fetch("select $1", 1, timeout=1.5), list[Row])
    assert_type(await connection.fetch("select 1", record_class=Record), list[Record])
    assert_type(await connection.fetchrow("select 1"), Row | None)
    assert_type(await connection.fetchmany("select $1", [(1,), (2,)]), list[Row])
    assert_type(await connection.fetchval("select 1", column="a"), Any)
    assert_type(await connection.execute("select 1"), str)
    assert_type(await asyncio.gather(connection.fetch("a"), connection.fetch("b")), tuple[list[Row], list[Row]])
    assert_type(await asyncio.create_task(connection.fetch("a")), list[Row])
    assert_type(await asyncio.wait_for(connection.fetchrow("a"), 1), Row | None)


async def statements(connection: Connection[Row]) -> None:
    statement = await connection.prepare("select $1::int")
    assert_type(statement, PreparedStatement[Row])
    assert_type(await statement.fetch(1), list[Row])
    assert_type(statement.get_parameters(), tuple[Type, ...])
    assert_type(statement.get_attributes(), tuple[Attribute, ...])
    assert_type(await connection.prepare("select 1", record_class=Record), PreparedStatement[Record])


async def cursors(connection: Connection[Row]) -> None:
    async with connection.transaction(isolation="serializable"):
        async for row in connection.cursor("select 1", prefetch=10):
            assert_type(row, Row)
        cursor = await connection.cursor("select 1", record_class=Record)
        assert_type(cursor, Cursor[Record])
        assert_type(await cursor.fetch(5), list[Record])
        assert_type(await cursor.fetchrow(), Record | None)
        assert_type(await cursor.forward(5), int)


async def bulk(connection: Connection[Record], numbers: AsyncIterator[tuple[int, str]]) -> None:
    assert_type(await connection.copy_records_to_table("t", records=[(1, "x")], columns=["a", "b"]), str)
    assert_type(await connection.copy_records_to_table("t", records=numbers), str)
    assert_type(await connection.copy_to_table("t", source=b"1\n", format="csv", header="match"), str)
    assert_type(await connection.copy_from_table("t", output="path", force_quote=True), str)
    assert_type(await connection.copy_from_query("select $1", 1, output=print, timeout=1), str)
    assert_type(await connection.add_listener("a", print), None)
    with connection.query_logger(lambda record: print(record.query)):
        connection.add_termination_listener(print)


async def pools() -> None:
    async with asyncpg_core.create_pool("postgres://", max_size=4) as pool:
        assert_type(pool, Pool[Record])
        assert_type(await pool.fetch("select 1"), list[Record])
        async with pool.acquire() as connection:
            assert_type(connection, Connection[Record])
    own = await asyncpg_core.create_pool(record_class=Row, min_size=1)
    assert_type(own, Pool[Row])
    assert_type(await own.fetchrow("select 1"), Row | None)
    assert_type(await own.acquire(timeout=1), Connection[Row])


def rows(row: Row) -> None:
    assert_type(row["a"], Any)
    assert_type(row[0], Any)
    assert_type(row[:2], tuple[Any, ...])
    assert_type(dict(row.items()), dict[str, Any])


def facts(connection: Connection[Row]) -> None:
    assert_type(connection.get_server_version(), ServerVersion)
    assert_type(connection.is_in_transaction(), bool)
    assert_type(connection.get_settings().TimeZone, str)
