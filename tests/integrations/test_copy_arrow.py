"""pyarrow's and polars' tables into PostgreSQL: what fetch() gives back is what to_pylist() says."""
import asyncio
import datetime
import decimal
import uuid

import polars
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asyncpg_core

UTC = datetime.timezone.utc
# A duration counts microseconds in 64 bits; Python's timedelta goes further.
WIDEST = datetime.timedelta(days=100_000_000)
VALUES = {
    "b": (pyarrow.bool_(), "bool", st.booleans()),
    "i8": (pyarrow.int8(), "int2", st.integers(-2**7, 2**7 - 1)),
    "u32": (pyarrow.uint32(), "int8", st.integers(0, 2**32 - 1)),
    "i64": (pyarrow.int64(), "int8", st.integers(-2**63, 2**63 - 1)),
    "u64": (pyarrow.uint64(), "numeric", st.integers(0, 2**64 - 1)),
    "f32": (pyarrow.float32(), "float4", st.floats(allow_nan=False, width=32)),
    "f64": (pyarrow.float64(), "float8", st.floats(allow_nan=False)),
    "d": (pyarrow.decimal128(38, 9), "numeric", st.decimals(
        places=9, allow_nan=False, allow_infinity=False, min_value=-10**18, max_value=10**18)),
    "d256": (pyarrow.decimal256(60, 3), "numeric", st.integers(-10**50, 10**50).map(
        lambda n: decimal.Decimal(n).scaleb(-3, decimal.Context(prec=80)))),
    "t": (pyarrow.string(), "text", st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))),
    "tv": (pyarrow.string_view(), "text", st.text(st.characters(
        exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)),
    "z": (pyarrow.large_binary(), "bytea", st.binary(max_size=30)),
    "day": (pyarrow.date32(), "date", st.dates()),
    "time": (pyarrow.time64("us"), "time", st.times()),
    "ts": (pyarrow.timestamp("us"), "timestamp", st.datetimes()),
    "tz": (pyarrow.timestamp("ms", "Asia/Tokyo"), "timestamptz", st.integers(-2**40, 2**40).map(
        lambda n: datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(milliseconds=n))),
    "dur": (pyarrow.duration("us"), "interval", st.timedeltas(-WIDEST, WIDEST)),
    "l": (pyarrow.list_(pyarrow.int32()), "int4[]", st.lists(st.none() | st.integers(-2**31, 2**31 - 1), max_size=4)),
    "dict": (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "text", st.sampled_from("xyz")),
}


@pytest.fixture
async def connection(dsn):
    connection = await asyncpg_core.connect(dsn)
    yield connection
    await connection.close()


def arrow_table(rows):
    """A table in several batches, each a slice of a larger one."""
    columns = {"n": pyarrow.array(range(len(rows)), pyarrow.int32())}
    for i, (name, (kind, _, _)) in enumerate(VALUES.items()):
        columns[name] = pyarrow.array([row[i] for row in rows], kind)
    return pyarrow.table(columns)


row_of = st.tuples(*[st.none() | values for _, _, values in VALUES.values()])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row_of, min_size=1, max_size=6), st.integers(0, 3))
def test_what_goes_in_by_arrow_comes_out_by_fetch(dsn, rows, skipped):
    made = arrow_table(rows).slice(skipped)

    async def there_and_back():
        connection = await asyncpg_core.connect(dsn)
        try:
            columns = ", ".join(f"{name} {kind}" for name, (_, kind, _) in VALUES.items())
            await connection.execute(f"create temp table arrows (n int, {columns})")
            assert await connection.copy_arrow_to_table("arrows", made) == f"COPY {len(made)}"
            return [tuple(row)[1:] for row in await connection.fetch("select * from arrows order by n")]
        finally:
            await connection.close()

    assert asyncio.run(there_and_back()) == rows[skipped:]


