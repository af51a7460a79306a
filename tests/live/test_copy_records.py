"""copy_records_to_table: Python values straight into a table."""
import asyncio
import datetime
import decimal
import uuid

import pytest

import asyncpg_core
from asyncpg_core.exceptions import (
    DataError,
    InsufficientPrivilegeError,
    InterfaceError,
    InvalidCachedStatementError,
    InvalidColumnReferenceError,
    NotNullViolationError,
    UndefinedColumnError,
    UndefinedTableError,
    UniqueViolationError,
)
from tests.support.fault_proxy import FaultProxy


@pytest.fixture
async def bulk(connection):
    """A connection with the tables of this file, all empty."""
    await connection.execute("""
        drop table if exists r, "Odd ""name" cascade;
        create table r (a int, b text);
        create table "Odd ""name" ("A b" int, "c""d" text);
    """)
    return connection


async def rows_of(connection, query="select * from r order by 1"):
    return [tuple(row) for row in await connection.fetch(query)]


async def is_usable(connection):
    return await connection.fetchval("select 1") == 1 and not connection.is_in_transaction()


async def test_tuples_lists_and_records_are_rows(bulk):
    record = await bulk.fetchrow("select 3 as a, 'three' as b")
    assert await bulk.copy_records_to_table("r", records=[(1, "one"), [2, None], record]) == "COPY 3"
    assert await rows_of(bulk) == [(1, "one"), (2, None), (3, "three")]


async def test_no_rows_are_no_rows(bulk):
    assert await bulk.copy_records_to_table("r", records=[]) == "COPY 0"


async def test_records_come_from_any_iterable(bulk):
    async def numbers():
        for n in range(3):
            await asyncio.sleep(0)
            yield (n, None)

    assert await bulk.copy_records_to_table("r", records=((n, None) for n in range(3))) == "COPY 3"
    assert await bulk.copy_records_to_table("r", records=numbers()) == "COPY 3"
    assert await bulk.copy_records_to_table("r", records=iter([(9, None)])) == "COPY 1"
    assert [a for a, _ in await rows_of(bulk)] == [0, 0, 1, 1, 2, 2, 9]


async def test_columns_and_names_are_exact(bulk):
    assert await bulk.copy_records_to_table(
        'Odd "name', schema_name="public", columns=('c"d', "A b"), records=[("x", 1)]) == "COPY 1"
    assert await rows_of(bulk, 'select * from "Odd ""name"') == [(1, "x")]
    with pytest.raises(UndefinedTableError):
        await bulk.copy_records_to_table("R", records=[(1, "x")])
    with pytest.raises(UndefinedColumnError):
        await bulk.copy_records_to_table("r", columns=["A"], records=[(1,)])
    assert await is_usable(bulk)


async def test_where_lets_rows_through(bulk):
    assert await bulk.copy_records_to_table(
        "r", records=[(n, None) for n in range(10)], where="a % 2 = 0 and a > 3") == "COPY 3"
    assert [a for a, _ in await rows_of(bulk)] == [4, 6, 8]


async def test_many_types_in_one_row(bulk):
    values = (
        True, -5, 2**40, 1.5, decimal.Decimal("-12345.678900"), "ünï\t\n\\", b"\0\xff", uuid.UUID(int=7),
        datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3, 4),
        datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc), datetime.timedelta(days=1, seconds=2),
        [1, None, 3], ["a", "b,c"], '{"a": 1}', '{"a": 1}')
    await bulk.execute("""
        create temp table many (a bool, b int2, c int8, d float8, e numeric, f text, g bytea, h uuid, i date,
        j timestamp, k timestamptz, l interval, m int[], n text[], o json, p jsonb)""")
    assert await bulk.copy_records_to_table("many", records=[values, (None,) * len(values)]) == "COPY 2"
    assert await rows_of(bulk, "select * from many") == [values, (None,) * len(values)]


async def test_types_that_have_only_text_are_copied_beside_others(bulk):
    await bulk.execute("create temp table textual (a int, b tsvector, c macaddr, d money, e int[], f text)")
    row = (1, "'fat' 'rat'", "08:00:2b:01:02:03", "$1.50", [1, 2], "a\tb\\c\nd")
    assert await bulk.copy_records_to_table("textual", records=[row, (None,) * 6]) == "COPY 2"
    assert await rows_of(bulk, "select * from textual") == [row, (None,) * 6]


async def test_users_own_types_are_copied(bulk):
    await bulk.execute("""
        drop type if exists mood, pair cascade;
        create type mood as enum ('sad', 'glad'); create type pair as (x int, y text);
        create temp table own (a mood, b pair, c mood[], d int4range)""")
    assert await bulk.copy_records_to_table(
        "own", records=[("glad", (1, "y"), ["sad"], asyncpg_core.Range(1, 5))]) == "COPY 1"
    assert await bulk.fetchval("select own::text from own") == '(glad,"(1,y)",{sad},"[1,5)")'


