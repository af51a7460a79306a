"""copy_arrow_to_table: Arrow data straight into a table. They are made by hand; pyarrow's are in tests/integrations."""
import asyncio
import datetime
import decimal
import uuid

import pytest

import asyncpg_core
from asyncpg_core.exceptions import (
    CheckViolationError,
    DataError,
    InterfaceError,
    NotNullViolationError,
    UndefinedColumnError,
    UndefinedTableError,
)
from tests.support.arrow_data import (
    Batch,
    Batches,
    booleans,
    decimals,
    dictionary,
    fixed,
    lists,
    nulls,
    numbers,
    structs,
    table,
    texts,
)
from tests.support.fault_proxy import FaultProxy


@pytest.fixture
async def bulk(connection):
    """A connection with the table of this file, empty."""
    await connection.execute("drop table if exists arrows cascade; create table arrows (a int, b text)")
    return connection


async def rows_of(connection, query="select * from arrows order by 1"):
    return [tuple(row) for row in await connection.fetch(query)]


async def is_usable(connection):
    return await connection.fetchval("select 1") == 1 and not connection.is_in_transaction()


def rows(*given):
    return table(a=numbers("i", [a for a, _ in given]), b=texts("u", [b for _, b in given]))


async def test_a_stream_and_a_batch_are_copied_by_the_names_of_their_columns(bulk):
    data = Batches([table(b=texts("vu", ["x", None]), a=numbers("c", [1, 2])), table(b=texts("vu", ["z"]),
                                                                                    a=numbers("c", [None]))])
    assert await bulk.copy_arrow_to_table("arrows", data) == "COPY 3"
    assert data.is_released_once
    batch = Batch(table(b=texts("U", ["y"])))
    assert await bulk.copy_arrow_to_table("arrows", batch) == "COPY 1"
    assert batch.n_released["array"] == 1
    assert await rows_of(bulk) == [(1, "x"), (2, None), (None, "z"), (None, "y")]
    assert await bulk.copy_arrow_to_table("arrows", Batches([], schema=rows())) == "COPY 0"


async def test_columns_say_where_the_data_go_in_their_order(bulk):
    data = table(x=texts("u", ["one"]), y=numbers("l", [1]))
    assert await bulk.copy_arrow_to_table("arrows", Batch(data), columns=iter(["b", "a"]),
                                          schema_name="public") == "COPY 1"
    assert await rows_of(bulk) == [(1, "one")]
    with pytest.raises(UndefinedColumnError):
        await bulk.copy_arrow_to_table("arrows", Batch(data))
    with pytest.raises(UndefinedTableError):
        await bulk.copy_arrow_to_table("nowhere", Batch(data))
    with pytest.raises(InterfaceError, match="the Arrow data have 2 columns, `columns` names 1"):
        await bulk.copy_arrow_to_table("arrows", Batch(data), columns=["a"])
    with pytest.raises(InterfaceError, match="no names of their own"):
        await bulk.copy_arrow_to_table("arrows", Batch(table(**{"": numbers("i", [1])})))
    with pytest.raises(InterfaceError, match="have no columns"):
        await bulk.copy_arrow_to_table("arrows", Batch(table()))
    with pytest.raises(InterfaceError, match="were expected .*got list"):
        await bulk.copy_arrow_to_table("arrows", [(1, "x")])
    assert await is_usable(bulk)


async def test_where_lets_rows_through(bulk):
    data = Batch(rows(*[(n, None) for n in range(10)]))
    assert await bulk.copy_arrow_to_table("arrows", data, where="a % 2 = 0 and a > 3") == "COPY 3"
    assert [a for a, _ in await rows_of(bulk)] == [4, 6, 8]


