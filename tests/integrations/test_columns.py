"""Columns through those who read them: pyarrow, polars, pandas, duckdb and numpy, value for value what fetch gives."""
import asyncio
import importlib
import math
import random
import uuid
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asyncpg_core
from pgproto.errors import DataError, InterfaceError
from tests.support.features import REASON
from tests.types.random_values import KINDS


def library(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(REASON + name)


@pytest.fixture
async def connection(dsn):
    connection = await asyncpg_core.connect(dsn, interval="exact")
    yield connection
    await connection.close()


def as_text(value):
    return value.decode() if value < b"\x80" else "\\" + format(value[0], "03o")


# What a column of a type gives -> from what fetch gives; of the types not named here the values are the same.
EXPECTED = {
    "numeric": lambda value: format(value, "f"), '"char"': lambda value: "" if value == b"\0" else as_text(value),
    # Nanoseconds have 64 bits: what is longer is NULL, by the option.
    "interval": lambda value: (value.months, value.days, value.microseconds * 1000)
    if abs(value.microseconds * 1000) < 2**63 else None,
}
OPTIONS = {"interval": {"infinity": "null"}}
SAME = ("bool", "int2", "int4", "int8", "oid", "xid", "cid", "float4", "float8", "text", "varchar", "bpchar", "name",
        "json", "jsonb", "jsonpath", "bytea", "uuid", "date", "time", "timestamp", "timestamptz")
OF_PARTS = (*SAME, *EXPECTED)
AS_TEXT = ("inet", "cidr", "macaddr", "macaddr8", "timetz", "varbit", "point", "box", "path", "polygon", "circle",
           "tid", "pg_lsn", "tsvector", "xid8")


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a, b, strict=True))
    return a == b


