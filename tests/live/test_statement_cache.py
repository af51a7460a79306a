"""Statements by their text: what is remembered, what the server is told, and what heals by itself."""
import asyncio
import gc

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.fault_proxy import FaultProxy

LISTED = "select statement from pg_prepared_statements where statement not like '%pg_prepared%' order by statement"


async def on_server(connection):
    """The texts that the server has prepared for this connection."""
    rows = await connection.fetch(LISTED)
    return [row[0] for row in rows]


@pytest.fixture
async def schema(connect):
    """Two connections and an own schema, so that tests may alter what they like."""
    connection, other = await connect(), await connect()
    for one in (connection, other):
        await one.execute("drop schema if exists cache_test cascade" if one is connection else "select 1")
    await connection.execute("create schema cache_test; set search_path = cache_test")
    await other.execute("set search_path = cache_test")
    return connection, other


# What is kept

async def test_a_text_is_prepared_once(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await connection.fetchval("select 0")       # The first one is described before anybody knows who answers.
        for i in range(5):
            assert await connection.fetchval("select $1::int + 5", i) == i + 5
            assert await connection.fetch("select $1::int + 5", i) == [(i + 5,)]
        assert b"".join(proxy.flights).count(b"select $1::int + 5") == 1
        connection.terminate()


async def test_the_least_recently_used_falls_out_and_is_closed_on_the_server(connect):
    connection = await connect(statement_cache_size=3)
    for i in (1, 2, 3):
        await connection.fetchval(f"select {i}")
    await connection.fetchval("select 1")
    await connection.fetchval("select 4")
    kept = {f"select {i}" for i in range(1, 5) if f"select {i}" in connection._session.statements}
    assert kept == {"select 1", "select 3", "select 4"}
    assert set(await on_server(connection)) <= kept
    assert len(connection._session.statements) == 3


async def test_a_statement_is_forgotten_after_its_lifetime(connect):
    connection = await connect(max_cached_statement_lifetime=0.05)
    await connection.fetchval("select 1")
    name = (await connection.fetch("select name from pg_prepared_statements where statement = 'select 1'"))[0][0]
    deadline = asyncio.get_running_loop().time() + 5
    while True:
        await connection.fetchval("select 1")
        names = [row[0] for row in await connection.fetch(
            "select name from pg_prepared_statements where statement = 'select 1'")]
        if names and name not in names:
            break
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    assert len(names) == 1


async def test_a_text_longer_than_the_limit_is_not_kept(connect):
    connection = await connect(max_cacheable_statement_size=20)
    long = "select 1 /* \u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9 */"
    for _ in range(3):
        assert await connection.fetchval(long) == 1
        assert await connection.fetchval("select '\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9'") is not None
    assert long not in connection._session.statements
    # 17 characters, 25 bytes: the limit counts characters.
    assert "select '\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9'" in connection._session.statements
    assert long not in await on_server(connection)


async def test_reload_schema_state_forgets_everything(connection):
    await connection.fetchval("select 1")
    await connection.reload_schema_state()
    assert len(connection._session.statements) == 0
    assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("settings", [{"statement_cache_size": 0}, {"prepare": "never"}])
async def test_never_leaves_nothing_on_the_server_and_works(connect, settings):
    connection = await connect(**settings)
    for i in range(3):
        assert await connection.fetchval("select $1::int", i) == i
        assert await connection.execute("select $1::int", i) == "SELECT 1"
        assert await connection.fetch("select i from generate_series(1, $1) i", 2) == [(1,), (2,)]
    await connection.execute("create temp table t (a int)")
    await connection.executemany("insert into t values ($1)", [(1,), (2,)])
    assert await connection.fetchval("select count(*) from t") == 2
    assert await asyncio.gather(*[connection.fetchval("select $1::int", i) for i in range(20)]) == list(range(20))
    statement = await connection.prepare("select $1::int * 2")
    assert await statement.fetchval(4) == 8
    assert await connection.fetchval("select count(*) from pg_prepared_statements where name <> ''") == 0


async def test_auto_prepares_at_the_threshold(connect):
    connection = await connect(prepare="auto", prepare_threshold=3)
    for i in range(2):
        assert await connection.fetchval("select $1::int - 1", i) == i - 1
    assert "select $1::int - 1" not in await on_server(connection)
    for i in range(2):
        assert await connection.fetchval("select $1::int - 1", i) == i - 1
    assert await on_server(connection) == ["select $1::int - 1"]


async def test_never_decodes_by_the_description_that_came_with_the_flight(connect, schema):
    _, other = schema
    connection = await connect(prepare="never", server_settings={"search_path": "cache_test"})
    await other.execute("create table t (a int4, b text)")
    await other.execute("insert into t values (1, 'one')")
    assert await connection.fetchrow("select * from t") == (1, "one")
    await other.execute("alter table t drop column a; alter table t add column a int8 default 2")
    row = await connection.fetchrow("select * from t")
    assert (row, dict(row)) == (("one", 2), {"b": "one", "a": 2})
    assert await connection.fetchrow("select * from t") == ("one", 2)


async def by_fetchmany(connection):
    return await connection.fetchmany("select * from swapped", [()])


async def by_cursor(connection):
    async with connection.transaction():
        return [row async for row in connection.cursor("select * from swapped")]


async def by_pipeline(connection):
    async with connection.pipeline() as block:
        rows = block.fetch("select * from swapped")
    return await rows


@pytest.mark.parametrize(("mode", "read"), [
    *[(mode, read) for mode in ("never", "auto", "always", None)
      for read in (lambda connection: connection.fetch("select * from swapped"), by_fetchmany, by_cursor)],
    # A group is not healed: where its statements have names, the change is an error.
    ("never", by_pipeline)])
async def test_columns_that_swap_their_names_come_with_the_new_ones(connect, schema, mode, read):
    _, other = schema
    connection = await connect(prepare=mode, prepare_threshold=3, server_settings={"search_path": "cache_test"})
    await other.execute("create table swapped (a int, b int); insert into swapped values (1, 2)")
    for a, b in ((1, 2), (2, 1), (1, 2), (2, 1), (1, 2)):
        assert [dict(row) for row in await read(connection)] == [{"a": a, "b": b}]
        await other.execute("alter table swapped rename a to c; alter table swapped rename b to a;"
                            " alter table swapped rename c to b")


async def test_a_statement_prepared_without_a_name_has_the_new_names_of_columns(connect, schema):
    _, other = schema
    connection = await connect(prepare="never", server_settings={"search_path": "cache_test"})
    await other.execute("create table swapped (a int, b int); insert into swapped values (1, 2)")
    statement = await connection.prepare("select * from swapped")
    assert dict(await statement.fetchrow()) == {"a": 1, "b": 2}
    await other.execute("alter table swapped rename a to c; alter table swapped rename b to a;"
                        " alter table swapped rename c to b")
    assert dict(await statement.fetchrow()) == {"b": 1, "a": 2}


async def cursor_of_two(connection):
    async with connection.transaction():
        return [row["g"] async for row in connection.cursor("select g from generate_series(1, $1::int) g", 2)]


async def many(connection):
    await connection.executemany("select $1::int", [(1,), (2,)])


@pytest.mark.parametrize("mode", ["never", "auto", "always", None])
@pytest.mark.parametrize(("call", "n_flights"), [
    (lambda c: c.fetch("select $1::int", 1), 1), (lambda c: c.fetchmany("select $1::int", [(1,), (2,)]), 1),
    (many, 1), (cursor_of_two, 2), (lambda c: c.fetch_arrow("select $1::int", 1), 1)])
async def test_a_repeated_query_is_one_round_trip_in_every_mode(cluster, mode, call, n_flights):
    """A cursor's COMMIT is the second one."""
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn, prepare=mode, prepare_threshold=3)
        await call(connection)
        for _ in range(5):
            proxy.flights.clear()
            proxy.client_is_next = True
            await call(connection)
            assert len(proxy.flights) == n_flights
        connection.terminate()