async def test_every_kind_of_producer_is_taken(connection):
    await connection.execute("create table plain (a int, b text)")
    made = pyarrow.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    nested = pyarrow.StructArray.from_arrays([made["a"].combine_chunks(), made["b"].combine_chunks()], ["a", "b"])
    frame = polars.DataFrame({"a": [1, 2, 3], "b": ["x", None, "a longer text than twelve bytes"]})
    producers = [
        made, made.to_batches()[0], made.to_batches()[0].slice(1, 1), made.to_reader(max_chunksize=1), nested.slice(2),
        pyarrow.chunked_array([nested, nested]), frame, frame.slice(1), frame.filter(polars.col("a") > 1)]
    counts = [3, 3, 1, 3, 1, 6, 3, 2, 2]
    for producer, n in zip(producers, counts, strict=True):
        assert await connection.copy_arrow_to_table("plain", producer) == f"COPY {n}"
    rows = [tuple(row) for row in await connection.fetch("select * from plain")]
    assert rows[:10] == [(1, "x"), (2, None), (3, "z")] * 2 + [(2, None)] + [(1, "x"), (2, None), (3, "z")]
    assert rows[-4:] == [(2, None), (3, "a longer text than twelve bytes")] * 2


async def test_polars_types_arrive(connection):
    await connection.execute("""
        create type pair as (x int8, y text);
        create table frames (a int8[], b pair, c text, d numeric, e timestamp, f timestamptz, g interval, h time,
                             i float8[], j text, k date)""")
    moment = datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
    frame = polars.DataFrame({
        "a": [[1, None], [], None], "b": [{"y": "u", "x": 1}, {"y": None, "x": None}, None],
        "c": ["red", "blue", None], "d": [decimal.Decimal("1.50"), decimal.Decimal("-3.00"), None],
        "e": [moment, moment, None], "f": [moment.replace(tzinfo=UTC)] * 2 + [None],
        "g": [datetime.timedelta(days=-1, microseconds=1)] * 2 + [None], "h": [moment.time()] * 2 + [None],
        "i": [[1.5, 2.5], [3.5, 4.5], None], "j": [None] * 3, "k": [moment.date()] * 2 + [None],
    }, schema_overrides={"c": polars.Categorical, "i": polars.Array(polars.Float64, 2), "j": polars.Null})
    assert await connection.copy_arrow_to_table("frames", frame) == "COPY 3"
    first, second, third = await connection.fetch("select * from frames")
    assert first["b"]["y"] == "u" and tuple(second["b"]) == (None, None)
    assert tuple(third) == (None,) * 11
    assert tuple(first)[:1] + tuple(first)[2:] == (
        [1, None], "red", decimal.Decimal("1.50"), moment, moment.replace(tzinfo=UTC),
        datetime.timedelta(days=-1, microseconds=1), moment.time(), [1.5, 2.5], None, moment.date())


async def test_uuids_and_other_types_of_pyarrows_own(connection):
    await connection.execute("create table own (a uuid, b jsonb, c interval, d int4[])")
    key = uuid.UUID(int=2**127 + 1)
    made = pyarrow.table({
        "a": pyarrow.array([key.bytes, None], pyarrow.uuid()),
        "b": pyarrow.array(['{"a": 1}', None], pyarrow.json_()),
        "c": pyarrow.array([pyarrow.MonthDayNano([14, -3, 5000]), None]),
        "d": pyarrow.array([[[1, 2], [3, 4]], None], pyarrow.list_(pyarrow.list_(pyarrow.int8())))})
    assert await connection.copy_arrow_to_table("own", made) == "COPY 2"
    assert tuple(await connection.fetchrow("select a, b, c::text, d from own")) == (
        key, '{"a": 1}', "1 year 2 mons -3 days +00:00:00.000005", [[1, 2], [3, 4]])


async def test_what_a_lazy_producer_raises_is_told(connection):
    await connection.execute("create table plain (a int8)")

    def batches():
        yield from pyarrow.table({"a": list(range(200_000))}).to_batches()
        raise LookupError("no more of that")

    reader = pyarrow.RecordBatchReader.from_batches(pyarrow.schema([("a", pyarrow.int64())]), batches())
    with pytest.raises(asyncpg_core.DataError, match="no more of that"):
        await connection.copy_arrow_to_table("plain", reader)
    assert await connection.fetchval("select count(*) from plain") == 0