async def test_many_types_in_one_row(bulk):
    await bulk.execute("""
        drop type if exists mood, place cascade; drop domain if exists small;
        create type mood as enum ('sad', 'glad'); create type place as (street text, number int);
        create domain small as int check (value < 100);
        create temp table many (a bool, b int2, c int8, d float4, e float8, f numeric, g numeric(10, 1), h text,
        i varchar(5), j name, k bytea, l uuid, m date, n time, o timestamp, p timestamptz, q interval, r int[],
        s text[], t json, u jsonb, v mood, w place, x small, y mood[], z oid, aa small[], bb place[])""")
    key = uuid.UUID(int=7)
    columns = {
        "a": booleans([True, None]), "b": numbers("l", [-5, None]), "c": numbers("s", [7, None]),
        "d": numbers("e", [1.5, None]), "e": numbers("f", [0.25, None]), "f": decimals("d:20,6", 16, [-12345678900,
                                                                                                   None]),
        "g": numbers("g", [0.15, None]), "h": dictionary([0, None], texts("u", ["ünï\t\n\\"])),
        "i": texts("vu", ["short", None]), "j": texts("U", ["name", None]), "k": texts("vz", [b"\0\xff" * 9, None]),
        "l": fixed(16, [key.bytes, None]), "m": numbers("tdD", [19782, None]), "n": numbers("ttm", [1500, None]),
        "o": numbers("tsn:", [1_000_000_000_000_001_000, None]), "p": numbers("tss:+02:00", [10**9, None]),
        "q": numbers("tin", [(14, -3, 5000), None]),
        "r": lists([[1, 1, 1], None], numbers("i", [1, None, 3])), "s": lists([[], None], texts("u", [])),
        "t": texts("u", ['{"a": 1}', None]), "u": texts("u", ['{"a": 1}', None]),
        "v": dictionary([1, None], texts("u", ["sad", "glad"])),
        "w": structs([1, None], number=numbers("i", [4, 5]), street=texts("u", ["x", "y"])),
        "x": numbers("C", [99, None]), "y": lists([[1, 1], None], texts("u", ["sad", None])),
        "z": numbers("I", [2**32 - 1, None]), "aa": lists([[1], None], numbers("c", [1])),
        "bb": lists([[1], None], structs([1], street=nulls(1), number=numbers("i", [1]))),
    }
    assert await bulk.copy_arrow_to_table("many", Batch(table(**columns))) == "COPY 2"
    first, second = await rows_of(bulk, "select * from many")
    assert second == (None,) * len(columns)
    assert first[:22] == (
        True, -5, 7, 1.5, 0.25, decimal.Decimal("-12345.678900"), decimal.Decimal("0.2"), "ünï\t\n\\", "short", "name",
        b"\0\xff" * 9, key, datetime.date(2024, 2, 29), datetime.time(0, 0, 1, 500000),
        datetime.datetime(2001, 9, 9, 1, 46, 40, 1), datetime.datetime(2001, 9, 9, 1, 46, 40,
                                                                       tzinfo=datetime.timezone.utc),
        datetime.timedelta(days=365 + 60 - 3, microseconds=5), [1, None, 3], [], '{"a": 1}', '{"a": 1}', "glad")
    assert tuple(first[22]) == ("x", 4)
    assert first[23:27] == (99, ["sad", None], 2**32 - 1, [1])
    assert [tuple(place) for place in first[27]] == [(None, 1)]
    assert await bulk.fetchval("select q::text from many limit 1") == "1 year 2 mons -3 days +00:00:00.000005"


async def test_a_domain_and_a_typmod_are_the_servers_to_check(bulk):
    await bulk.execute("""drop domain if exists tiny; create domain tiny as int check (value < 10);
                       create temp table checked (a tiny, b varchar(2))""")
    with pytest.raises(CheckViolationError):
        await bulk.copy_arrow_to_table("checked", Batch(rows((10, "x"))))
    with pytest.raises(asyncpg_core.StringDataRightTruncationError):
        await bulk.copy_arrow_to_table("checked", Batch(rows((1, "xyz"))))
    assert await is_usable(bulk)


# What is wrong

