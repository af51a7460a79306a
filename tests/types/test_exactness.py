"""A value comes and goes as it is, or an error says which column or argument it was and why."""
import datetime

import pytest

import asyncpg_core
from asyncpg_core.exceptions import ClientConfigurationError, DataError, DecodeError, OutOfRange
from asyncpg_core.types import (
    DATE_INFINITY,
    DATETIME_INFINITY,
    DATETIMETZ_INFINITY,
    INFINITY,
    NEGATIVE_INFINITY,
    Array,
    Interval,
)
from pgproto.codecs.intervals import exact_interval_codec
from tests.types import SETTINGS

UTC = datetime.timezone.utc


@pytest.mark.parametrize(("type_name", "value", "text"), [
    ("date", datetime.date.max, "9999-12-31"),
    ("date", datetime.date.min, "0001-01-01"),
    ("timestamp", datetime.datetime.max, "9999-12-31 23:59:59.999999"),
    ("timestamp", datetime.datetime.min, "0001-01-01 00:00:00"),
    ("timestamptz", datetime.datetime.max.replace(tzinfo=UTC), "9999-12-31 23:59:59.999999+00"),
])
async def test_the_last_and_first_of_python_are_themselves(connection, type_name, value, text):
    row = await connection.fetchrow(f"select $1::{type_name}, $1::text, isfinite($1::{type_name})", value)
    assert tuple(row) == (value, text, True)
    assert type(row[0]) is type(value)


@pytest.mark.parametrize(("type_name", "infinity", "last"), [
    ("date", DATE_INFINITY, datetime.date.max),
    ("timestamp", DATETIME_INFINITY, datetime.datetime.max),
    ("timestamptz", DATETIMETZ_INFINITY, datetime.datetime.max.replace(tzinfo=UTC)),
])
async def test_infinity_is_a_value_equal_to_the_last_one_that_stays_infinite(connection, type_name, infinity, last):
    read = await connection.fetchval(f"select 'infinity'::{type_name}")
    assert read is infinity
    assert read == last
    assert await connection.fetchval(f"select $1::{type_name}::text", read) == "infinity"


async def test_a_timedelta_crosses_the_change_of_clocks_as_a_length(connection):
    await connection.execute("set timezone = 'America/New_York'")
    moment = await connection.fetchval("select '2024-03-10 04:00'::timestamptz + $1", datetime.timedelta(hours=-3))
    assert moment == datetime.datetime(2024, 3, 10, 5, tzinfo=UTC)
    assert await connection.fetchval("select $1::interval::text", datetime.timedelta(days=1)) == "24:00:00"


@pytest.mark.parametrize(("sql", "says"), [
    ("'178000000 years'::interval", "outside what Python's timedelta can hold"),
    ("make_interval(months => 2147483647)", "outside what Python's timedelta can hold"),
    ("'4000-01-01 BC'::date", "outside what Python's date can hold"),
    ("'10000-01-01'::date", "outside what Python's date can hold"),
    ("'10000-01-01'::timestamp", "outside what Python's datetime can hold"),
    ("'24:00'::time", "outside what Python's time can hold"),
    ("'24:00+01'::timetz", "outside what Python's time can hold"),
])
async def test_what_python_cannot_hold_is_out_of_range_and_names_the_column(connection, sql, says):
    with pytest.raises(OutOfRange, match=says) as caught:
        await connection.fetch(f"select 1 as first, {sql} as second")
    assert str(caught.value).startswith("column 'second' of type ")
    assert caught.value.column == "second"
    with pytest.raises(OutOfRange, match="invalid array element at index 1: .*" + says):
        await connection.fetch(f"select array[nullif({sql}, {sql}), {sql}] as many")
    with pytest.raises(OutOfRange, match=r"invalid array element at index \[1\]\[0\]: .*" + says):
        await connection.fetch(f"select array[[nullif({sql}, {sql})], [{sql}]] as many")
    assert issubclass(OutOfRange, (DecodeError, OverflowError))
    assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize(("type_name", "value", "says"), [
    ("int4[]", [1, 2**31], "invalid array element at index 1: value out of int32 range"),
    ("int4[]", [[1], ["x"]], r"invalid array element at index \[1\]\[0\]: an integer is required, got str"),
    ("text[]", ["a", 5], "invalid array element at index 1: expected str, got int"),
    ("macaddr[]", ["08:00:2b:01:02:03", 5], "invalid array element at index 1: expected str, got int"),
    ("interval[]", [datetime.timedelta.max], "invalid array element at index 0: .* 106751991 days"),
])
async def test_an_element_that_cannot_be_sent_is_named_by_its_index(connection, type_name, value, says):
    with pytest.raises(DataError, match=says) as caught:
        await connection.fetchval(f"select $1::int, $2::{type_name}", 1, value)
    assert str(caught.value).startswith("invalid input for query argument $2: ")
    assert caught.value.parameter == 2