@pytest.mark.parametrize("mode", ["never", "always", None])
async def test_a_prepared_statement_is_one_round_trip_in_every_mode(cluster, mode):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn, prepare=mode)
        statement = await connection.prepare("select $1::int")
        for n in range(3):
            proxy.flights.clear()
            proxy.client_is_next = True
            assert await statement.fetchval(n) == n
            assert len(proxy.flights) == 1
        connection.terminate()


# Healing

CHANGES = {
    "alter table": ("create table t (a int4)", "insert into t values (1)",
                    "alter table t add column b text default 'x'", "select * from t", (), [(1,)], [(1, "x")]),
    "alter column": ("create table t (a int4)", "insert into t values (1)", "alter table t alter a type text",
                     "select a from t", (), [(1,)], [("1",)]),
    "enum": ("create type mood as enum ('sad')", "select 1",
             "drop type mood; create type mood as enum ('sad', 'glad')", "select $1::mood", ("sad",), [("sad",)],
             [("sad",)]),
    "discard all": ("select 1", "select 1", "discard all", "select $1::int", (7,), [(7,)], [(7,)]),
    "deallocate all": ("select 1", "select 1", "deallocate all", "select $1::int", (7,), [(7,)], [(7,)]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["always", "never"])
async def test_outside_a_transaction_a_change_heals_without_an_error(connect, schema, change, mode):
    make, fill, alter, query, arguments, before, after = CHANGES[change]
    _, other = schema
    connection = await connect(prepare=mode, server_settings={"search_path": "cache_test"})
    await other.execute(make)
    await other.execute(fill)
    assert await connection.fetch(query, *arguments) == before
    assert await connection.fetch(query, *arguments) == before
    await (other if "t" not in change.split() and "all" not in change else connection).execute(alter)
    assert await connection.fetch(query, *arguments) == after
    assert await connection.fetch(query, *arguments) == after
    assert connection._session.frontend.transaction_status == "I"


@pytest.mark.parametrize("change", ["alter table", "alter column", "discard all", "deallocate all"])
async def test_healing_prepares_at_most_once_more(cluster, connect, schema, change):
    make, fill, alter, query, arguments, _, after = CHANGES[change]
    _, other = schema
    await other.execute(make)
    await other.execute(fill)
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn, server_settings={"search_path": "cache_test"})
        await connection.fetch(query, *arguments)
        await connection.execute(alter)
        if change == "discard all":
            await connection.execute("set search_path = cache_test")
        proxy.flights.clear()
        proxy.client_is_next = True
        assert await connection.fetch(query, *arguments) == after
        assert b"".join(proxy.flights).count(query.encode()) == 1
        connection.terminate()