async def test_types_that_do_not_fit_are_told_before_the_copy(bulk, cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        data = Batches([table(a=texts("u", ["1"]))])
        with pytest.raises(DataError, match="column 'a': utf8 of Arrow cannot be copied into int4") as caught:
            await connection.copy_arrow_to_table("arrows", data)
        assert (caught.value.column, caught.value.arrow_type, caught.value.type_name) == ("a", "utf8", "int4")
        assert (data.is_released_once, data.n_given) == (True, 0)
        assert len(proxy.flights) == 2      # the log-in and the description
        async with connection.transaction():
            with pytest.raises(DataError):
                await connection.copy_arrow_to_table("arrows", Batch(table(a=texts("u", ["1"]))))
            assert await connection.copy_arrow_to_table("arrows", Batch(rows((1, "x")))) == "COPY 1"
        await connection.close()


@pytest.mark.parametrize(("bad", "text"), [
    (table(a=numbers("l", [1, 2**31]), b=texts("u", ["x", "y"])), "column 'a' in row #1 .*2147483648 is out of the"),
    (table(a=numbers("i", [1, 2]), b=texts("u", ["x", "y\0"])), "column 'b' in row #1 .*zero byte"),
])
async def test_a_bad_value_is_named_and_nothing_is_copied(bulk, bad, text):
    many = table(a=numbers("i", [0] * 50_000), b=texts("u", ["x" * 50] * 50_000))
    schema = bad if bad.children[0].format == "l" else many
    if schema is bad:
        many = table(a=numbers("l", [0] * 50_000), b=texts("u", ["x" * 50] * 50_000))
    for batches in ([bad], [many, many, bad]):
        data = Batches(batches, schema=schema)
        with pytest.raises(DataError, match=text.replace("#1", f"#{sum(batch.length for batch in batches) - 1}")):
            await bulk.copy_arrow_to_table("arrows", data)
        assert data.is_released_once
        assert await is_usable(bulk)
    assert await rows_of(bulk) == []


async def test_a_stream_that_fails_is_told_and_nothing_is_copied(bulk):
    batch = table(a=numbers("i", [0] * 50_000), b=texts("u", ["x" * 50] * 50_000))
    for n in (0, 1, 3):
        data = Batches([batch] * 4, fail_after=n)
        with pytest.raises(DataError, match="the Arrow stream has failed: the disk is gone"):
            await bulk.copy_arrow_to_table("arrows", data)
        assert data.is_released_once
        assert await is_usable(bulk)
    assert await rows_of(bulk) == []


async def test_what_the_server_refuses_is_its_error(bulk):
    await bulk.execute("create temp table strict (a int, b text not null)")
    data = Batches([rows((1, None))] + [rows(*[(n, "x" * 100) for n in range(20_000)])] * 5)
    with pytest.raises(NotNullViolationError) as caught:
        await bulk.copy_arrow_to_table("strict", data)
    assert caught.value.query.startswith('COPY "strict" ("a", "b") FROM STDIN (FORMAT \'binary\')')
    assert data.is_released_once
    assert await is_usable(bulk)
    # UTF-8 is for the server to check.
    with pytest.raises(asyncpg_core.CharacterNotInRepertoireError):
        await bulk.copy_arrow_to_table("strict", Batch(table(a=numbers("i", [1]), b=texts("u", [b"\xff"]))))
    assert await is_usable(bulk)


async def test_a_cancelled_copy_releases_its_data_and_stores_nothing(bulk):
    batch = table(a=numbers("i", [0] * 50_000), b=texts("u", ["x" * 50] * 50_000))
    data = Batches([batch] * 200)
    task = asyncio.create_task(bulk.copy_arrow_to_table("arrows", data))
    while data.n_given < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert data.n_given < 200
    assert data.is_released_once
    assert await is_usable(bulk)
    with pytest.raises(asyncio.TimeoutError):
        await bulk.copy_arrow_to_table("arrows", Batches([batch] * 200), timeout=0.01)
    assert await is_usable(bulk)
    assert await rows_of(bulk) == []


async def test_a_slow_server_stops_the_source(bulk, connect):
    """The table is locked: what the socket holds is sent, and no more batches are asked for."""
    other = await connect()
    data = Batches([table(a=numbers("i", [0] * 10_000), b=texts("u", ["x" * 100] * 10_000))] * 100)
    await bulk.execute("create or replace function nap() returns trigger language plpgsql as $$ begin "
                       "perform pg_advisory_xact_lock(4711); return new; end $$;"
                       "create trigger nap before insert on arrows for each row execute function nap()")
    await other.execute("select pg_advisory_lock(4711)")
    task = asyncio.create_task(bulk.copy_arrow_to_table("arrows", data))
    n_before = -1
    while data.n_given != n_before or not n_before:
        n_before = data.n_given
        await asyncio.sleep(0.2)
    assert 0 < data.n_given < 50
    await other.execute("select pg_advisory_unlock(4711)")
    task.cancel()
    await asyncio.wait([task])
    assert data.is_released_once
    assert await is_usable(bulk)


async def test_a_table_that_has_changed_is_described_anew(bulk, connect):
    connection = await connect()
    await bulk.execute("drop table if exists changing; create table changing (a int8)")
    await connection.copy_arrow_to_table("changing", Batch(table(a=numbers("i", [5]))))
    await bulk.execute("alter table changing alter a type float8")
    data = Batches([table(a=numbers("i", [6]))])
    assert await connection.copy_arrow_to_table("changing", data) == "COPY 1"
    assert data.is_released_once
    assert await rows_of(bulk, "select * from changing order by 1") == [(5.0,), (6.0,)]


async def test_copy_carries_begin_and_is_rolled_back(bulk, connect):
    other = await connect()
    with pytest.raises(ZeroDivisionError):
        async with bulk.transaction():
            assert await bulk.copy_arrow_to_table("arrows", Batch(rows((1, "x")))) == "COPY 1"
            assert await rows_of(other) == []
            raise ZeroDivisionError
    assert await rows_of(bulk) == []


async def test_a_pool_copies_and_gets_its_connection_back_clean(dsn, bulk):
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        assert await pool.copy_arrow_to_table("arrows", Batch(rows((1, "x"))), columns=["a", "b"]) == "COPY 1"
        with pytest.raises(DataError):
            await pool.copy_arrow_to_table("arrows", Batch(table(a=numbers("g", [1.5]))))
        assert await pool.fetchval("select count(*) from arrows") == 1
        connection = await pool.acquire()
        await pool.release(connection)
        with pytest.raises(InterfaceError, match=r"copy_arrow_to_table\(\): connection has been released"):
            await connection.copy_arrow_to_table("arrows", Batch(rows()))


async def test_a_released_or_closed_connection_takes_no_data(connect):
    connection = await connect()
    await connection.close()
    data = Batches([rows()])
    with pytest.raises(InterfaceError, match="closed"):
        await connection.copy_arrow_to_table("arrows", data)
    assert data.n_released["stream"] == 0       # it is still its owner's
