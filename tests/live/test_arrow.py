"""Results as columns against a server: through the tests' own reader of the capsules."""
import asyncio
import sys
from decimal import Decimal

import pytest

import asyncpg_core
from asyncpg_core.exceptions import QueryTimeout
from pgproto.errors import DecodeError, InterfaceError, NoActiveSQLTransactionError, OutOfRange
from tests.support.arrow_reader import read
from tests.support.slow_line import rows_on_this_line

SEVEN = """select i::int8 as id, 'name ' || i as name, timestamptz '2024-01-01 00:00Z' + i * interval '1 second' as at,
           i / 3.0::float8 as ratio, (i * 1.25)::numeric(18, 4) as price, md5(i::text)::uuid as key, i % 2 = 0 as even
           from generate_series(1, $1::int) i"""


async def all_of(stream):
    return [batch async for batch in stream]


async def assert_idle(connection):
    """Nothing is pending, and the connection can be used."""
    assert await connection.fetchval("select 42") == 42
    assert connection._session.live_calls() == []


# fetch_arrow

async def test_columns_are_what_fetch_returns(connection):
    columns = await connection.fetch_arrow(SEVEN, 1000)
    table = read(columns)
    assert table.names == ["id", "name", "at", "ratio", "price", "key", "even"]
    assert table.formats == ["l", "u", "tsu:UTC", "g", "d:18,4", "w:16", "b"]
    assert table.rows == [tuple(row) for row in await connection.fetch(SEVEN, 1000)]
    assert columns.num_rows == len(columns) == 1000


async def test_types_of_the_catalogue_are_columns(connect):
    connection = await connect()
    await connection.execute("""
        drop schema if exists arrows cascade; create schema arrows; set search_path = arrows;
        create type mood as enum ('sad', 'ok', 'happy'); create domain positive as int check (value > 0);
        create type pair as (a int, b text); create type nest as (p pair, ps pair[], m mood)""")
    row = await connection.fetch_arrow("""
        select 'ok'::mood, 7::positive, (1, 'x')::pair, array[(1, 'x')::pair, null], array[3]::positive[],
               ((2, null), array[(3, 'y')::pair], 'sad')::nest, array['sad', 'happy']::mood[], '1.2.3.4'::inet,
               '[1,3)'::int4range, (1, 2), point '(1,2)', '12:00+02'::timetz, array['a=>1']::text[]""")
    table = read(row)
    assert table.rows == [(
        "ok", 7, (1, "x"), [(1, "x"), None], [3], ((2, None), [(3, "y")], "sad"), ["sad", "happy"], "1.2.3.4", "[1,3)",
        "(1,2)", "(1,2)", "12:00:00+02", ["a=>1"])]


async def test_codecs_of_the_user_do_not_matter(connection):
    await connection.set_type_codec("int4", schema="pg_catalog", encoder=str, decoder=lambda text: f"<{text}>")
    await connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=len)
    assert await connection.fetchval("select 1") == "<1>"
    assert read(await connection.fetch_arrow("select 1, '{}'::json, array[2]")).rows == [(1, "{}", [2])]


async def test_what_has_no_rows_or_no_columns_is_a_result(connection):
    assert read(await connection.fetch_arrow("select 1 as a, 'x' as b where false")).formats == ["i", "u"]
    assert read(await connection.fetch_arrow("select from generate_series(1, 3)")).lengths == [3]
    columns = await connection.fetch_arrow("set application_name = 'x'")
    assert (columns.num_rows, columns.num_columns) == (0, 0)
    assert read(await connection.fetch_arrow("select 1 as a, 2 as a")).names == ["a", "a"]


async def test_options_say_what_becomes_of_what_arrow_cannot_hold(connection):
    query = "select 'NaN'::numeric(5, 2) as n, 'infinity'::date as d, 1.5::numeric as f"
    with pytest.raises(OutOfRange, match="row 1, column 'n' of type numeric"):
        await connection.fetch_arrow(query)
    with pytest.raises(OutOfRange, match="row 1, column 'd' of type date"):
        await connection.fetch_arrow(query, nan="null")
    for numeric, expected in (("auto", "1.5"), ("string", "1.5"), ((38, 3), Decimal("1.5")),
                              ("decimal128(20,1)", Decimal("1.5"))):
        table = read(await connection.fetch_arrow(query, nan="null", infinity="null", numeric=numeric))
        assert table.rows[0][1:] == (None, expected)
    assert read(await connection.fetch_arrow("select 1.5, 2::numeric(3)", numeric="float64")).rows == [(1.5, 2.0)]
    with pytest.raises(InterfaceError, match="numeric is expected"):
        await connection.fetch_arrow(query, numeric="float")
    await assert_idle(connection)


async def test_an_error_of_a_row_or_of_the_server_leaves_the_connection_usable(connection):
    with pytest.raises(DecodeError, match="row 3, column 'a' of type int4\\[\\].*2 dimensions"):
        await connection.fetch_arrow(
            "select case i when 3 then '{{1}}' else '{1}' end::int[] as a from generate_series(1, 5000) i")
    await assert_idle(connection)
    with pytest.raises(asyncpg_core.DivisionByZeroError):
        await connection.fetch_arrow("select 1 / (100 - i) from generate_series(1, 200) i")
    with pytest.raises(asyncpg_core.DataError, match=r"query argument \$1"):
        await connection.fetch_arrow("select $1::int", "x")
    await assert_idle(connection)