BOUNDS = [
    ("'[0:2]={1,2,3}'::int4[]", Array([1, 2, 3], (0,))),
    ("'[-1:0][5:5]={{1},{2}}'::int8[]", Array([[1], [2]], (-1, 5))),
    ("'[2:3]={08:00:2b:01:02:03,NULL}'::macaddr[]", Array(["08:00:2b:01:02:03", None], (2,))),
    ("'[0:1]={(2,2),(1,1);NULL}'::box[]", Array([((2, 2), (1, 1)), None], (0,))),
]


@pytest.mark.parametrize(("sql", "array"), BOUNDS)
async def test_lower_bounds_are_read_where_asked_for_and_written_always(connection, sql, array):
    assert type(await connection.fetchval(f"select {sql}")) is list
    connection._session.registry.keep_array_bounds()
    read = await connection.fetchval(f"select {sql} as kept")
    assert (type(read), read, read.lower_bounds) == (Array, list(array), array.lower_bounds)
    for value in (read, array):
        type_name = sql.split("::")[1]
        same = await connection.fetchval(f"select format('%s', $1::{type_name}) = format('%s', {sql})", value)
        assert same is True


@pytest.mark.parametrize(("text", "value"), [
    ("1 year 2 mons -3 days +04:05:06.789", Interval(14, -3, 14706789000)),
    ("-178000000 years", Interval(-2136000000, 0, 0)),
    ("-2562047788:00:54.775807", Interval(0, 0, -(2**63) + 1)),
    ("infinity", Interval(2**31 - 1, 2**31 - 1, 2**63 - 1)),
])
async def test_an_interval_is_exact_where_asked_for(connection, text, value):
    major = connection.get_server_version().major
    if (text == "infinity" and major < 17) or (text.startswith("-2562047788") and major < 15):
        text, value = "1 day", Interval(0, 1, 0)
    assert await connection.fetchval("select $1::interval = $2::text::interval", value, text) is True
    connection._session.registry.set(1186, exact_interval_codec())
    assert await connection.fetchval(f"select '{text}'::interval as exact") == value
    row = await connection.fetchrow(f"select $1::interval::text = '{text}'::interval::text, array['{text}'::interval]",
                                    value)
    assert tuple(row) == (True, [value])


EXACT = {"infinity": "exact", "interval": "exact", "array_bounds": "keep"}


async def check_exactness(connection):
    """All three wishes at once, as scalars, in arrays, both ways."""
    for type_name in ("date", "timestamp", "timestamptz"):
        row = await connection.fetchrow(
            f"select 'infinity'::{type_name}, '-infinity'::{type_name}, $1::{type_name}::text, "
            f"array['-infinity'::{type_name}, null, 'infinity'], $2::{type_name}[]::text",
            NEGATIVE_INFINITY, [INFINITY, None, NEGATIVE_INFINITY])
        assert tuple(row) == (INFINITY, NEGATIVE_INFINITY, "-infinity", [NEGATIVE_INFINITY, None, INFINITY],
                              "{infinity,NULL,-infinity}")
    row = await connection.fetchrow(
        "select '1 year 2 days'::interval as a, '[0:0]={7}'::int4[] as b, '9999-12-31'::date")
    assert tuple(row) == (Interval(12, 2, 0), [7], datetime.date.max)
    assert row["b"].lower_bounds == (0,)
    if connection.get_server_version().major >= 17:
        row = await connection.fetchrow("select '-infinity'::interval, $1::interval::text, $2::interval[]::text",
                                        INFINITY, [NEGATIVE_INFINITY, Interval(1, 0, 0)])
        assert tuple(row) == (NEGATIVE_INFINITY, "infinity", '{-infinity,"1 mon"}')
    else:
        with pytest.raises(DataError, match="by PostgreSQL 17"):
            await connection.fetchval("select $1::interval", INFINITY)


async def test_a_connection_reads_exactly_what_it_was_asked_for(dsn):
    connection = await asyncpg_core.connect(dsn, server_settings=SETTINGS, **EXACT)
    try:
        await check_exactness(connection)
    finally:
        await connection.close()


async def test_every_connection_of_a_pool_reads_exactly_what_the_pool_was_asked_for(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2, server_settings=SETTINGS, **EXACT) as pool:
        async with pool.acquire() as one, pool.acquire() as other:
            await check_exactness(one)
            await check_exactness(other)
        assert await pool.fetchval("select 'infinity'::date") is INFINITY


async def test_one_wish_leaves_the_other_types_alone(dsn):
    connection = await asyncpg_core.connect(dsn, server_settings=SETTINGS, infinity="exact")
    try:
        row = await connection.fetchrow(
            "select '1 mon'::interval as a, '[0:0]={7}'::int4[] as b, 'infinity'::date as c")
        assert tuple(row) == (datetime.timedelta(days=30), [7], INFINITY)
        assert type(row["b"]) is list
    finally:
        await connection.close()


@pytest.mark.parametrize("keyword", EXACT)
async def test_an_unknown_wish_is_refused_by_name(dsn, keyword):
    says = f"invalid {keyword}: None or '{EXACT[keyword]}' was expected, got 'other'"
    with pytest.raises(ClientConfigurationError, match=says):
        await asyncpg_core.connect(dsn, **{keyword: "other"})
    with pytest.raises(ClientConfigurationError, match=says):
        await asyncpg_core.create_pool(dsn, **{keyword: "other"})