async def test_codecs_of_the_user_are_used(bulk):
    await bulk.execute("create temp table coded (a jsonb, b int, c timestamp)")
    await bulk.set_type_codec("jsonb", schema="pg_catalog", encoder=repr, decoder=eval)
    moment = datetime.datetime(2020, 1, 1)
    assert await bulk.copy_records_to_table("coded", records=[([1, 2], 3, moment)]) == "COPY 1"
    assert await rows_of(bulk, "select a::text, b, c from coded") == [("[1, 2]", 3, moment)]
    await bulk.set_type_codec("int4", schema="pg_catalog", encoder=lambda n: str(n * 2), decoder=int, format="text")
    assert await bulk.copy_records_to_table("coded", records=[([1], 3, moment)]) == "COPY 1"
    assert await bulk.fetchval("select b::text from coded where b <> 3") == "6"


# What is wrong

@pytest.mark.parametrize(("records", "text"), [
    ([(1, "x"), ("y", "x")], r"column 'a' in record #1 of the COPY: 'y' \(int4: "),
    ([(1, "x"), (1, 2)], r"column 'b' in record #1 of the COPY: 2 \(text: "),
    ([(1, "x"), (1,)], "record #1 of the COPY has 1 values, the columns are 2: a, b"),
    ([(1, "x"), (1, "x", 3)], "record #1 of the COPY has 3 values"),
    ([{"a": 1, "b": "x"}], "record #0 of the COPY is no sequence of values, but a dict"),
])
async def test_a_bad_record_is_named_and_nothing_is_copied(bulk, records, text):
    for many in (records, [(0, None)] * 100_000 + records):
        with pytest.raises(DataError, match=text.replace("#1", f"#{len(many) - 1}").replace("#0", f"#{len(many) - 1}")):
            await bulk.copy_records_to_table("r", records=many)
        assert await is_usable(bulk)
    assert await rows_of(bulk) == []


async def test_what_the_iterable_raises_is_raised(bulk):
    def broken():
        yield (1, "x")
        raise LookupError("mine" * 30_000)

    async def broken_later():
        for n in range(50_000):
            yield (n, "x")
        raise LookupError("mine")

    for records in (broken(), broken_later()):
        with pytest.raises(LookupError, match="mine"):
            await bulk.copy_records_to_table("r", records=records)
        assert await is_usable(bulk)
    with pytest.raises(TypeError):
        await bulk.copy_records_to_table("r", records=5)
    assert await is_usable(bulk)
    assert await rows_of(bulk) == []


async def test_what_the_server_refuses_is_its_error(bulk):
    await bulk.execute("create temp table strict (a int primary key, b text not null)")
    with pytest.raises(UniqueViolationError) as refused:
        await bulk.copy_records_to_table("strict", records=[(1, "x"), (1, "y")])
    assert refused.value.query.startswith('COPY "strict" FROM STDIN')
    with pytest.raises(NotNullViolationError):
        await bulk.copy_records_to_table("strict", records=[(1, None)] + [(n, "x") for n in range(2, 200_000)])
    assert await bulk.copy_records_to_table("strict", records=[(1, "x")]) == "COPY 1"


async def test_a_refusal_interrupts_a_source_that_would_not_end(bulk):
    await bulk.execute("create temp table checked (a int check (a > 0), b text)")

    async def endless():
        for _ in range(20_000):
            yield (0, "x" * 100)
        await asyncio.Event().wait()

    with pytest.raises(asyncpg_core.CheckViolationError):
        await asyncio.wait_for(bulk.copy_records_to_table("checked", records=endless()), 5)
    assert await is_usable(bulk)


async def test_generated_columns_are_left_out_by_name(bulk):
    await bulk.execute("create temp table gen (a int, b int generated always as (a * 2) stored)")
    with pytest.raises(InterfaceError, match="leave out those that are generated"):
        await bulk.copy_records_to_table("gen", records=[(1, 2)])
    assert await is_usable(bulk)
    with pytest.raises(InvalidColumnReferenceError):
        await bulk.copy_records_to_table("gen", records=[(1, 2)], columns=["a", "b"])
    assert await bulk.copy_records_to_table("gen", records=[(4,)], columns=["a"]) == "COPY 1"
    assert await rows_of(bulk, "select * from gen") == [(4, 8)]


async def test_to_write_is_enough_of_a_privilege(bulk, connect):
    await bulk.execute("grant insert on r to trust_user; grant usage on schema public to trust_user")
    await bulk.execute("set role trust_user")
    try:
        with pytest.raises(InsufficientPrivilegeError):
            await bulk.fetch("select * from r")
        assert await bulk.copy_records_to_table("r", records=[(1, "x")]) == "COPY 1"
    finally:
        await bulk.execute("reset role")


# Descriptions

