"""What asyncpg 0.32.0 reads we read as the same value of the same type, or DIFFERENCES says why not.

Both drivers read each row of the tables in one process. A difference that is none any more fails too.
"""
import pytest

import asyncpg_core
from tests.types import SETTINGS
from tests.types.tables import ALL_ROWS

asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg 0.32.0")
if asyncpg.__version__ != "0.32.0":
    pytest.skip("missing feature: asyncpg 0.32.0", allow_module_level=True)

INFINITE = "a singleton that is equal to asyncpg's value and is written back as infinity, not as a date"
PURE_UUID = "uuid.UUID itself, which serialisers know; asyncpg's is a subclass"

# (type, literal or None for all) -> why ours is another value or of another type
DIFFERENCES = {
    ("uuid", None): PURE_UUID,
    ("date", "infinity"): INFINITE,
    ("date", "-infinity"): INFINITE,
    ("timestamp", "infinity"): INFINITE,
    ("timestamp", "-infinity"): INFINITE,
    ("timestamptz", "infinity"): INFINITE + "; aware, as every timestamptz",
    ("timestamptz", "-infinity"): INFINITE + "; aware, as every timestamptz",
    ("numeric", "10000"): "str(numeric) is the server's text; asyncpg reads 1E+4, which is equal",
    ("numeric", "100000"): "str(numeric) is the server's text; asyncpg reads 1.0E+5, which is equal",
    ("timetz", "10:00:00+01:02:03"): "the seconds of an offset are kept",
    ("timetz", "23:59:59.000001-15:59:59"): "the seconds of an offset are kept",
    ("circle", None): "the center is a Point, as its annotation says, which is equal to asyncpg's plain tuple",
    ("interval", "2562047788:00:54.775807"): "the longest interval in microseconds; asyncpg reads 0",
    ("pg_lsn", "FFFFFFFF/FFFFFFFF"): "an unsigned number; asyncpg reads -1",
}
# An array of one of these in text: asyncpg makes a list of it that ends the process as it is read (a NULL pointer).
CRASHES_ASYNCPG = {("tsvector", "")}
SHAPES = ("Point", "Box", "LineSegment", "Line", "Circle")


def described(value):
    """What can be compared between the drivers: the type, and the value by its parts or by its text."""
    kind = type(value)
    if kind.__name__ in SHAPES or kind in (list, tuple):
        return kind.__name__, tuple(map(described, value))
    if kind.__name__ in ("Path", "Polygon"):
        return kind.__name__, value.is_closed, tuple(map(described, value))
    if kind.__name__ == "BitString":
        return kind.__name__, value.as_string(), value.bytes
    return f"{kind.__module__}.{kind.__qualname__}", repr(value)


@pytest.fixture
async def both(dsn):
    ours = await asyncpg_core.connect(dsn, server_settings=SETTINGS)
    theirs = await asyncpg.connect(dsn, server_settings=SETTINGS)
    yield ours, theirs
    ours.terminate()
    theirs.terminate()


async def read(both, sql):
    return [described(await connection.fetchval(sql)) for connection in both]


def differs(row):
    return (row.type, None) in DIFFERENCES or (row.type, row.literal) in DIFFERENCES


async def test_scalars_are_the_same_or_a_difference_that_has_a_reason(both):
    rows = [row for row in ALL_ROWS if row.since <= both[0].get_server_version().major]
    for row in rows:
        ours, theirs = await read(both, f"select {row.sql}")
        assert (ours != theirs) is differs(row), (row, ours, theirs)


async def test_arrays_are_the_same_or_a_difference_that_has_a_reason(both):
    rows = [row for row in ALL_ROWS if row.since <= both[0].get_server_version().major and row.in_array]
    for row in rows:
        if (row.type, row.literal) in CRASHES_ASYNCPG:
            continue
        ours, theirs = await read(both, f"select array[{row.sql}, null]")
        assert (ours != theirs) is differs(row), (row, ours, theirs)


def test_every_difference_is_of_a_row():
    known = {(row.type, row.literal) for row in ALL_ROWS} | {(row.type, None) for row in ALL_ROWS}
    assert known.issuperset(DIFFERENCES)


@pytest.mark.parametrize(("type_name", "literal"), [
    ("date", "infinity"), ("date", "-infinity"), ("timestamp", "infinity"), ("timestamp", "-infinity"),
    ("numeric", "10000"), ("numeric", "100000"),
    ("uuid", "00112233-4455-6677-8899-aabbccddeeff"),
])
async def test_a_value_of_another_type_or_text_is_still_equal(both, type_name, literal):
    ours, theirs = [await connection.fetchval(f"select '{literal}'::{type_name}") for connection in both]
    assert ours == theirs
    assert theirs == ours
    assert hash(ours) == hash(theirs)
    assert isinstance(ours, type(theirs)) or isinstance(theirs, type(ours))


@pytest.mark.parametrize("sql", [
    "select '(1,2)'::tid as a, '1 2'::int2vector as b, 'x'::name as c, array['(1,1),(0,0)'::box] as d",
    "select '1.2.3.4'::inet as a, '12'::money as b, array['a b'::tsvector] as c, 'int4'::regtype as d where false",
    "select '1 2'::oidvector as a, array['1 2'::oidvector] as b, 'c'::refcursor as c, '0/0'::pg_lsn as d",
])
async def test_columns_are_described_alike(both, sql):
    ours, theirs = [[tuple(column) for column in (await connection.prepare(sql)).get_attributes()]
                    for connection in both]
    assert ours == theirs
