"""Enums, composites, domains and ranges of the user's own, nested in each other, both ways."""
import enum

import pytest

from asyncpg_core.exceptions import DataError, DatatypeMismatchError, OutdatedSchemaCacheError
from pgproto.types import Range
from tests.types.user_schema import Eye, needs_multiranges

NESTED = ("happy", ["sad", None], (1, "x"), [(2, 'a "b" \\ (c), {d}'), None, (None, None)], 7, Range(1.5, None),
          '{"a": [1]}')

VALUES = [
    ("mood", "happy", "happy"), ("mood", 'very, "happy" \\', 'very, "happy" \\'),
    ("mood[]", ["sad", None], "{sad,NULL}"),
    ("pair", (1, "x"), "(1,x)"), ("pair", (None, ""), '(,"")'), ("pair[]", [(1, "x"), None], '{"(1,x)",NULL}'),
    ("positive", 7, "7"), ("positive[]", [7, 8], "{7,8}"), ("pairdom", (1, "x"), "(1,x)"),
    ("frange", Range(1.5, 2.5), "[1.5,2.5)"), ("frange", Range(empty=True), "empty"),
    ("frange[]", [Range(None, 2.5), None], '{"(,2.5)",NULL}'),
    pytest.param("fmultirange", [Range(1.0, 2.0)], "{[1,2)}", marks=needs_multiranges),
    pytest.param("fmultirange", [], "{}", marks=needs_multiranges),
    ("int4range", Range(1, 5), "[1,5)"), ("int4range", Range(1, None), "[1,)"),
    ("int4range[]", [Range(1, 5), Range(empty=True)], '{"[1,5)",empty}'),
    pytest.param("int4multirange", [Range(1, 2), Range(5, 7)], "{[1,2),[5,7)}", marks=needs_multiranges),
    ("nest", NESTED, None), ("nest[]", [NESTED, None], None),
]


@pytest.mark.parametrize(("name", "value", "text"), VALUES)
async def test_a_value_goes_in_and_comes_out_as_the_server_has_it(connection, schema, name, value, text):
    assert await connection.fetchval(f"select $1::{name}", value) == value
    shown = await connection.fetchval(f"select $1::{name}::text", value)
    assert text is None or shown == text
    assert await connection.fetchval(f"select $1::text::{name}", shown) == value
    assert await connection.fetchval(f"select row(1, $1::{name})", value) == (1, value)
    assert await connection.fetchval(f"select $1::{name}", None) is None


async def test_a_row_of_a_table_is_a_record_without_the_dropped_column(connection, schema):
    await connection.execute("insert into people values ($1, $2, $3, $4)", 1, "ann", "sad", {"a": 5})
    row = await connection.fetchval("select people from people")
    assert dict(row) == {"id": 1, "name": "ann", "mood": "sad", "address": (5, None)}
    assert row["address"]["a"] == 5
    assert await connection.fetchval("select $1::people = people from people", row) is True
    assert (await connection.fetchval("select array_agg(people) from people"))[0] == row


async def test_a_member_of_an_enum_is_sent_as_its_value(connection, schema):
    class Mood(enum.Enum):
        good = "happy"

    assert await connection.fetchval("select $1::mood", Mood.good) == "happy"
    assert await connection.fetch("select $1::mood[]", [Mood.good])


@pytest.mark.parametrize(("name", "value", "told"), [
    ("nest[]", [NESTED, (None, None, None, [(1, "x"), (2, 5)])], r"text: .*|expected str.*; at \$1\[1\].ps\[1\].b\)"),
    ("nest", {"p": {"c": 1}}, r"\(nest: .*'c' is not a valid element of composite type pair; at \$1.p\)"),
    ("pair", (1, "x", 3), r"\(pair: pair has 2 attributes, 3 values were given\)"),
    ("mood", 5, r"\(mood: expected str or an Enum"),
    ("frange", (1, "x"), r"invalid upper bound \(float8\): .*; at \$1.upper\)"),
])
async def test_a_bad_argument_names_the_path_to_the_value(connection, schema, name, value, told):
    with pytest.raises(DataError, match=r"invalid input for query argument \$1: .*" + told) as caught:
        await connection.fetchval(f"select $1::{name}", value)
    assert caught.value.parameter == 1
    assert caught.value.type_name == name
    assert await connection.fetchval("select 1") == 1


