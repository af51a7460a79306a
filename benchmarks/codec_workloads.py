"""One column of one type, a row each: what a value costs to read, for the types that most columns have.

A workload is called `codec_` and the type's short name. The values are computed by the server, from the number of the
row; the first ones are checked against the same values made by Python.
"""
from __future__ import annotations

import asyncio
import datetime
import decimal
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks.drivers import Driver
from benchmarks.runs import N_CHECKED, Run, WrongAnswer, expect
from benchmarks.workloads import SCHEMA, Workload

N_ROWS = 1_000_000
N_ELEMENTS = 100
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
ELEMENTS = range(N_ELEMENTS)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of table `codec_<name>`: its type, its value in row n (from 1) in SQL and in Python, and the bar.

    `bar` is how many times fewer user instructions than asyncpg a row should need. Where a value has parts of its own,
    fewer rows make a round.
    """

    name: str
    type: str
    sql: str
    value: Callable[[int], object]
    bar: float
    n_values: int = 1

    @property
    def table(self) -> str:
        return f"{SCHEMA}.codec_{self.name}"

    @property
    def workload(self) -> Workload:
        n_ops = N_ROWS // self.n_values
        return Workload(f"codec_{self.name}", self.type, n_ops, n_ops // 10, n_ops // 20, unit="row")


def composite_value(n: int) -> tuple[object, ...]:
    return n, f"name of {n}", n * 0.5, n % 2 == 0


COLUMNS = {column.name: column for column in (
    Column("int4", "int4", "n", lambda n: n, 2),
    Column("int8", "int8", "n * 1000003::int8", lambda n: n * 1000003, 2),
    Column("float8", "float8", "n * 0.5::float8", lambda n: n * 0.5, 2),
    Column("bool", "bool", "n % 2 = 0", lambda n: n % 2 == 0, 2),
    Column("text", "text", "'name of ' || n", lambda n: f"name of {n}", 2),
    Column("bytea", "bytea", "convert_to('bytes of ' || n, 'UTF8')", lambda n: b"bytes of %d" % n, 2),
    Column("uuid", "uuid", "lpad(to_hex(n), 32, 'c')::uuid",
           lambda n: uuid.UUID(f"{n:x}".rjust(32, "c")), 2),
    Column("timestamptz", "timestamptz", "timestamptz '2020-01-01 00:00:00+00' + n * interval '1 second'",
           lambda n: START + datetime.timedelta(seconds=n), 8),
    Column("numeric", "numeric(18,4)", "n::bigint * 12345 / 10000.0",
           lambda n: decimal.Decimal(n * 12345).scaleb(-4), 5),
    Column("jsonb", "jsonb", """jsonb_build_object('id', n, 'name', 'name of ' || n)""",
           lambda n: f'{{"id": {n}, "name": "name of {n}"}}', 1.5),
    Column("int4_array", "int4[]", f"(select array_agg(n * 1000 + i) from generate_series(0, {N_ELEMENTS - 1}) as i)",
           lambda n: [n * 1000 + i for i in ELEMENTS], 2, N_ELEMENTS),
    Column("text_array", "text[]",
           f"(select array_agg('item ' || n || '.' || i) from generate_series(0, {N_ELEMENTS - 1}) as i)",
           lambda n: [f"item {n}.{i}" for i in ELEMENTS], 2, N_ELEMENTS),
    Column("composite", f"{SCHEMA}.codec_fields", f"row(n, 'name of ' || n, n * 0.5, n % 2 = 0)::{SCHEMA}.codec_fields",
           composite_value, 2, 4),
)}


def create_tables(columns: list[Column], n_rows: int) -> list[str]:
    """Return the statements that make the tables, `n_rows` values in each; a value with parts counts as its parts."""
    statements = [
        f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE",
        f"CREATE SCHEMA {SCHEMA}",
        f"CREATE TYPE {SCHEMA}.codec_fields AS (id int8, name text, ratio float8, flag bool)",
    ]
    for column in columns:
        # At least what is checked.
        n = max(n_rows // column.n_values, N_CHECKED)
        statements += [
            f"CREATE TABLE {column.table} (value {column.type})",
            f"INSERT INTO {column.table} SELECT {column.sql} FROM generate_series(1, {n}) AS n ORDER BY n",
            f"VACUUM (ANALYZE, FREEZE) {column.table}",
        ]
    return statements


@asynccontextmanager
async def read_column(column: Column, driver: Driver) -> AsyncIterator[Run]:
    statement = driver.statement(f"SELECT value FROM {column.table} LIMIT $1")
    async with driver.connection() as connection:
        fetch = driver.fetch_of(connection)
        rows = [(value,) for (value,) in await fetch(statement, N_CHECKED)]
        if column.name == "composite":      # a record of the driver's own kind
            rows = [(tuple(value),) for (value,) in rows]
        expect(column.type, rows, [(column.value(n),) for n in range(1, N_CHECKED + 1)])

        async def measured(n_ops: int) -> None:
            n_rows = len(await fetch(statement, n_ops))
            if n_rows != n_ops:
                raise WrongAnswer(f"{column.type}: expected {n_ops} rows, got {n_rows}")
            # A turn of the loop lets go of what the loop itself may still hold, so that the drop is paid in here.
            await asyncio.sleep(0)
        yield Run(measured)


CODEC_RUNS: dict[str, Callable[[Driver], AbstractAsyncContextManager[Run]]] = {
    column.workload.name: partial(read_column, column) for column in COLUMNS.values()}