@pytest.mark.parametrize("drop", ["deallocate all", "discard all"])
async def test_names_that_the_user_drops_are_given_again(schema, drop):
    connection, _ = schema
    for n in range(3):
        calls = [connection.fetchval("select $1::int", n), connection.fetchval("select $1::text", str(n))]
        assert await asyncio.gather(*calls) == [n, str(n)]
        await connection.execute(drop)
    assert connection._session.statements.mode == "always"


async def test_names_that_vanish_by_themselves_are_not_given_again(schema):
    """As behind a pooler that lends out another server's session."""
    connection, _ = schema
    queries = ["select $1::int", "select $1::int + 0"]
    await asyncio.gather(*(connection.fetchval(query, 1) for query in queries))
    await connection.execute("do $$ begin execute 'deallocate all'; end $$")
    assert await asyncio.gather(*(connection.fetchval(query, 2) for query in queries)) == [2, 2]
    assert connection._session.statements.mode == "never"
    assert await connection.fetchval("select count(*) from pg_prepared_statements where name <> ''") == 0


async def test_a_lost_name_is_explained_where_it_cannot_heal(schema):
    connection, _ = schema
    statement = await connection.prepare("select 1")
    await connection.execute("deallocate all")
    with pytest.raises(exceptions.InvalidSQLStatementNameError) as caught:
        async with connection.transaction():
            await connection.execute("select 1")
            await statement.fetch()
    assert "pgbouncer" in caught.value.hint and "statement_cache_size=0" in caught.value.hint


