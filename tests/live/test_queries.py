"""fetch, fetchrow, fetchval, fetchmany, execute, executemany: results, arguments, refusals."""
import asyncio
import math

import pytest

import asyncpg_core
from asyncpg_core import exceptions


class Row(asyncpg_core.Record):
    """A record class of the user's."""


# Results

async def test_fetch_returns_all_rows_as_records(connection):
    rows = await connection.fetch("select i, 'x' || i as t from generate_series(1, 3) i")
    assert rows == [(1, "x1"), (2, "x2"), (3, "x3")]
    assert [type(row) for row in rows] == [asyncpg_core.Record] * 3
    assert dict(rows[0]) == {"i": 1, "t": "x1"}


async def test_fetchrow_returns_the_first_row_or_none(connection):
    assert await connection.fetchrow("select 1 as a, $1::text as b", "x") == (1, "x")
    assert await connection.fetchrow("select 1 where false") is None


async def test_fetchrow_of_insert_returning_inserts_every_row(connection):
    await connection.execute("create temp table t (a int)")
    row = await connection.fetchrow("insert into t select generate_series(1, 3) returning a")
    assert (row, await connection.fetchval("select count(*) from t")) == ((1,), 3)


@pytest.mark.parametrize(("column", "value"), [(0, 1), (1, 2), (-1, 2), ("a", 1), ("b", 2)])
async def test_fetchval_takes_a_position_or_a_name(connection, column, value):
    assert await connection.fetchval("select 1 as a, 2 as b", column=column) == value


@pytest.mark.parametrize(("column", "error"), [(2, IndexError), ("c", KeyError)])
async def test_fetchval_of_a_missing_column_raises_and_the_connection_stays_usable(connection, column, error):
    with pytest.raises(error):
        await connection.fetchval("select 1 as a, 2 as b", column=column)
    assert await connection.fetchval("select 1 where false", column=column) is None
    assert await connection.fetchval("select 3") == 3


async def test_statements_without_rows_fetch_nothing(connection):
    assert await connection.fetch("create temp table t (a int)") == []
    assert await connection.fetchrow("insert into t values (1)") is None
    assert await connection.fetchval("insert into t values (1)") is None


@pytest.mark.parametrize("empty", ["", ";", " ", "-- nothing", "/* nothing */"])
async def test_an_empty_query_is_no_error(connection, empty):
    assert await connection.execute(empty) == ""
    assert await connection.fetch(empty) == []
    assert await connection.fetchrow(empty) is None
    assert await connection.fetchval(empty) is None
    assert await connection.fetchval("select 1") == 1


async def test_execute_returns_the_tag_of_the_last_statement(connection):
    assert await connection.execute("create temp table t (a int); insert into t values (1), (2)") == "INSERT 0 2"
    assert await connection.execute("update t set a = a + $1", 1) == "UPDATE 2"
    assert await connection.execute("select * from t") == "SELECT 2"
    assert await connection.execute("delete from t where a = $1", 2) == "DELETE 1"
    assert await connection.execute("select 1; ;") == "SELECT 1"


async def test_several_statements_in_execute_are_one_transaction(connection):
    await connection.execute("create temp table t (a int primary key)")
    with pytest.raises(exceptions.UniqueViolationError):
        await connection.execute("insert into t values (1); insert into t values (1)")
    assert await connection.fetchval("select count(*) from t") == 0


@pytest.mark.parametrize("method", ["fetch", "fetchrow", "fetchval"])
async def test_several_statements_where_one_is_expected_are_a_syntax_error(connection, method):
    with pytest.raises(exceptions.PostgresSyntaxError) as caught:
        await getattr(connection, method)("select 1; select 2")
    assert caught.value.sqlstate == "42601"
    with pytest.raises(exceptions.PostgresSyntaxError):
        await connection.execute("select $1::int; select 2", 1)
    assert await connection.fetchval("select 1") == 1


async def test_executemany_executes_for_each_element_and_returns_none(connection):
    await connection.execute("create temp table t (a int, b text)")
    assert await connection.executemany("insert into t values ($1, $2)", [(1, "a"), [2, "b"]]) is None
    assert await connection.executemany("insert into t values ($1, $2)", ((i, str(i)) for i in range(3, 6))) is None
    assert await connection.fetch("select * from t order by a") == [(1, "a"), (2, "b"), (3, "3"), (4, "4"), (5, "5")]


async def test_executemany_of_nothing_executes_nothing(connection):
    await connection.execute("create temp table t (a int)")
    assert await connection.executemany("insert into t values ($1)", []) is None
    assert await connection.fetchmany("insert into t values ($1) returning a", []) == []
    assert await connection.fetchval("select count(*) from t") == 0