async def test_a_call_can_be_timed_out_and_cancelled(connection):
    with pytest.raises(QueryTimeout):
        await connection.fetch_arrow("select pg_sleep(10)", timeout=0.05)
    task = asyncio.ensure_future(connection.fetch_arrow("select pg_sleep(10)"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_idle(connection)


async def test_calls_pipeline_with_others(connection):
    results = await asyncio.gather(*[
        part for number in range(20) for part in (
            connection.fetchval("select $1::int", number), connection.fetch_arrow("select $1::int as a", number))])
    assert results[::2] == list(range(20))
    assert [read(columns).rows for columns in results[1::2]] == [[(number,)] for number in range(20)]


@pytest.mark.parametrize("mode", ["always", "never", "auto"])
async def test_a_change_of_the_table_heals_as_for_fetch(connect, mode):
    connection, other = await connect(prepare=mode), await connect()
    await other.execute("drop table if exists healing; create table healing (a int); insert into healing values (1)")
    for _ in range(7):
        assert read(await connection.fetch_arrow("select * from healing")).formats == ["i"]
    await other.execute("alter table healing alter a type text, add b numeric(4, 1) default 1.5")
    table = read(await connection.fetch_arrow("select * from healing"))
    assert (table.formats, table.rows) == (["u", "d:4,1"], [("1", Decimal("1.5"))])
    assert [tuple(row) for row in await connection.fetch("select * from healing")] == [("1", Decimal("1.5"))]
    assert read(await connection.fetch_arrow("select * from healing")).rows == [("1", Decimal("1.5"))]


async def test_a_prepared_statement_gives_columns_and_keeps_the_tag(connection):
    statement = await connection.prepare("select $1::int as a")
    assert read(await statement.fetch_arrow(5)).rows == [(5,)]
    assert statement.get_statusmsg() == "SELECT 1"
    assert [read(batch).rows for batch in await all_of(statement.stream_arrow(6))] == [[(6,)]]
    assert await statement.fetchval(7) == 7


# stream_arrow

@pytest.fixture(params=["alone", "in a transaction"])
async def streaming(request, connection):
    """A connection, outside of a transaction or inside of one."""
    if request.param == "alone":
        yield connection
        return
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()


@pytest.mark.parametrize("n_rows", [0, 1, 999, 1000, 1001, 5000])
async def test_batches_have_all_rows_in_order(streaming, n_rows):
    batches = await all_of(streaming.stream_arrow(SEVEN, n_rows, batch_rows=1000))
    assert [row for batch in batches for row in read(batch).rows] == [
        tuple(row) for row in await streaming.fetch(SEVEN, n_rows)]
    assert all(len(batch) == 1000 for batch in batches[:-1])
    await assert_idle(streaming)


async def test_a_stream_that_nobody_goes_on_with_is_over(streaming):
    async for _ in streaming.stream_arrow(SEVEN, 100_000, batch_rows=100):
        break
    await assert_idle(streaming)
    async with streaming.stream_arrow(SEVEN, 100_000, batch_rows=100) as batches:
        assert len(await batches.__anext__()) == 100
    with pytest.raises(StopAsyncIteration):
        await batches.__anext__()
    await assert_idle(streaming)
    batches = streaming.stream_arrow(SEVEN, 100, batch_rows=10)
    await batches.__anext__()
    await batches.aclose()
    await batches.aclose()
    await assert_idle(streaming)


async def test_an_error_between_batches_is_raised_where_it_happens(streaming):
    n_batches = 0
    with pytest.raises(asyncpg_core.DivisionByZeroError):
        async for _ in streaming.stream_arrow("select 1 / (250 - i) from generate_series(1, 1000) i", batch_rows=100):
            n_batches += 1
    assert n_batches == 2
    if not streaming.is_in_transaction():
        await assert_idle(streaming)


async def test_a_row_that_cannot_be_read_ends_the_stream(streaming):
    stream = streaming.stream_arrow(
        "select case i when 250 then '{{1}}' else '{1}' end::int[] as a from generate_series(1, 1000) i",
        batch_rows=100)
    with pytest.raises(DecodeError, match="row 250, column 'a'"):
        await all_of(stream)
    await assert_idle(streaming)


async def test_a_cancelled_stream_leaves_the_connection_usable(connection):
    async def consume():
        async for _ in connection.stream_arrow("select i, pg_sleep(i / 150) from generate_series(1, 1000) i",
                                               batch_rows=100):
            pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_idle(connection)


async def test_the_timeout_is_for_each_batch(connection):
    stream = connection.stream_arrow(
        "select i, case when i > 200 then pg_sleep(10) end from generate_series(1, 1000) i", batch_rows=100,
        timeout=0.5)
    assert len(await stream.__anext__()) == 100
    await asyncio.sleep(0.6)
    assert len(await stream.__anext__()) == 100
    with pytest.raises(QueryTimeout, match=r"no batch within 0\.5 s"):
        await stream.__anext__()
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()
    await assert_idle(connection)
    with pytest.raises(QueryTimeout):
        await connection.stream_arrow("select 1", timeout=0).__anext__()
    await assert_idle(connection)


async def test_others_wait_for_an_open_stream_and_its_own_task_is_refused(connection):
    stream = connection.stream_arrow(SEVEN, 1000, batch_rows=100)
    await stream.__anext__()
    with pytest.raises(InterfaceError, match="a stream is open on this connection"):
        await connection.fetchval("select 1")
    other = asyncio.ensure_future(connection.fetchval("select 2"))
    await asyncio.sleep(0.01)
    assert not other.done()
    assert sum(len(batch) for batch in await all_of(stream)) == 900
    assert await other == 2


async def test_other_calls_run_between_the_batches_of_a_transaction(connection):
    async with connection.transaction():
        n_rows = 0
        async for batch in connection.stream_arrow(SEVEN, 500, batch_rows=100):
            n_rows += len(batch)
            assert await connection.fetchval("select $1::int", n_rows) == n_rows
        assert n_rows == 500
        stream = connection.stream_arrow(SEVEN, 500, batch_rows=100)
        await stream.__anext__()
    with pytest.raises(NoActiveSQLTransactionError):
        await stream.__anext__()


async def test_two_tasks_cannot_wait_for_one_batch(connection):
    stream = connection.stream_arrow("select pg_sleep(0.1)")
    first = asyncio.ensure_future(stream.__anext__())
    await asyncio.sleep(0)
    with pytest.raises(InterfaceError, match="waited for already"):
        await stream.__anext__()
    assert len(await first) == 1


async def test_batch_rows_must_be_positive(connection):
    with pytest.raises(InterfaceError):
        connection.stream_arrow("select 1", batch_rows=0)


async def test_a_connection_can_be_closed_in_the_middle_of_a_stream(connect):
    connection = await connect()
    stream = connection.stream_arrow(SEVEN, 1000, batch_rows=100)
    await stream.__anext__()
    await asyncio.wait_for(connection.close(), 5)
    with pytest.raises(InterfaceError):
        await stream.__anext__()


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
async def test_a_long_stream_takes_the_memory_of_a_batch(streaming):
    await all_of(streaming.stream_arrow(SEVEN, 20_000, batch_rows=10_000))
    before = most = resident()
    n_rows, n_expected = 0, rows_on_this_line(1_000_000)
    async for batch in streaming.stream_arrow(SEVEN, n_expected, batch_rows=10_000):
        n_rows += len(batch)
        most = max(most, resident())
    assert n_rows == n_expected
    assert most - before < 10_000_000


# Pools

async def test_a_pool_gives_columns_and_takes_its_connections_back(dsn):
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        assert read(await pool.fetch_arrow(SEVEN, 10)).rows == [tuple(row) for row in await pool.fetch(SEVEN, 10)]
        batches = [batch async for batch in pool.stream_arrow(SEVEN, 250, batch_rows=100)]
        assert [len(batch) for batch in batches] == [100, 100, 50]
        stream = pool.stream_arrow(SEVEN, 100_000, batch_rows=100)
        await stream.__anext__()
        await stream.aclose()
        assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1


async def test_a_stream_does_not_outlive_the_lease_of_its_connection(dsn):
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        async with pool.acquire() as connection:
            stream = connection.stream_arrow(SEVEN, 100_000, batch_rows=100)
            await stream.__anext__()
        assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1
        with pytest.raises(InterfaceError, match="released back to the pool"):
            await stream.__anext__()


async def test_a_pool_asks_a_connection_class_with_methods_of_its_own(dsn):
    class Counting(asyncpg_core.Connection):
        n_calls = 0

        def fetch_arrow(self, *args, **kwargs):
            Counting.n_calls += 1
            return super().fetch_arrow(*args, **kwargs)

    async with asyncpg_core.create_pool(dsn, max_size=1, connection_class=Counting) as pool:
        assert read(await pool.fetch_arrow("select $1::numeric", 1, numeric="float64")).rows == [(1.0,)]
    assert Counting.n_calls == 1


# fetch_numpy, as far as it goes without numpy; the rest is in tests/integrations/test_columns.py

async def test_numpy_is_asked_for_by_name(connection, monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(InterfaceError, match="fetch_numpy needs numpy"):
        await connection.fetch_numpy("select 1")
    with pytest.raises(InterfaceError, match="nulls is expected"):
        await connection.fetch_numpy("select 1", nulls="nan")


async def test_columns_can_be_copied_into_a_table(connection):
    await connection.execute("drop table if exists arrived; create table arrived (id int8, name text, at timestamptz, "
                             "ratio float8, price numeric(18, 4), key uuid, even bool)")
    columns = await connection.fetch_arrow(SEVEN, 500)
    assert await connection.copy_arrow_to_table("arrived", columns) == "COPY 500"
    assert await connection.fetch("select * from arrived order by id") == await connection.fetch(SEVEN, 500)
