"""What our own side may do wrongly, and what a schema may do to it: an error that names it, and a usable connection."""
import asyncio
import sys

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.fuzz.hostile_objects import STATIC, Endless, Liar, LyingList, Raising, Stop, Surprise

# Values that these types take, by design, and the server does too.
TYPES = ("int", "int[]", "text", "text[]", "numeric", "float8", "bytea", "jsonb", "timestamptz", "date", "interval",
         "uuid", "int4range", "point", "bool", "inet")
MEBIBYTE = 1 << 20


async def outcome_of(call):
    try:
        return await asyncio.wait_for(call, 10)
    except (exceptions.PostgresError, exceptions.InterfaceError, Stop) as error:
        return error


@pytest.mark.parametrize("type_name", TYPES)
async def test_a_hostile_argument_is_refused_or_sent_and_the_connection_is_usable(connection, type_name):
    for value in STATIC:
        await outcome_of(connection.fetchval(f"select $1::{type_name} is null", value))
        assert connection._session.frontend.transaction_status == "I"
    assert await connection.fetchval("select 1") == 1


async def test_hostile_elements_and_rows_are_refused_and_the_connection_is_usable(connection):
    await connection.execute("create temp table t (a int, b text)")
    for bad in (Liar(2**62, [1, "x", 5]), Endless(), LyingList([1, 2]), Raising(), (1,), (1, "x", 3), 5, {}, (1, 2),
                (2**31, "x"), ([], "x"), (Raising(), "x")):
        rows = [(1, "x"), bad]
        for call, *arguments in ((connection.executemany, "insert into t values ($1, $2)", rows),
                                 (connection.fetchmany, "insert into t values ($1, $2) returning a", rows),
                                 (connection.copy_records_to_table, "t")):
            with pytest.raises((exceptions.DataError, exceptions.InterfaceError, Surprise)):
                await asyncio.wait_for(call(*arguments) if len(arguments) > 1 else call("t", records=rows), 10)
            assert connection._session.frontend.transaction_status == "I"
    assert await connection.fetchval("select count(*) from t") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="missing feature: memory that is there when it is touched")
async def test_a_value_beyond_a_gigabyte_is_refused_before_it_is_copied(connection):
    import resource

    huge = bytes(1 << 30)       # zeros that nobody has touched take no memory
    await connection.execute("create temp table t (a bytea)")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for call in (lambda: connection.fetchval("select length($1::bytea)", huge),
                 lambda: connection.fetchval("select length($1::bytea)", memoryview(huge)),
                 lambda: connection.fetchval("select cardinality($1::bytea[])", [b"x", huge]),
                 lambda: connection.executemany("insert into t values ($1)", [(b"x",), (huge,)]),
                 lambda: connection.copy_records_to_table("t", records=[(huge,)])):
        with pytest.raises((exceptions.DataError, exceptions.InterfaceError)):
            await asyncio.wait_for(call(), 5)
        assert await connection.fetchval("select 1") == 1
    # In kilobytes, on macOS in bytes.
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 64 * MEBIBYTE
    assert await connection.fetchval("select count(*) from t") == 0


# Statements under which the ground moves; see test_statement_cache.py for the others.

async def test_a_changed_search_path_is_obeyed_by_cached_statements(connect):
    connection = await connect()
    await connection.execute("drop schema if exists one_path, other_path cascade; create schema one_path; "
                             "create schema other_path; create table one_path.t (a int); "
                             "create table other_path.t (a text, b int); insert into one_path.t values (1); "
                             "insert into other_path.t values ('x', 2)")
    try:
        for _ in range(3):
            await connection.execute("set search_path = one_path")
            assert await connection.fetch("select * from t") == [(1,)]
            await connection.execute("set search_path = other_path")
            assert await connection.fetch("select * from t") == [("x", 2)]
        with pytest.raises(exceptions.PostgresError):
            async with connection.transaction():
                await connection.execute("set local search_path = one_path")
                await connection.fetch("select * from t")
        assert await connection.fetch("select * from t") == [("x", 2)]
    finally:
        await connection.execute("drop schema one_path, other_path cascade")


# COPY through execute, and a trigger that raises

@pytest.mark.parametrize("when", ["before insert on guarded for each statement",
                                  "after insert on guarded for each statement"])