async def test_executemany_is_all_or_nothing_when_the_server_refuses_an_element(connection):
    await connection.execute("create temp table t (a int primary key)")
    with pytest.raises(exceptions.UniqueViolationError) as caught:
        await connection.executemany("insert into t values ($1)", [(i,) for i in (1, 2, 3, 2, 5)])
    assert caught.value.batch_index == 3
    assert await connection.fetchval("select count(*) from t") == 0


async def test_executemany_is_all_or_nothing_when_a_late_element_cannot_be_encoded(connection):
    # The first chunks are long written and executed when the last element turns out to be bad.
    await connection.execute("create temp table t (a int, b text)")
    elements = [(i, "x" * 1000) for i in range(500)] + [("bad", "y")]
    with pytest.raises(exceptions.DataError, match=r"\$1 in element #500 of executemany\(\) sequence: 'bad'"):
        await connection.executemany("insert into t values ($1, $2)", elements)
    assert connection._session.frontend.transaction_status == "I"
    assert await connection.fetchval("select count(*) from t") == 0


async def test_executemany_whose_iterable_raises_raises_that_and_applies_nothing(connection):
    await connection.execute("create temp table t (a int, b text)")

    def elements():
        for i in range(300):
            yield i, "x" * 1000
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        await connection.executemany("insert into t values ($1, $2)", elements())
    assert await connection.fetchval("select count(*) from t") == 0


@pytest.mark.parametrize("element", [{"a": 1}, 5, None, {1, 2}])
async def test_executemany_refuses_elements_that_are_no_sequences(connection, element):
    await connection.execute("create temp table t (a int)")
    with pytest.raises(exceptions.DataError, match=r"invalid input in executemany\(\) argument sequence element #1: "
                                                   "expected a sequence"):
        await connection.executemany("insert into t values ($1)", [(1,), element])
    assert await connection.fetchval("select count(*) from t") == 0


async def test_large_executemany_keeps_every_element(connection):
    await connection.execute("create temp table t (a int, b text)")
    await connection.executemany("insert into t values ($1, $2)", ((i, "y" * (i % 300)) for i in range(5000)))
    assert await connection.fetchrow("select count(*), sum(a), sum(length(b)) from t") == (
        5000, sum(range(5000)), sum(i % 300 for i in range(5000)))


async def test_fetchmany_returns_the_rows_of_all_elements_in_order(connection):
    rows = await connection.fetchmany("select $1::int as a union all select $1 * 10", [(1,), (2,)])
    assert rows == [(1,), (10,), (2,), (20,)]


async def test_a_large_row_and_many_rows_arrive_whole(connection):
    assert await connection.fetchval("select repeat('ab', 3000000)") == "ab" * 3000000
    rows = await connection.fetch("select i, repeat('z', i % 100) from generate_series(1, 20000) i")
    assert all(row == (i, "z" * (i % 100)) for i, row in enumerate(rows, 1))


# record_class

async def test_record_class_of_a_call_wins_over_that_of_the_connection(connect):
    connection = await connect(record_class=Row)
    assert type(await connection.fetchrow("select 1")) is Row
    assert type((await connection.fetch("select 1"))[0]) is Row
    assert type((await connection.fetchmany("select $1::int", [(1,)]))[0]) is Row
    assert type(await connection.fetchrow("select 1", record_class=asyncpg_core.Record)) is asyncpg_core.Record


async def test_record_class_of_a_call_is_used(connection):
    assert type(await connection.fetchrow("select 1", record_class=Row)) is Row
    assert type((await connection.fetch("select 1", record_class=Row))[0]) is Row
    assert type((await connection.fetchmany("select $1::int", [(1,)], record_class=Row))[0]) is Row
    assert type(await connection.fetchrow("select 1")) is asyncpg_core.Record


@pytest.mark.parametrize("method", ["fetch", "fetchrow"])
async def test_a_record_class_that_is_none_is_refused(connection, method):
    with pytest.raises((TypeError, exceptions.InterfaceError)):
        await getattr(connection, method)("select 1", record_class=dict)
    assert await connection.fetchval("select 1") == 1


# Timeouts

@pytest.mark.parametrize("timeout", [True, "1", math.nan, object(), []])
async def test_a_timeout_that_is_no_number_is_a_value_error(connection, timeout):
    for call in (lambda: connection.fetch("select 1", timeout=timeout),
                 lambda: connection.fetchrow("select 1", timeout=timeout),
                 lambda: connection.fetchval("select 1", timeout=timeout),
                 lambda: connection.fetchmany("select $1::int", [(1,)], timeout=timeout),
                 lambda: connection.execute("select 1", timeout=timeout),
                 lambda: connection.executemany("select $1::int", [(1,)], timeout=timeout),
                 lambda: connection.prepare("select 1", timeout=timeout)):
        with pytest.raises(ValueError, match="invalid timeout value"):
            await call()
    assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("timeout", [0, -1, 0.0, -0.5, -math.inf])