@pytest.mark.parametrize("change", ["alter table", "deallocate all"])
async def test_inside_a_transaction_a_change_is_one_clear_error_then_healed(schema, change):
    make, fill, alter, query, arguments, before, after = CHANGES[change]
    connection, other = schema
    await connection.execute(make)
    await connection.execute(fill)
    assert await connection.fetch(query, *arguments) == before
    await (connection if "all" in change else other).execute(alter)
    expected = (exceptions.InvalidSQLStatementNameError if "all" in change
                else exceptions.InvalidCachedStatementError)
    with pytest.raises(expected):
        async with connection.transaction():
            await connection.execute("select 1")
            await connection.fetch(query, *arguments)
    async with connection.transaction():
        await connection.execute("select 1")
        assert await connection.fetch(query, *arguments) == after
    assert await connection.fetch(query, *arguments) == after


async def test_a_change_that_the_carrier_of_begin_meets_is_an_error_as_later_in_the_transaction(schema):
    connection, other = schema
    await connection.execute("create table t (a int); insert into t values (1)")
    assert await connection.fetch("select * from t") == [(1,)]
    await other.execute("alter table t add column b int default 2")
    with pytest.raises(exceptions.InvalidCachedStatementError):
        async with connection.transaction():
            await connection.fetch("select * from t")
    async with connection.transaction():
        assert await connection.fetch("select * from t") == [(1, 2)]


async def rows_of_a_cursor(connection):
    async with connection.transaction():
        return [row async for row in connection.cursor("select * from t order by a", prefetch=1)]


async def rows_behind_a_move(connection):
    async with connection.transaction():
        cursor = await connection.cursor("select * from t order by a")
        await cursor.forward(1)
        return [(1, "admin"), *await cursor.fetch(2)]


async def rows_of_many(connection):
    return await connection.fetchmany("update t set a = a where a = $1 returning *", [(1,), (2,)])


async def rows_at_once(connection):
    return await connection.fetch("select * from t order by a")


@pytest.mark.parametrize("ask", [rows_of_a_cursor, rows_behind_a_move, rows_of_many, rows_at_once])
async def test_a_new_column_of_a_type_that_nobody_knows_is_read(schema, ask):
    connection, other = schema
    await connection.execute("create table t (a int); insert into t values (1), (2)")
    for query in ("select * from t order by a", "update t set a = a where a = $1 returning *"):
        await connection._session.calls.describe("fetch", query, None)
    await other.execute("create type role as enum ('user', 'admin'); "
                        "alter table t add column r role default 'admin'")
    for _ in range(2):
        assert await ask(connection) == [(1, "admin"), (2, "admin")]


async def test_a_retry_keeps_the_record_class(schema):
    class Row(asyncpg_core.Record):
        """A class of the user's."""

    connection, other = schema
    await connection.execute("create table t (a int); insert into t values (1)")
    await connection.fetch("select * from t", record_class=Row)
    await other.execute("alter table t add column b int default 2")
    rows = await connection.fetch("select * from t", record_class=Row)
    assert (rows, type(rows[0])) == ([(1, 2)], Row)


