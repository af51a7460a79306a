"""When the catalogue is asked, and when it is not: counted on the wire."""
import asyncio
import re

import pytest

from asyncpg_core.exceptions import (
    ConnectionDoesNotExistError,
    InFailedSQLTransactionError,
    QueryTimeout,
    UndefinedObjectError,
)
from asyncpg_core.type_query import BATCH, BY_NAME, BY_OID, statement
from pgproto.types import Range
from tests.support.features import SINCE
from tests.types.user_schema import Eye, needs_multiranges


@pytest.mark.parametrize("name", [
    "uuid[]", "int4range", "timestamptz[]", "tstzrange[]", "record", "int4[]", "jsonb[]", "pg_node_tree",
    pytest.param("int4multirange", marks=needs_multiranges), pytest.param("nummultirange[]", marks=needs_multiranges)])
async def test_a_builtin_type_is_never_asked_about(connect, name):
    connection = await connect()
    eye = Eye(connection)
    assert await connection.fetchval(f"select null::{name}") is None
    assert eye.catalogue_queries == 0


async def test_a_type_is_asked_about_once(connect, schema):
    connection = await connect(prepare="always", server_settings={"search_path": schema})
    eye = Eye(connection)
    for _ in range(2):
        assert await connection.fetchval("select $1::mood", "sad") == "sad"
        assert await connection.fetchval("select null::nest, $1::mood[]", None) is None
    assert eye.catalogue_queries == 2       # mood; nest and mood[] together
    assert eye.kinds.count("P") == 4