async def test_a_timeout_that_is_over_already_times_out_and_sends_nothing(connection, timeout):
    await connection.execute("create temp table t (a int)")
    with pytest.raises(asyncio.TimeoutError):
        await connection.execute("insert into t values (1)", timeout=timeout)
    with pytest.raises(TimeoutError):
        await connection.fetch("insert into t values ($1)", 1, timeout=timeout)
    assert connection._session.frontend.n_pending == 0
    assert await connection.fetchval("select count(*) from t") == 0


async def test_an_infinite_timeout_is_none(connection):
    assert await connection.fetchval("select 1", timeout=math.inf) == 1


# The query itself

@pytest.mark.parametrize("query", [None, 5, b"select 1", ["select 1"]])
@pytest.mark.parametrize("method", ["fetch", "fetchrow", "fetchval", "execute", "prepare"])
async def test_a_query_that_is_no_str_is_refused_and_the_connection_stays_usable(connection, method, query):
    with pytest.raises((TypeError, exceptions.InterfaceError), match="str"):
        await getattr(connection, method)(query)
    for many in (connection.executemany, connection.fetchmany):
        with pytest.raises((TypeError, exceptions.InterfaceError), match="str"):
            await many(query, [(1,)])
    assert await connection.fetchval("select 1") == 1


async def test_a_subclass_of_str_is_a_query(connection):
    class Text(str):
        def __str__(self):
            return "select 'overridden'"

    assert await connection.fetchval(Text("select 'kept'")) in {"kept", "overridden"}
    assert await connection.execute(Text("select 1")) == "SELECT 1"


@pytest.mark.parametrize("method", ["fetch", "fetchval", "execute", "prepare"])
async def test_a_zero_byte_in_the_query_is_refused_and_the_connection_stays_usable(connection, method):
    with pytest.raises((exceptions.InterfaceError, ValueError)):
        await getattr(connection, method)("select 1\0; select 2")
    with pytest.raises((exceptions.InterfaceError, ValueError)):
        await connection.execute("select $1::int\0", 1)
    assert await connection.fetchval("select 1") == 1


async def test_a_lone_surrogate_in_the_query_is_refused_and_the_connection_stays_usable(connection):
    for method in (connection.fetch, connection.execute, connection.prepare):
        with pytest.raises((UnicodeEncodeError, exceptions.InterfaceError)):
            await method("select '\ud800'")
    assert await connection.fetchval("select 1") == 1


# Arguments

@pytest.mark.parametrize(("arguments", "text"), [
    ((), "the server expects 2 arguments for this query, 0 were passed"),
    ((1,), "the server expects 2 arguments for this query, 1 was passed"),
    ((1, 2, 3), "the server expects 2 arguments for this query, 3 were passed"),
])
async def test_a_wrong_argument_count_says_both_counts(connection, arguments, text):
    with pytest.raises(exceptions.InterfaceError, match=text) as caught:
        await connection.fetch("select $1::int + $2::int", *arguments)
    assert caught.value.hint
    assert await connection.fetchval("select $1::int + $2::int", 1, 2) == 3


async def test_arguments_for_a_query_without_parameters_are_refused(connection):
    with pytest.raises(exceptions.InterfaceError, match="expects 0 arguments for this query, 1 was passed"):
        await connection.execute("select 1", 1)


async def test_percent_s_gets_a_hint(connection):
    with pytest.raises((exceptions.InterfaceError, exceptions.PostgresSyntaxError)) as caught:
        await connection.fetch("select 1 where 'a' = '%s'", "a")
    assert "$1" in caught.value.hint


async def test_one_tuple_for_several_arguments_gets_a_hint(connection):
    with pytest.raises(exceptions.InterfaceError, match="2 arguments for this query, 1 was passed") as caught:
        await connection.fetch("select $1::int + $2::int", (1, 2))
    assert "one by one" in caught.value.hint


@pytest.mark.parametrize(("cast", "value", "shown"), [
    ("int4", "abc", r"\$2: 'abc' \(int4: "),
    ("int8", 2**63, r"\$2: 9223372036854775808 \(int8: "),
    ("numeric", "x" * 100, r"\$2: 'x{39}\.\.\. \(numeric: "),
    ("uuid", 5, r"\$2: 5 \(uuid: "),
    ("int4[]", [1, "b"], r"\$2: \[1, 'b'\] \(_?int4(\[\])?: "),
    ("text", 5, r"\$2: 5 \(text: "),
    ("timestamp", "2020-01-01", r"\$2: '2020-01-01' \(timestamp: "),
])
async def test_a_value_that_does_not_fit_names_parameter_type_and_value(connection, cast, value, shown):
    query = f"select $1::text, $2::{cast}"
    for call in (connection.fetch, connection.execute, connection.fetchval):
        with pytest.raises(exceptions.DataError, match="invalid input for query argument " + shown) as caught:
            await call(query, "first", value)
        assert caught.value.parameter == 2
        assert caught.value.__cause__ is not None
    assert connection._session.frontend.n_pending == 0
    assert await connection.fetchval("select $1::int", 1) == 1