async def test_the_second_copy_needs_no_more_flights_than_its_own(bulk, cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await connection.copy_records_to_table("r", records=[(1, "x")])
        proxy.flights.clear()
        assert await connection.copy_records_to_table("r", records=[(2, "x")]) == "COPY 1"
        # The COPY with the description beside it; the data and its end.
        assert len(proxy.flights) == 2
        await connection.close()


@pytest.mark.parametrize("mode", ["always", "never", "auto"])
async def test_a_table_that_has_changed_is_described_anew(bulk, connect, mode):
    """float8, timestamp and int8 are 8 bytes each: an old description would write other values without an error."""
    connection = await connect(prepare=mode)
    await bulk.execute("drop table if exists changing; create table changing (a int8)")
    await connection.copy_records_to_table("changing", records=[(5,)])
    await bulk.execute("alter table changing alter a type float8")
    assert await connection.copy_records_to_table("changing", records=[(1.5,)]) == "COPY 1"
    await bulk.execute("drop table changing; create table changing (a text, b int)")
    assert await connection.copy_records_to_table("changing", records=iter([("x", 1)])) == "COPY 1"
    assert await rows_of(bulk, "select * from changing") == [("x", 1)]
    await bulk.execute("alter table changing drop b; alter table changing alter a type bytea using null")
    async with connection.transaction():
        await connection.fetch("select 1")
        with pytest.raises(InvalidCachedStatementError, match='"changing" have changed'):
            await connection.copy_records_to_table("changing", records=[(b"x",)])
        with pytest.raises(asyncpg_core.InFailedSQLTransactionError):
            await connection.fetch("select 1")
        await connection.execute("rollback")
    assert await connection.copy_records_to_table("changing", records=[(b"y",)]) == "COPY 1"
    assert await bulk.fetchval("select count(*) from changing where a = 'y'") == 1


async def test_a_type_changed_to_one_that_is_new_is_asked_for(bulk, connect):
    connection = await connect()
    await bulk.execute("""
        drop table if exists changing; drop type if exists shade cascade;
        create type shade as enum ('dark'); create table changing (a int8)""")
    await connection.copy_records_to_table("changing", records=[(5,)])
    await bulk.execute("truncate changing; alter table changing alter a type shade using 'dark'")
    assert await connection.copy_records_to_table("changing", records=[("dark",)]) == "COPY 1"


# In transactions and beside others

async def test_copy_carries_begin_and_is_rolled_back(bulk, connect):
    other = await connect()
    with pytest.raises(ZeroDivisionError):
        async with bulk.transaction():
            assert await bulk.copy_records_to_table("r", records=[(1, "x")]) == "COPY 1"
            assert bulk.is_in_transaction()
            assert await rows_of(other) == []
            raise ZeroDivisionError
    assert await rows_of(bulk) == []
    async with bulk.transaction():
        await bulk.copy_records_to_table("r", records=[(1, "x")])
        with pytest.raises(DataError):
            async with bulk.transaction():
                await bulk.copy_records_to_table("r", records=[("bad", "x")])
        assert await bulk.copy_records_to_table("r", records=[(2, "x")]) == "COPY 1"
    assert [a for a, _ in await rows_of(other)] == [1, 2]


async def test_calls_beside_a_copy_wait_for_their_turn(bulk):
    results = await asyncio.gather(
        bulk.fetchval("select 1"), bulk.copy_records_to_table("r", records=[(n, "x") for n in range(50_000)]),
        bulk.fetchval("select count(*) from r"), bulk.copy_records_to_table("r", records=[(1, "y")]),
        bulk.fetchval("select count(*) from r"), *[bulk.fetchval("select $1::int", n) for n in range(20)])
    assert results[:2] + results[3:4] + results[5:] == [1, "COPY 50000", "COPY 1", *range(20)]
    assert {results[2], results[4]} <= {0, 1, 50_000, 50_001}
    assert await bulk.fetchval("select count(*) from r") == 50_001


async def test_a_call_that_starts_while_a_copy_is_under_way_waits(bulk):
    calls = []

    async def source():
        yield (1, "x")
        calls.append(asyncio.create_task(bulk.fetchval("select count(*) from r")))
        await asyncio.sleep(0.02)
        assert not calls[0].done()
        yield (2, "x")

    assert await bulk.copy_records_to_table("r", records=source()) == "COPY 2"
    assert await calls[0] == 2


async def test_a_source_cannot_use_the_connection_that_it_feeds(bulk):
    async def greedy():
        yield (1, await bulk.fetchval("select 'x'"))

    with pytest.raises(InterfaceError, match="its own source or sink cannot use it"):
        await asyncio.wait_for(bulk.copy_records_to_table("r", records=greedy()), 5)
    assert await is_usable(bulk)


async def test_many_rows_leave_the_loop_free(bulk):
    lags = []

    async def tick():
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            lags.append(loop.time() - before)

    ticking = asyncio.create_task(tick())
    assert await bulk.copy_records_to_table("r", records=((n, "x") for n in range(300_000))) == "COPY 300000"
    ticking.cancel()
    assert len(lags) > 5


async def test_a_pool_copies_and_gets_its_connection_back_clean(dsn, bulk):
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        assert await pool.copy_records_to_table("r", records=[(1, "x")]) == "COPY 1"
        with pytest.raises(DataError):
            await pool.copy_records_to_table("r", records=[("x", "x")])
        assert await pool.fetchval("select count(*) from r") == 1
        connection = await pool.acquire()
        await pool.release(connection)
        with pytest.raises(InterfaceError, match=r"copy_records_to_table\(\): connection has been released"):
            await connection.copy_records_to_table("r", records=[])