async def test_a_short_sequence_is_the_servers_to_refuse(connection, schema):
    with pytest.raises(DatatypeMismatchError):
        await connection.fetchval("select $1::pair", (1,))
    assert await connection.fetchval("select $1::pair", (1, "x")) == (1, "x")


# What has changed

async def test_a_changed_composite_is_right_at_the_next_call(connection, schema):
    await connection.execute("drop table people; drop type nest")
    for n, change in enumerate(("add attribute c int", "alter attribute a type text", "drop attribute b")):
        assert await connection.fetchval("select $1::pair", None) is None
        await connection.execute(f"alter type pair {change} cascade")
        values = [(1, "x", 3), ("1", "x", 3), ("1", 3)][n]
        # A Bind that is refused is repeated; a value that does not fit tells that the type has changed.
        assert await connection.fetchval("select $1::pair", values) == values


async def test_a_value_of_a_changed_composite_says_so_once_for_all_connections_of_a_pool(two, connection, schema):
    await connection.execute("create table pairs (p pair); insert into pairs values ('(1,x)')")
    for c in two:
        assert await c.fetchval("select p from pairs") == (1, "x")
    await connection.execute("alter type pair add attribute c int cascade")
    with pytest.raises(OutdatedSchemaCacheError) as caught:
        await two[0].fetchval("select p from pairs")
    assert (caught.value.schema_name, caught.value.data_type_name) == (schema, "pair")
    for c in two:
        assert await c.fetchval("select p from pairs") == (1, "x", None)


async def test_a_type_that_is_made_anew_is_right_at_the_next_call(connection, schema):
    await connection.execute("create type colour as enum ('red')")
    assert await connection.fetchval("select $1::colour", "red") == "red"
    await connection.execute("drop type colour; create type colour as enum ('blue')")
    assert await connection.fetchval("select $1::colour", "blue") == "blue"
    await connection.execute("alter type colour add value 'green'")
    assert await connection.fetchval("select $1::colour", "green") == "green"


async def test_a_type_of_an_extension_is_its_text(connection, schema):
    await connection.execute("create extension if not exists cube; create extension if not exists ltree;"
                             "create extension if not exists citext")
    assert await connection.fetchval("select $1::cube", "(1),(2)") == "(1),(2)"
    assert await connection.fetchval("select $1::cube[]", ["(1),(2)", None]) == ["(1),(2)", None]
    assert await connection.fetchval("select $1::ltree[]", ["a.b", "c"]) == ["a.b", "c"]
    assert await connection.fetchval("select $1::citext = 'ABC'", "abc") is True
    await connection.execute("create type odd as (n int, c cube, p pair, ms mood[])")
    value = (1, "(1),(2)", (5, 'a "\\,()'), ["sad", None])
    assert await connection.fetchval("select $1::odd", value) == value
    assert await connection.fetchval("select $1::odd[]", [value, None]) == [value, None]


async def test_an_element_of_a_record_whose_type_is_not_known_is_read_the_next_time(connection, schema):
    with pytest.raises(ValueError, match="element 2 is of type oid"):
        await connection.fetchval("select row(1, 'sad'::mood)")
    assert await connection.fetchval("select row(1, 'sad'::mood)") == (1, "sad")


async def test_a_bad_value_in_one_row_does_not_lose_the_connection(connection, schema):
    eye = Eye(connection)
    with pytest.raises(ValueError, match="column 'd' of type date"):
        await connection.fetch("select '2020-01-01'::date as d union all select '0044-03-15 BC'")
    assert await connection.fetchval("select 'sad'::mood") == "sad"
    assert eye.catalogue_queries == 1