async def test_neighbours_of_a_healed_call_keep_their_results(schema):
    connection, other = schema
    await connection.execute("create table t (a int); insert into t values (1)")
    await connection.fetch("select * from t")
    await connection.fetchval("select $1::int", 0)
    await other.execute("alter table t add column b int default 2")
    outcomes = await asyncio.gather(
        connection.fetchval("select $1::int", 1), connection.fetch("select * from t"),
        connection.fetchval("select $1::int", 2), connection.fetch("select * from t"),
        connection.fetchval("select $1::int", 3))
    assert outcomes == [1, [(1, 2)], 2, [(1, 2)], 3]


@pytest.mark.parametrize("mode", ["always", "never"])
@pytest.mark.parametrize("change", ["deallocate all", "discard all",
                                    "alter table t alter a type text", "alter table t drop spare"])
@pytest.mark.parametrize("n", [2, 5000])
async def test_many_elements_heal_and_each_is_executed_once(connect, schema, mode, change, n):
    connection = await connect(prepare=mode, server_settings={"search_path": "cache_test"})
    # A point comes as text, so that the formats of the columns differ.
    await connection.execute("create table t (a int, spare point, b int)")
    insert = "insert into t (a, b) values ($1::int, $2)"
    returning = "insert into t (a, b) values ($1::int, $2) returning *"
    await connection.executemany(insert, [(0, 0)])
    assert [row["b"] for row in await connection.fetchmany(returning, [(0, 0)])] == [0]
    await connection.execute(change)
    assert await connection.executemany(insert, [(i, 1) for i in range(n)]) is None
    await connection.execute(change if "t alter" not in change and "drop" not in change else "select 1")
    # The elements of a generator are there once.
    rows = await connection.fetchmany(returning, ((i, 2) for i in range(n)))
    kind = str if "text" in change else int
    assert [row["a"] for row in rows] == [kind(i) for i in range(n)]
    assert "spare" not in rows[0] if "drop" in change else rows[0]["spare"] is None
    assert await connection.fetch("select b, count(*), count(distinct a) from t group by b order by b") == [
        (0, 2, 1), (1, n, n), (2, n, n)]
    assert await connection.fetchmany(returning, [(0, 0)]) is not None
    assert connection._session.frontend.transaction_status == "I"


async def test_a_change_among_many_elements_is_one_error_and_leaves_nothing(schema):
    """What the server has bound is not sent again, although it is rolled back: its elements are gone."""
    connection, _ = schema
    await connection.execute("create table t (a int)")
    await connection.execute(
        "create function spoil() returns trigger language plpgsql as $$ begin if new.a = 3 then "
        "raise exception using errcode = '26000'; end if; return new; end $$")
    await connection.execute("create trigger spoil before insert on t for each row execute function spoil()")
    with pytest.raises(exceptions.InvalidSQLStatementNameError):
        await connection.executemany("insert into t values ($1)", ((i,) for i in range(5)))
    assert await connection.fetchval("select count(*) from t") == 0
    await connection.executemany("insert into t values ($1)", [(1,)])
    assert await connection.fetchval("select count(*) from t") == 1


async def test_many_elements_do_not_heal_inside_a_transaction(schema):
    connection, _ = schema
    await connection.execute("create table t (a int)")
    await connection.executemany("insert into t values ($1)", [(1,)])
    await connection.execute("deallocate all")
    with pytest.raises(exceptions.InvalidSQLStatementNameError):
        async with connection.transaction():
            await connection.execute("insert into t values (2)")
            await connection.executemany("insert into t values ($1)", [(3,)])
    await connection.executemany("insert into t values ($1)", [(4,)])
    assert await connection.fetchval("select array_agg(a order by a) from t") == [1, 4]


async def test_a_column_that_comes_as_text_for_once_is_read_as_text(connect, schema):
    _, other = schema
    connection = await connect(prepare="never", server_settings={"search_path": "cache_test"})
    await other.execute("create table t (a point); insert into t values (null)")
    assert await connection.fetch("select a from t") == [(None,)]
    await other.execute("alter table t drop a; alter table t add a int default 1234")
    for _ in range(2):
        assert await connection.fetch("select a from t") == [(1234,)]