async def test_an_argument_whose_repr_raises_is_still_named(connection):
    class Nasty:
        def __repr__(self):
            raise RuntimeError("no")

    with pytest.raises(exceptions.DataError, match=r"\$1"):
        await connection.fetchval("select $1::int", Nasty())
    assert await connection.fetchval("select $1::int", 1) == 1


async def test_65535_arguments_are_accepted_and_65536_are_refused(connection):
    query = "select array[" + ",".join(f"${i}::int2" for i in range(1, 65536)) + "]"
    values = [i % 32768 for i in range(65535)]
    assert await connection.fetchval(query, *values) == values
    with pytest.raises(exceptions.InterfaceError, match="65536 were passed"):
        await connection.fetchval(query, *values, 1)
    with pytest.raises((exceptions.InterfaceError, exceptions.PostgresError)):
        await connection.fetchval("select $65536::int", *values, 1)
    assert await connection.fetchval("select 1") == 1


# Errors of the server

async def test_an_error_of_the_server_carries_its_fields_and_the_query(connection):
    query = "select nonsense from pg_class"
    with pytest.raises(exceptions.UndefinedColumnError) as caught:
        await connection.fetch(query)
    error = caught.value
    assert (error.sqlstate, error.severity, error.position, error.query) == ("42703", "ERROR", "8", query)
    assert str(error).startswith('column "nonsense" does not exist')
    assert connection._session.frontend.transaction_status == "I"


async def test_an_error_in_the_middle_of_the_rows_raises_and_the_connection_stays_usable(connection):
    with pytest.raises(exceptions.DivisionByZeroError):
        await connection.fetch("select 1 / (5000 - i) from generate_series(1, 10000) i")
    assert await connection.fetchval("select 1") == 1


# COPY has methods of its own

@pytest.mark.parametrize("arguments", [(), (1,)])
async def test_copy_through_execute_raises_and_the_connection_stays_usable(connection, arguments):
    await connection.execute("create temp table t (a int)")
    if arguments:
        with pytest.raises(exceptions.InterfaceError):
            await connection.fetch("copy t from stdin")
        with pytest.raises(exceptions.InterfaceError):
            await connection.fetch("copy (select generate_series(1, 20000)) to stdout")
    else:
        with pytest.raises(exceptions.InterfaceError, match="COPY FROM STDIN"):
            await connection.execute("copy t from stdin")
        with pytest.raises(exceptions.InterfaceError, match="COPY TO STDOUT"):
            await connection.execute("copy (select generate_series(1, 20000)) to stdout")
    assert await asyncio.wait_for(connection.fetchval("select count(*) from t"), 5) == 0
    assert connection._session.frontend.transaction_status == "I"


async def test_copy_through_execute_leaves_its_neighbours_alone(connection):
    await connection.execute("create temp table t (a int)")
    outcomes = await asyncio.wait_for(asyncio.gather(
        connection.fetchval("select 1"), connection.execute("copy t from stdin"), connection.fetchval("select 2"),
        connection.execute("copy (select 1) to stdout"), connection.fetch("copy t from stdin"),
        connection.fetchval("select $1::int", 3), return_exceptions=True), 10)
    assert [outcomes[i] for i in (0, 2, 5)] == [1, 2, 3]
    assert [type(outcomes[i]) for i in (1, 3, 4)] == [exceptions.InterfaceError] * 3


async def test_the_word_copy_in_a_query_only_closes_the_gate(connection):
    values = await asyncio.gather(*[connection.fetchval("select $1::int /* copy */", i) for i in range(10)])
    assert values == list(range(10))


async def test_a_record_class_that_cannot_be_one_is_refused_by_its_call(connection):
    class WithInit(asyncpg_core.Record):
        def __init__(self):
            pass

    for wrong in (dict, "Record", WithInit):
        for method, arguments in (("fetch", ("select 1",)), ("fetchrow", ("select 1",)),
                                  ("fetchmany", ("select $1::int", [(1,)]))):
            with pytest.raises(asyncpg_core.InterfaceError, match="record_class (is expected|must not redefine)"):
                getattr(connection, method)(*arguments, record_class=wrong)
    assert await connection.fetchval("select 1") == 1


async def test_sql_names_of_types_are_known_in_capitals(connection):
    await connection.set_type_codec("CHARACTER VARYING", schema="pg_catalog", encoder=str, decoder=str.upper)
    assert await connection.fetchval("select 'a'::varchar") == "A"