async def test_what_several_calls_ask_for_at_once_is_asked_once(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    eye = Eye(connection)
    names = ["mood", "pair", "frange", "mood", "mood"]
    values = ["sad", (1, "x"), Range(1.0, 2.0), "sad", "happy"]
    results = await asyncio.gather(*(connection.fetchval(f"select $1::{name}, {n}", value)
                                     for n, (name, value) in enumerate(zip(names, values, strict=True))))
    assert results == values
    assert 1 <= eye.catalogue_queries <= 3      # as the descriptions come in: each type once, whoever asks for it


async def test_the_second_connection_of_a_pool_does_not_ask(two):
    eyes = [Eye(c) for c in two]
    for c in two:
        assert await c.fetchval("select $1::nest", ("sad",) + (None,) * 6) == ("sad",) + (None,) * 6
    assert [eye.catalogue_queries for eye in eyes] == [1, 0]


async def test_calls_keep_their_order_while_the_catalogue_is_asked(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    await connection.execute("create temp table log (n serial, what text)")
    await asyncio.gather(
        connection.execute("insert into log (what) values ('a')"),
        connection.fetchval("insert into log (what) values ($1::mood::text) returning n", "sad"),
        connection.execute("insert into log (what) values ('b')"),
        connection.fetchval("insert into log (what) values (($1::pair).b) returning n", (1, "c")),
    )
    assert [row["what"] for row in await connection.fetch("select what from log order by n")] == ["a", "sad", "b", "c"]


async def test_it_works_inside_transactions_and_sees_what_they_have_made(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    async with connection.transaction():
        assert await connection.fetchval("select $1::mood", "sad") == "sad"
        await connection.execute("create type own as (x mood)")
        async with connection.transaction():
            assert await connection.fetchval("select $1::own[]", [("sad",)]) == [("sad",)]
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            with pytest.raises(UndefinedObjectError):
                await connection.fetchval("select $1::nothing", 1)
            with pytest.raises(InFailedSQLTransactionError):
                await connection.fetchval("select $1::frange", (1, 2))
            raise ZeroDivisionError
    assert await connection.fetchval("select $1::frange", (1, 2)) == Range(1.0, 2.0, upper_inc=True)


@pytest.mark.parametrize("settings", [{"prepare": "never"}, {"statement_cache_size": 0}, {"prepare": "auto"}])
async def test_it_works_in_every_prepare_mode(connect, schema, settings):
    connection = await connect(server_settings={"search_path": schema}, **settings)
    eye = Eye(connection)
    for _ in range(7):
        assert await connection.fetchval("select $1::pair[]", [(1, "x")]) == [(1, "x")]
    assert eye.catalogue_queries == 1


async def test_it_works_with_a_statement_timeout_and_with_jit_on(connect, schema):
    connection = await connect(prepare="always", server_settings={
        "search_path": schema, "statement_timeout": "5s", "jit": "on", "jit_above_cost": "100000"})
    eye = Eye(connection)
    assert await connection.fetchval("select $1::nest[]", []) == []
    # Parse, Describe, Sync; the catalogue; Bind, Execute, Sync: no SET around it.
    assert eye.kinds == "PDS" "PBDES" "BES"


async def test_the_query_stays_far_below_the_cost_that_jit_begins_at(connection, schema):
    sql = statement(BY_OID, has_multiranges=connection.get_server_version().major >= SINCE["multiranges"]).sql
    wanted = await connection.fetchval(
        "select array_agg(oid) from (select oid from pg_type order by oid desc limit $1) t", BATCH)
    plan = (await connection.fetch("explain " + sql, wanted))[0]
    cost = float(plan[0].split("..")[1].split(" ")[0])
    assert cost < 80_000, "PostgreSQL compiles what costs 100,000"


async def test_users_codecs_for_the_catalogues_own_types_do_not_disturb_it(connect, schema):
    connection = await connect(server_settings={"search_path": schema})

    def fail(value):
        raise RuntimeError("the user's")

    for name in ("oid", "text", "name", "bool", "char"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=fail, decoder=fail)
    assert await connection.fetchval("select $1::mood[]", ["sad"]) == ["sad"]


async def test_a_cancelled_first_use_leaves_the_connection_usable(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    n_timeouts = 0
    while n_timeouts < 3:
        task = asyncio.create_task(connection.fetchval("select $1::nest", None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        try:
            await connection.fetchval("select $1::nest", None, timeout=0.00001)
        except QueryTimeout:
            n_timeouts += 1
        else:   # The answer was there when the loop looked at the time, and the type is known now.
            connection, n_timeouts = await connect(server_settings={"search_path": schema}), 0
    prepared = await connection.prepare("select $1::frange")
    assert prepared.get_parameters()[0].name == "frange"
    assert await connection.fetchval("select $1::nest", None) is None


@needs_multiranges
async def test_prepare_tells_of_multiranges(connection, schema):
    statement = await connection.prepare("select $1::fmultirange")
    assert [(t.name, t.kind, t.schema) for t in statement.get_parameters()] == [("fmultirange", "multirange", schema)]
    assert [a.type.name for a in statement.get_attributes()] == ["fmultirange"]


async def test_prepare_tells_names_kinds_and_schemas(connection, schema):
    statement = await connection.prepare("select $1::positive, $2::pair, $3::mood[], $4::frange, $5::positive[]")
    assert [(t.name, t.kind, t.schema) for t in statement.get_parameters()] == [
        ("int4", "scalar", "pg_catalog"), ("pair", "composite", schema), ("mood[]", "array", schema),
        ("frange", "range", schema), ("positive[]", "array", schema)]
    assert [(a.name, a.type.name) for a in statement.get_attributes()] == [
        ("positive", "int4"), ("pair", "pair"), ("mood", "mood[]"), ("frange", "frange"), ("positive", "positive[]")]
    positive = await connection.fetchval("select 'positive'::regtype::oid")
    assert statement.get_parameters()[0].oid == positive


async def test_a_pipeline_block_may_begin_with_unknown_types(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    async with connection.pipeline() as p:
        first = p.fetchval("select $1::mood", "sad")
        second = p.fetchval("select $1::pair", (1, "x"))
    assert await first == "sad"
    assert await second == (1, "x")


async def test_reload_schema_state_asks_anew_and_keeps_codecs(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    await connection.set_type_codec("mood", schema=schema, encoder=str.lower, decoder=str.upper)
    assert await connection.fetchval("select $1::mood", "SAD") == "SAD"
    eye = Eye(connection)
    await connection.reload_schema_state()
    assert await connection.fetchval("select $1::mood", "SAD") == "SAD"
    assert eye.catalogue_queries == 1


async def test_a_lost_connection_ends_who_waits_for_the_catalogue(connect, schema):
    connection = await connect(server_settings={"search_path": schema})
    calls = [connection.prepare("select $1::nest"), connection.fetchval("select $1::mood", "sad")]
    tasks = [asyncio.create_task(call) for call in calls]
    while not connection._session.introspector.held and not all(task.done() for task in tasks):
        await asyncio.sleep(0)
    connection.terminate()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, ConnectionDoesNotExistError) for result in results)


def test_every_operator_of_the_catalogue_query_is_qualified():
    for start in (BY_OID, BY_NAME):
        sql = statement(start, has_multiranges=True).sql
        plain = re.sub(r"OPERATOR\(pg_catalog\.[^)]*\)", "", re.sub(r"'[^']*'", "", sql))
        assert not re.search(r"[=<>]|\bIN\b|\bBETWEEN\b|\bLIKE\b|NULLIF|DISTINCT", plain)
        for name in re.findall(r"(?<![\w.])(\w+)\(", plain):
            assert name in {"wanted", "part", "ARRAY", "EXISTS", "COALESCE", "AND", "JOIN"} or name.isupper()


async def test_operators_of_a_schema_in_front_of_pg_catalog_are_not_called(connection):
    await connection.execute("""
        create schema trap; create type trap.mood as enum ('good');
        create function trap.caught(oid, oid) returns bool language plpgsql as
            $$ begin raise exception 'caught'; end $$;
        create operator trap.= (leftarg = oid, rightarg = oid, function = trap.caught);
        set search_path to trap, pg_catalog""")
    try:
        assert await connection.fetchval("select 'good'::trap.mood") == "good"
        assert await connection.fetchval("select array['good'::trap.mood]") == ["good"]
    finally:
        await connection.execute("reset search_path; drop schema trap cascade")