async def test_an_explicit_statement_is_not_healed(schema):
    connection, other = schema
    await connection.execute("create table t (a int); insert into t values (1)")
    statement = await connection.prepare("select * from t")
    assert await statement.fetch() == [(1,)]
    await other.execute("alter table t add column b int default 2")
    for _ in range(2):
        with pytest.raises(exceptions.InvalidCachedStatementError):
            await statement.fetch()
    assert await connection.fetch("select * from t") == [(1, 2)]


# Prepared statements

async def test_a_prepared_statement_a_hundred_times(connection):
    statement = await connection.prepare("select $1::int4 as n, $2::text as t")
    assert [type_.name for type_ in statement.get_parameters()] == ["int4", "text"]
    assert [(one.name, one.type.name) for one in statement.get_attributes()] == [("n", "int4"), ("t", "text")]
    assert statement.get_statusmsg() is None
    for i in range(100):
        assert await statement.fetchrow(i, str(i)) == (i, str(i))
    assert await statement.fetch(1, "x") == [(1, "x")]
    assert statement.get_statusmsg() == "SELECT 1"
    assert await asyncio.gather(*[statement.fetchval(i, "x") for i in range(100)]) == list(range(100))
    assert await statement.fetchval(1, "x", column="t") == "x"
    assert await statement.fetchmany([(1, "a"), (2, "b")]) == [(1, "a"), (2, "b")]
    assert await statement.executemany([(1, "a"), (2, "b")]) is None
    assert statement.get_query() == "select $1::int4 as n, $2::text as t"


async def test_a_prepared_statement_is_closed_on_the_server_when_nobody_refers_to_it(connection):
    statement = await connection.prepare("select 12345")
    name = statement.get_name()
    assert name in {row[0] for row in await connection.fetch("select name from pg_prepared_statements")}
    del statement
    gc.collect()
    await connection.fetchval("select 1")
    assert name not in {row[0] for row in await connection.fetch("select name from pg_prepared_statements")}


async def test_an_explicit_name_is_honoured_and_a_duplicate_is_refused(connection):
    statement = await connection.prepare("select 5", name="mine")
    assert statement.get_name() == "mine"
    with pytest.raises(exceptions.DuplicatePreparedStatementError):
        await connection.prepare("select 6", name="mine")
    assert await statement.fetchval() == 5
    class Name(str):
        pass

    assert (await connection.prepare("select 6", name=Name("other"))).get_name() == "other"
    with pytest.raises(exceptions.InterfaceError, match="the name of a statement must be a str, got int"):
        await connection.prepare("select 6", name=5)
    unnamed = await connection.prepare("select 7", name="")
    assert (unnamed.get_name(), await unnamed.fetchval()) == ("", 7)


async def test_a_prepared_statement_of_a_closed_connection_is_refused(connect):
    connection = await connect()
    statement = await connection.prepare("select 1")
    await connection.close()
    with pytest.raises(exceptions.InterfaceError, match="the underlying connection is closed"):
        await statement.fetch()


async def test_explain_returns_the_plan_and_analyze_changes_nothing(connection):
    await connection.execute("create temp table t (a int)")
    statement = await connection.prepare("insert into t values ($1)")
    assert (await statement.explain(1))[0]["Plan"]["Node Type"] == "ModifyTable"
    assert "Execution Time" in (await statement.explain(1, analyze=True))[0]
    assert await connection.fetchval("select count(*) from t") == 0


async def test_a_statement_that_returns_nothing_has_no_attributes(connection):
    statement = await connection.prepare("set application_name = 'x'")
    assert (statement.get_parameters(), statement.get_attributes()) == ((), ())
    assert await statement.fetch() == []
    assert statement.get_statusmsg() == "SET"