@pytest.mark.parametrize("method", ["execute", "fetch"])
async def test_a_copy_into_a_table_whose_trigger_raises_leaves_its_neighbours_alone(connection, when, method):
    await connection.execute(
        "create temp table guarded (a int); create or replace function pg_temp.refuse() returns trigger "
        "language plpgsql as $$ begin raise exception 'the trigger raises'; end $$; "
        f"create trigger refuse {when} execute function pg_temp.refuse()")
    copies = [getattr(connection, method)("copy guarded from stdin") for _ in range(2)]
    outcomes = await asyncio.wait_for(asyncio.gather(
        connection.fetchval("select 1"), copies[0], connection.fetchval("select $1::int", 2), copies[1],
        connection.execute("select 3"), return_exceptions=True), 10)
    assert [outcomes[0], outcomes[2], outcomes[4]] == [1, 2, "SELECT 1"]
    for failed in (outcomes[1], outcomes[3]):
        assert isinstance(failed, (exceptions.InterfaceError, exceptions.RaiseError)), failed
    assert connection._session.frontend.transaction_status == "I"


# A schema in front of pg_catalog

FUNCTIONS = ("pg_advisory_unlock_all()", "pg_is_in_recovery()", "quote_nullable(anyelement)", "quote_nullable(text)",
             "quote_literal(text)", "quote_ident(text)", "format_type(oid, int)", "current_setting(text)", "version()",
             "set_config(text, text, bool)", "pg_type_is_visible(oid)", "unnest(oid[])", "concat(text, text)",
             "pg_cancel_backend(int)", "pg_backend_pid()")
OPERATORS = (("=", "oid", "oid"), ("=", "name", "name"), ("=", "text", "text"), ("||", "text", "text"),
             (">=", "oid", "oid"), (">", "int2", "int2"), ("=", "\"char\"", "\"char\""))


def trap():
    parts = ["drop schema if exists trap cascade; create schema trap"]
    for function in FUNCTIONS:
        # What is caught is whoever calls it: the answer could be anything.
        parts.append(f"create function trap.{function} returns text language plpgsql as "
                     f"$f$ begin raise exception 'caught: {function}'; end $f$")
    for number, (operator, left, right) in enumerate(OPERATORS):
        result = "text" if operator == "||" else "bool"
        parts.append(f"create function trap.o{number}({left}, {right}) returns {result} language plpgsql as "
                     f"$f$ begin raise exception 'caught: {operator} of {left.strip(chr(34))}'; end $f$; "
                     f"create operator trap.{operator} (leftarg = {left}, rightarg = {right}, "
                     f"function = trap.o{number})")
    parts.append("create type trap.mood as enum ('good'); create type trap.pair as (a int, m trap.mood); "
                 "create table trap.t (a int, b text, m trap.mood)")
    return "; ".join(parts)


@pytest.fixture
async def trapped(connect):
    """A DSN's settings under which every unqualified name of the catalogue's is a trap."""
    connection = await connect()
    await connection.execute(trap())
    yield {"server_settings": {"search_path": "trap, pg_catalog"}}
    await connection.execute("drop schema trap cascade")


async def test_the_trap_snaps(connect, trapped):
    connection = await connect(**trapped)
    for sql in ("select version()", "select 'a'::text || 'b'::text", "select quote_nullable('a'::text)"):
        with pytest.raises(exceptions.RaiseError, match="caught"):
            await connection.fetchval(sql)


async def test_nothing_that_the_driver_sends_is_looked_for_in_search_path(dsn, trapped):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=2, **trapped) as pool:
        async with pool.acquire() as connection:
            assert await connection.fetchval("select 'good'::mood") == "good"
            assert await connection.fetchval("select row(1, 'good')::pair") == (1, "good")
            await connection.set_type_codec("mood", schema="trap", encoder=str, decoder=str.upper)
            assert await connection.fetchval("select $1::mood", "good") == "GOOD"
            await connection.reset_type_codec("mood", schema="trap")
            await connection.copy_records_to_table("t", records=[(1, "x", "good"), (2, None, None)])
            sink = []

            async def write(data):
                sink.append(data)

            await connection.copy_from_query(
                "select a from t where a operator(pg_catalog.=) $1 and $2::text is null", 1, None, output=write)
            assert b"".join(sink) == b"1\n"
            await connection.copy_from_table("t", output=write)
            async with connection.transaction(isolation="repeatable_read"):
                assert [row["a"] async for row in connection.cursor("select a from t order by a")] == [1, 2]
            statement = await connection.prepare("select a from t")
            assert [row["a"] for row in await statement.fetch()] == [1, 2]
            assert (await statement.explain())[0]["Plan"]
            await connection.add_listener("channel", lambda *_: None)
            await connection.execute("set application_name = 'x'; select pg_catalog.pg_advisory_lock(1)")
            await connection.reset()
        for _ in range(3):
            await pool.execute("set application_name = 'x'")
            assert await pool.fetchval("select 1") == 1
    await (await asyncpg_core.connect(dsn, target_session_attrs="read-write", **trapped)).close()
