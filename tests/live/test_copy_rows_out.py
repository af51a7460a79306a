"""copy_rows: rows out of COPY as records, while they are used."""
import asyncio
import contextlib
import datetime
import decimal
import gc

import pytest

import asyncpg_core
from asyncpg_core.exceptions import (
    DivisionByZeroError,
    InterfaceError,
    InvalidCachedStatementError,
    PostgresSyntaxError,
    ProtocolError,
    QueryCanceledError,
    UndefinedTableError,
    UnsupportedClientFeatureError,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.slow_line import seconds_on_this_line

MANY = "select n, 'text of row ' || n as t from generate_series(1, 300000) as n"


async def all_of(rows):
    return [row async for row in rows]


async def is_usable(connection):
    return await asyncio.wait_for(connection.fetchval("select 1"), seconds_on_this_line(5)) == 1


@pytest.fixture
async def filled(connection):
    """A connection with a table of three rows."""
    await connection.execute("""
        drop table if exists "Odd out" cascade; create table "Odd out" (a int, "b c" text, d numeric[]);
        insert into "Odd out" values (1, 'one', '{1.50,null}'), (2, null, '{}'), (null, 'three', null)""")
    return connection


async def test_a_querys_rows_are_those_of_fetch(filled):
    query = 'select *, now() - now() as e, true as f, date \'2024-02-29\' as g from "Odd out"'
    rows = filled.copy_rows(query)
    assert rows.tag is None
    assert await all_of(rows) == await filled.fetch(query)
    assert rows.tag == "COPY 3"
    assert await all_of(rows) == []


async def test_a_tables_rows_and_columns_are_named(filled):
    rows = await all_of(filled.copy_rows(table_name="Odd out", schema_name="public", columns=iter(["b c", "a"])))
    assert [dict(row) for row in rows] == [{"b c": "one", "a": 1}, {"b c": None, "a": 2}, {"b c": "three", "a": None}]
    assert next(tuple(row) for row in await all_of(filled.copy_rows(table_name="Odd out"))) == (
        1, "one", [decimal.Decimal("1.50"), None])


async def test_arguments_are_put_into_the_query(filled):
    day = datetime.date(2024, 2, 29)
    query = "select $1::date as d, $2::text || '$1' as t, $3::int[] as l"
    rows = await all_of(filled.copy_rows(query, day, "it's", [1]))
    assert [tuple(row) for row in rows] == [(day, "it's$1", [1])]
    with pytest.raises(InterfaceError, match="expects 1 argument"):
        await all_of(filled.copy_rows("select $1::int", 1, 2))
    assert await is_usable(filled)


async def test_no_rows_are_no_rows(filled):
    rows = filled.copy_rows("select 1 where false")
    assert await all_of(rows) == []
    assert rows.tag == "COPY 0"
    assert [tuple(row) for row in await all_of(filled.copy_rows("select from generate_series(1, 3)"))] == [()] * 3


async def test_what_returns_rows_can_be_copied(filled):
    rows = await all_of(filled.copy_rows('delete from "Odd out" where a = 1 returning "b c"'))
    assert [tuple(row) for row in rows] == [("one",)]
    with pytest.raises(InterfaceError, match="needs a query that gives rows"):
        await all_of(filled.copy_rows('delete from "Odd out"'))
    assert await filled.fetchval('select count(*) from "Odd out"') == 2


async def test_many_rows_come_in_order(filled):
    n = 0
    async for row in filled.copy_rows(MANY):
        n += 1
        assert (row["n"], row["t"]) == (n, f"text of row {n}")
    assert n == 300_000
    assert await is_usable(filled)


async def test_rows_are_of_the_class_that_was_wanted(connect):
    class Mine(asyncpg_core.Record):
        def __getattr__(self, name):
            return self[name]

    connection = await connect()
    assert [row.a async for row in connection.copy_rows("select 7 as a", record_class=Mine)] == [7]
    with pytest.raises(InterfaceError, match="record_class is expected to be a subclass"):
        connection.copy_rows("select 1", record_class=dict)
    other = await connect(record_class=Mine)
    assert [row.a async for row in other.copy_rows("select 7 as a")] == [7]


async def test_users_types_and_codecs_are_used(filled):
    await filled.execute("drop type if exists out_mood cascade; create type out_mood as enum ('glad')")
    await filled.set_type_codec("int4", schema="pg_catalog", encoder=str, decoder=lambda text: f"<{text}>")
    await filled.set_type_codec("json", schema="pg_catalog", encoder=repr, decoder=eval)
    query = "select 5 as a, 'glad'::out_mood as b, '[1]'::json as c, row(true, 'x') as d, array['glad'::out_mood] as e"
    rows = await all_of(filled.copy_rows(query))
    assert rows == await filled.fetch(query)
    assert rows[0]["a"] == "<5>"


# Leaving early

async def test_leaving_the_block_early_ends_the_copy_at_once(filled):
    async with filled.copy_rows(MANY) as rows:
        async for row in rows:
            assert row["n"] == 1
            break
    started = asyncio.get_running_loop().time()
    assert await is_usable(filled)
    assert asyncio.get_running_loop().time() - started < 0.9
    assert await all_of(rows) == []
    assert rows.tag is None


async def test_a_loop_that_is_left_lets_others_go_on(filled):
    async for _ in filled.copy_rows(MANY):
        break
    gc.collect()
    assert await is_usable(filled)
    assert not filled.is_in_transaction()


async def test_leaving_early_does_not_fail_the_transaction(filled):
    async with filled.transaction():
        await filled.execute('insert into "Odd out" values (4)')
        async with filled.copy_rows(MANY) as rows:
            async for _ in rows:
                break
        assert await is_usable(filled)
        async for _ in filled.copy_rows(MANY):
            break
        gc.collect()
        assert await is_usable(filled)
    assert await filled.fetchval('select count(*) from "Odd out" where a = 4') == 1


async def test_closing_what_never_began_or_is_over_is_nothing(filled):
    rows = filled.copy_rows("select 1")
    await rows.aclose()
    assert await all_of(rows) == []
    rows = filled.copy_rows("select 1")
    await all_of(rows)
    await rows.aclose()
    await rows.aclose()
    assert await is_usable(filled)


async def test_an_error_in_the_loop_is_the_callers(filled):
    with pytest.raises(LookupError, match="mine"):
        async with filled.copy_rows(MANY) as rows:
            async for _ in rows:
                raise LookupError("mine")
    assert await is_usable(filled)


async def test_a_cancelled_task_leaves_the_connection_usable(filled):
    async def read():
        async for _ in filled.copy_rows("select pg_sleep(10)"):
            raise AssertionError

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_usable(filled)


async def test_a_timeout_is_for_the_whole_of_it(filled):
    with pytest.raises(asyncio.TimeoutError):
        await all_of(filled.copy_rows("select pg_sleep(10)", timeout=0.05))
    assert await is_usable(filled)
    with pytest.raises(asyncio.TimeoutError):
        async for _ in filled.copy_rows(MANY, timeout=0.2):
            await asyncio.sleep(0.001)
    assert await is_usable(filled)


# What is wrong

async def test_errors_of_the_server_are_raised_with_their_query(filled):
    with pytest.raises(UndefinedTableError):
        await all_of(filled.copy_rows(table_name="nowhere"))
    with pytest.raises(PostgresSyntaxError):
        await all_of(filled.copy_rows("select from from"))
    got = []
    with pytest.raises(DivisionByZeroError) as caught:
        async for row in filled.copy_rows("select 1 / (150000 - n) as x from generate_series(1, 200000) as n"):
            got.append(row)
    assert 0 < len(got) < 150_000
    assert caught.value.query.startswith("COPY (select 1 /")
    assert await is_usable(filled)


async def test_what_the_call_lacks_is_told(filled):
    for arguments in ((), ("select 1", {"table_name": "x"})):
        keywords = arguments[-1] if arguments else {}
        with pytest.raises(InterfaceError, match="either a query or a table_name"):
            filled.copy_rows(*arguments[:-1], **keywords)
    with pytest.raises(InterfaceError, match="belong to a table_name"):
        filled.copy_rows("select 1", columns=["a"])
    with pytest.raises(UnsupportedClientFeatureError, match="column 'x' of type tsvector"):
        await all_of(filled.copy_rows("select 'a'::tsvector as x"))
    assert await is_usable(filled)


async def test_a_decoder_that_fails_ends_it(filled):
    await filled.set_type_codec("int4", schema="pg_catalog", encoder=str, decoder=lambda text: 1 / (int(text) - 3000))
    with pytest.raises(ZeroDivisionError):
        await all_of(filled.copy_rows(MANY))
    await filled.reset_type_codec("int4", schema="pg_catalog")
    assert await is_usable(filled)


async def test_the_body_of_the_loop_cannot_use_the_connection(filled):
    with pytest.raises(InterfaceError, match="whoever uses its rows one by one cannot use it"):
        async with filled.copy_rows(MANY) as rows:
            async for _ in rows:
                await asyncio.wait_for(filled.fetchval("select 1"), 5)
    assert await is_usable(filled)


async def test_two_tasks_cannot_wait_for_the_same_row(filled):
    rows = filled.copy_rows("select pg_sleep(0.2)")
    first = asyncio.create_task(rows.__anext__())
    await asyncio.sleep(0.05)
    with pytest.raises(InterfaceError, match="another task waits"):
        await rows.__anext__()
    assert await first is not None


async def test_a_connection_that_is_lost_ends_it(filled, connect):
    other = await connect()
    with pytest.raises((asyncpg_core.PostgresConnectionError, asyncpg_core.AdminShutdownError, ConnectionError)):
        async for _ in filled.copy_rows(MANY):
            if not filled.is_closed():
                await other.execute("select pg_terminate_backend($1)", filled.get_server_pid())


async def test_a_stream_that_is_garbled_closes_the_connection(cluster, filled, monkeypatch):
    connection = await asyncpg_core.connect(cluster.dsn("postgres", "postgres"))
    query = "select 1 as a"
    rows = connection.copy_rows(query)
    monkeypatch.setattr("asyncpg_core.copy_statement.copy_out_of", lambda source, given: f"COPY {source} TO STDOUT")
    with pytest.raises(ProtocolError, match="which is no signature of the binary format"):
        await all_of(rows)
    assert connection.is_closed()


# Descriptions

async def test_a_query_whose_columns_have_changed_is_described_anew(filled, connect):
    connection = await connect()
    query = 'select a from "Odd out" where a is not null order by a'
    assert [tuple(row) for row in await all_of(connection.copy_rows(query))] == [(1,), (2,)]
    await filled.execute('alter table "Odd out" alter a type float4')
    assert [tuple(row) for row in await all_of(connection.copy_rows(query))] == [(1.0,), (2.0,)]
    await filled.execute('alter table "Odd out" alter a type text')
    async with connection.transaction():
        await connection.fetch("select 1")
        with pytest.raises(InvalidCachedStatementError, match="columns of the query have changed"):
            await all_of(connection.copy_rows(query))
        await connection.execute("rollback")
    assert [tuple(row) for row in await all_of(connection.copy_rows(query))] == [("1",), ("2",)]


async def test_in_a_transaction_the_error_is_that_of_the_query(filled, connect):
    connection = await connect()
    await all_of(connection.copy_rows(table_name="Odd out"))
    await filled.execute('drop table "Odd out"')
    async with connection.transaction():
        await connection.fetch("select 1")
        with pytest.raises(UndefinedTableError):
            await all_of(connection.copy_rows(table_name="Odd out"))
        await connection.execute("rollback")


async def test_the_second_time_needs_one_flight(filled, cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await all_of(connection.copy_rows("select 1 as a"))
        proxy.flights.clear()
        await all_of(connection.copy_rows("select 1 as a"))
        assert len(proxy.flights) == 1
        await connection.close()


# Back-pressure, and pools

async def test_a_slow_reader_stops_the_server(filled, connect):
    """What lies between is bounded by the buffers of both sides: the server waits for the client."""
    other = await connect()
    rows = filled.copy_rows("select repeat('x', 1000) as t from generate_series(1, 200000)")
    assert (await rows.__anext__())["t"] == "x" * 1000
    for _ in range(100):
        waits = await other.fetchval("select wait_event from pg_stat_activity where pid = $1", filled.get_server_pid())
        if waits == "ClientWrite":
            break
        await asyncio.sleep(0.05)
    assert waits == "ClientWrite"
    assert len(rows._rows) < 2000
    await rows.aclose()
    assert await is_usable(filled)


async def test_a_pool_lends_a_connection_for_the_rows(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        assert [row["n"] async for row in pool.copy_rows("select $1::int as n", 5)] == [5]
        assert await pool.fetchval("select 1") == 1
        async for row in pool.copy_rows(MANY):
            assert row["n"] == 1
            break
        assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1
        async with contextlib.aclosing(pool.copy_rows(MANY)) as rows:
            async for _ in rows:
                break
        assert pool.get_idle_size() == 1
        with pytest.raises(QueryCanceledError):
            async for _ in pool.copy_rows("select pg_cancel_backend(pg_backend_pid()), pg_sleep(1)"):
                raise AssertionError
        assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1
