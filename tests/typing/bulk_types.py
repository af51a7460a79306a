"""COPY and listeners as type checkers see them; never run."""
import io
import pathlib
from collections.abc import AsyncIterator

from typing_extensions import assert_type

from asyncpg_core import Connection, Pool, PostgresLogMessage, Record
from asyncpg_core.connection import LoggedQuery


async def chunks() -> AsyncIterator[bytes]:
    yield b"1\n"


async def rows() -> AsyncIterator[tuple[int, str]]:
    yield 1, "x"


async def write(chunk: bytes) -> None:
    print(chunk)


async def copies(connection: Connection[Record]) -> None:
    assert_type(await connection.copy_from_table("t", output=pathlib.Path("f"), columns=("a",), format="csv"), str)
    assert_type(await connection.copy_from_table("t", output=io.BytesIO(), schema_name="s"), str)
    assert_type(await connection.copy_from_query("select $1::int", 1, output=write, header=True), str)
    assert_type(await connection.copy_to_table("t", source="path", force_null=["a"], where="a > 1"), str)
    assert_type(await connection.copy_to_table("t", source=chunks(), delimiter="|", timeout=5), str)
    assert_type(await connection.copy_to_table("t", source=[b"1\n", b"2\n"]), str)
    assert_type(await connection.copy_records_to_table("t", records=[(1, "x")], columns=["a", "b"]), str)
    assert_type(await connection.copy_records_to_table("t", records=((n, "x") for n in range(3))), str)
    assert_type(await connection.copy_records_to_table("t", records=rows()), str)
    assert_type(await connection.copy_arrow_to_table("t", object(), columns=["a"], where="a > 1", timeout=1), str)


async def rows_out(connection: Connection[Record], pool: Pool[Record]) -> None:
    async with connection.copy_rows("select $1::int as a", 1, timeout=5) as found:
        async for row in found:
            print(row["a"])
        assert_type(found.tag, str | None)
    async for row in pool.copy_rows(table_name="t", columns=["a"], schema_name="s"):
        print(row["a"])


def on_notification(connection: Connection[Record], pid: int, channel: str, payload: str) -> None:
    print(connection, pid, channel, payload)


async def on_notification_too(connection: Connection[Record], pid: int, channel: str, payload: object) -> None:
    print(connection, pid, channel, payload)


def on_message(connection: Connection[Record], message: PostgresLogMessage) -> None:
    print(connection, message.sqlstate)


def on_end(connection: Connection[Record]) -> None:
    print(connection)


def on_query(record: LoggedQuery) -> None:
    print(record.query, record.elapsed)


async def listeners(connection: Connection[Record]) -> None:
    assert_type(await connection.add_listener("news", on_notification), None)
    assert_type(await connection.add_listener("news", on_notification_too), None)
    assert_type(await connection.remove_listener("news", on_notification), None)
    connection.add_log_listener(on_message)
    connection.remove_log_listener(on_message)
    connection.add_termination_listener(on_end)
    connection.remove_termination_listener(on_end)
    connection.add_query_logger(on_query)
    connection.remove_query_logger(on_query)
    with connection.query_logger(lambda record: print(record.query, record.exception)) as entered:
        assert_type(entered, None)