def plain(value):
    """A value as a reader gives it, as Python's own types."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "nanoseconds"):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return [plain(part) for part in value.values()]
    return tuple(value) if hasattr(value, "nanoseconds") else value


def by_pyarrow(columns):
    table = library("pyarrow").table(columns)
    table.validate(full=True)
    return [plain(column.to_pylist()) for column in table.columns]


def by_polars(columns):
    frame = library("polars").DataFrame(columns)
    return [plain([part.to_list() if hasattr(part, "to_list") else part for part in column.to_list()])
            for column in frame.get_columns()]


READERS = {"pyarrow": by_pyarrow, "polars": by_polars}


def with_bytes(value):
    """polars has no type for uuid: it gives the bytes."""
    if isinstance(value, list):
        return [with_bytes(part) for part in value]
    return value.bytes if isinstance(value, uuid.UUID) else value


# polars has no type for intervals of months and days.
@pytest.mark.parametrize(("name", "reader"), [
    (name, reader) for name in OF_PARTS for reader in READERS if (name, reader) != ("interval", "polars")])
def test_every_type_is_read_as_fetch_reads_it(dsn, name, reader):
    library(reader)

    @settings(max_examples=8, deadline=None)
    @given(st.integers(0, 2**32))
    def run(seed):
        asyncio.run(compare(dsn, name, READERS[reader], seed, reader == "polars"))

    run()


async def compare(dsn, name, read, seed, as_bytes):
    chance = random.Random(seed)
    values = [None if chance.random() < 0.2 else KINDS[name].make(chance) for _ in range(chance.randrange(40))]
    query = (f"select x, case when n % 3 <> 0 then array[x, null, x] end as xs, row(n, x)::text is null as no "
             f"from unnest($1::{name}[]) with ordinality u(x, n) order by n")
    connection = await asyncpg_core.connect(dsn, interval="exact")
    try:
        rows = await connection.fetch(query, values)
        change = EXPECTED.get(name, lambda value: value)
        expected = [[None if row[0] is None else change(row[0]) for row in rows],
                    [None if row[1] is None else [None if part is None else change(part) for part in row[1]]
                     for row in rows], [row[2] for row in rows]]
        if as_bytes:
            expected = with_bytes(expected)
        options = OPTIONS.get(name, {})
        found = read(await connection.fetch_arrow(query, values, **options))
        found = with_bytes(found) if as_bytes else found
        expected = plain(expected) if name != "interval" else expected
        assert same(found, expected)
        # The same in batches.
        batches = [batch async for batch in connection.stream_arrow(query, values, batch_rows=7, **options)]
        streamed = [[value for batch in batches for value in read(batch)[number]] for number in range(3)]
        assert same(with_bytes(streamed) if as_bytes else streamed, expected)
    finally:
        await connection.close()


@pytest.mark.parametrize("name", AS_TEXT)
async def test_other_types_are_read_as_the_server_writes_them(connection, name):
    chance = random.Random(name)
    values = [KINDS[name].make(chance) for _ in range(30)]
    query = f"select x, format('%s', x) from unnest($1::{name}[]) x"
    found, shown = by_pyarrow(await connection.fetch_arrow(query, values))
    assert found == shown


@pytest.mark.parametrize("reader", READERS)
async def test_types_of_the_catalogue_are_read(connection, reader):
    await connection.execute("""
        drop schema if exists readers cascade; create schema readers; set search_path = readers;
        create type mood as enum ('sad', 'ok', 'happy'); create type pair as (a int, b text);
        create domain positive as int check (value > 0)""")
    found = READERS[reader](await connection.fetch_arrow(
        """select case i % 4 when 3 then null else (array['sad', 'ok', 'happy'])[1 + i % 4]::mood end as m,
                  (i, 'x')::pair as p, array[(i, null)::pair] as ps, i::positive as n, array['ok', 'sad']::mood[] as ms
           from generate_series(1, 5) i"""))
    assert found == [["ok", "happy", None, "sad", "ok"], [[i, "x"] for i in range(1, 6)],
                     [[[i, None]] for i in range(1, 6)], [1, 2, 3, 4, 5], [["ok", "sad"]] * 5]


@pytest.mark.parametrize("reader", READERS)
async def test_decimals_are_exact(connection, reader):
    query = """select x::numeric(38, 6) as a, x::numeric(9, 2) as b, (x * 3)::numeric(30, 0) as c
               from unnest(array[0, -1234567.891, 7.5, null, 9999999.99]) x"""
    found = READERS[reader](await connection.fetch_arrow(query))
    rows = await connection.fetch(query)
    assert found == [[row[number] for row in rows] for number in range(3)]


SEVEN = """select i::int8 as id, 'name ' || i as name, timestamptz '2024-01-01 00:00Z' + i * interval '1 second' as at,
           i / 3.0::float8 as ratio, (i * 1.25)::numeric(18, 4) as price, i % 2 = 0 as even
           from generate_series(1, $1) i"""


async def test_pandas_reads_a_result(connection):
    pandas, pyarrow = library("pandas"), library("pyarrow")
    frame = pyarrow.table(await connection.fetch_arrow(SEVEN, 100)).to_pandas()
    assert frame["price"].sum() == Decimal("6312.5")
    assert frame["at"].iloc[0] == pandas.Timestamp("2024-01-01 00:00:01", tz="UTC")
    assert len(pandas.DataFrame.from_arrow(await connection.fetch_arrow(SEVEN, 100))) == 100


async def test_duckdb_asks_a_result_in_sql(connection):
    duckdb = library("duckdb")
    result = await connection.fetch_arrow(SEVEN, 100)   # noqa: F841  # duckdb finds it by its name
    assert duckdb.sql("select count(*), sum(price), min(name) from result where even").fetchall() == [
        (50, Decimal("3187.5000"), "name 10")]


async def test_polars_reads_the_batches_of_a_stream(connection):
    polars = library("polars")
    frames = [polars.DataFrame(batch) async for batch in connection.stream_arrow(SEVEN, 1000, batch_rows=300)]
    assert [len(frame) for frame in frames] == [300, 300, 300, 100]
    assert polars.concat(frames)["id"].to_list() == list(range(1, 1001))


async def test_enums_of_several_batches_are_one_column(connection):
    pyarrow = library("pyarrow")
    await connection.execute("drop type if exists shade cascade; create type shade as enum ('dark', 'light')")
    batches = [pyarrow.record_batch(batch) async for batch in connection.stream_arrow(
        "select (array['light', 'dark'])[1 + (i > 5)::int]::shade as s from generate_series(1, 10) i", batch_rows=3)]
    table = pyarrow.Table.from_batches(batches)
    assert table["s"].to_pylist() == ["light"] * 5 + ["dark"] * 5
    assert [part.indices.to_pylist() for part in table["s"].chunks] == [[0] * 3, [0, 0, 1], [1] * 3, [1]]


# numpy

async def test_numbers_booleans_dates_and_timestamps_are_arrays(connection):
    numpy = library("numpy")
    query = """select i::int2 as a, i as b, i::int8 as c, i::float4 as d, i::float8 as e, i * 0.5 as f, i % 2 = 0 as g,
                      date '2020-01-01' + i as h, timestamp '2020-01-01' + i * interval '1 hour' as i,
                      timestamptz '2020-01-01 00:00+02' as j, i::oid as k from generate_series(1, $1) i"""
    arrays = await connection.fetch_numpy(query, 20)
    assert {name: array.dtype.str[1:] for name, array in arrays.items()} == {
        "a": "i2", "b": "i4", "c": "i8", "d": "f4", "e": "f8", "f": "f8", "g": "b1", "h": "M8[D]", "i": "M8[us]",
        "j": "M8[us]", "k": "u4"}
    rows = await connection.fetch(query, 20)
    for name, array in arrays.items():
        assert not isinstance(array, numpy.ma.MaskedArray)
        if name == "j":
            assert array[0] == numpy.datetime64("2019-12-31T22:00:00")
        else:
            assert array.tolist() == [float(row[name]) if name == "f" else row[name] for row in rows]
    assert [len(array) for array in (await connection.fetch_numpy(query, 0)).values()] == [0] * 11
    arrays["b"][0] = 99     # it is the caller's own


async def test_nulls_are_masked_or_refused(connection):
    numpy = library("numpy")
    query = "select nullif(i, 2) as a, nullif(i = 1, true) as b, i as c from generate_series(1, 3) i"
    arrays = await connection.fetch_numpy(query)
    assert arrays["a"].tolist() == [1, None, 3]
    assert arrays["b"].tolist() == [None, False, False]
    assert type(arrays["c"]) is numpy.ndarray
    with pytest.raises(DataError, match="column 'a' has NULLs"):
        await connection.fetch_numpy(query, nulls="error")


async def test_what_is_no_number_is_refused_before_it_is_executed(connection):
    library("numpy")
    await connection.execute("drop table if exists written; create table written (a int)")
    with pytest.raises(InterfaceError, match="column 'b' is of type text"):
        await connection.fetch_numpy("insert into written values (1) returning a, 'x'::text as b")
    with pytest.raises(InterfaceError, match="2 columns have the name 'a'"):
        await connection.fetch_numpy("insert into written values (1) returning a, a")
    assert await connection.fetchval("select count(*) from written") == 0


async def test_pools_and_prepared_statements_give_arrays(dsn, connection):
    library("numpy")
    statement = await connection.prepare("select $1::int as a")
    assert (await statement.fetch_numpy(5))["a"].tolist() == [5]
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        assert (await pool.fetch_numpy("select 6 as a"))["a"].tolist() == [6]
