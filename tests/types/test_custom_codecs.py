"""Codecs of the user's own against the live server, wherever a type occurs, in text and binary; mappings by name."""
import dataclasses
import enum
import struct
from decimal import Decimal

import pytest

import asyncpg_core
from asyncpg_core.exceptions import InterfaceError, UnsupportedClientFeatureError
from pgproto.types import Range
from tests.support.features import SINCE
from tests.types.user_schema import Eye


class Mood(enum.Enum):
    sad = "sad"
    happy = "happy"


@dataclasses.dataclass
class Pair:
    a: int
    b: str | None


async def set_int4(connection, format="text"):
    if format == "text":
        await connection.set_type_codec("int4", schema="pg_catalog", encoder=lambda value: str(value - 100),
                                        decoder=lambda text: int(text) + 100)
    else:
        await connection.set_type_codec("int", schema="pg_catalog", format="binary",
                                        encoder=lambda value: struct.pack("!i", value - 100),
                                        decoder=lambda body: struct.unpack("!i", body)[0] + 100)


@pytest.mark.parametrize("format", ["text", "binary"])
async def test_a_codec_reaches_everything_that_contains_its_type(connection, schema, format):
    # Known before the codec is set: what is remembered follows.
    assert await connection.fetchval("select $1::nest", ("sad",) + (None,) * 6) == ("sad",) + (None,) * 6
    await set_int4(connection, format)
    multirange = ("int4multirange", [Range(101, 105)], "{[1,5)}")
    has_multiranges = connection.get_server_version().major >= SINCE["multiranges"]
    for name, value, text in (("int4", 107, "7"), ("int4[]", [107], "{7}"), ("int4range", Range(101, 105), "[1,5)"),
                              *([multirange] if has_multiranges else []), ("positive", 107, "7"),
                              ("pair", (107, "x"), "(7,x)"), ("pair[]", [(107, None)], '{"(7,)"}')):
        assert await connection.fetchval(f"select $1::{name}", value) == value
        assert await connection.fetchval(f"select $1::{name}::text", value) == text
    nested = ("happy", ["sad"], (101, "x"), [(102, "y")], 107, Range(1.5, None), '{"a": 1}')
    assert await connection.fetchval("select $1::nest", nested) == nested
    await connection.reset_type_codec("int4", schema="pg_catalog")
    assert await connection.fetchval("select $1::pair", (7, "x")) == (7, "x")


async def test_text_and_binary_codecs_meet_in_one_composite(connection, schema):
    await set_int4(connection, "binary")
    await connection.set_type_codec("float8", schema="pg_catalog", encoder=str, decoder=Decimal)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=repr, decoder=lambda text: ("doc", text))
    await connection.set_type_codec("mood", schema=schema, encoder=lambda mood: mood.value, decoder=Mood)
    value = (Mood.happy, [Mood.sad], (101, "x"), [(102, "y")], 107, Range(Decimal("1.5"), None), 5)
    read = await connection.fetchval("select $1::nest", value)
    assert tuple(read)[:6] == value[:6]
    assert read["doc"] == ("doc", "5")


async def test_a_tuple_codec_of_a_composite(connection, schema):
    await connection.set_type_codec("pair", schema=schema, format="tuple", encoder=lambda pair: (pair.a, pair.b),
                                    decoder=lambda record: Pair(**record))
    assert await connection.fetchval("select $1::pair", Pair(1, "x")) == Pair(1, "x")
    assert await connection.fetchval("select $1::pair[]", [Pair(1, None), None]) == [Pair(1, None), None]
    assert (await connection.fetchval("select $1::nest", {"p": Pair(1, "x")}))["p"] == Pair(1, "x")


async def test_a_codec_outlives_drop_and_create_of_its_type(connection, schema):
    await connection.execute("create type colour as enum ('red')")
    await connection.set_type_codec("colour", schema=schema, encoder=str.lower, decoder=str.upper)
    assert await connection.fetchval("select $1::colour", "RED") == "RED"
    await connection.execute("drop type colour; create type colour as enum ('blue')")
    assert await connection.fetchval("select $1::colour", "BLUE") == "BLUE"
    await connection.reset_type_codec("colour", schema=schema)
    assert await connection.fetchval("select $1::colour", "blue") == "blue"


async def test_a_prepared_statement_keeps_the_codecs_it_was_made_with(connection, schema):
    before = await connection.prepare("select $1::int4")
    await set_int4(connection)
    assert await before.fetchval(7) == 7
    assert await (await connection.prepare("select 7::int4")).fetchval() == 107


async def test_a_users_error_surfaces_as_it_is_and_the_connection_stays(connection, schema):
    def fail(text):
        raise LookupError(text)

    await connection.set_type_codec("mood", schema=schema, encoder=str, decoder=fail)
    for query in ("select 'sad'::mood", "select array['sad']::mood[]",
                  "select row('sad', null, null, null, null, null, null)::nest"):
        with pytest.raises(LookupError, match="sad"):
            await connection.fetchval(query)
    assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize(("name", "schema_name", "format", "kind", "text"), [
    ("mood", None, "tuple", InterfaceError, "mood type does not support the 'tuple' exchange format"),
    ("mood", None, "other", InterfaceError,
     "invalid `format` argument, expected 'text', 'binary' or 'tuple', got 'other'"),
    ("positive", None, "text", UnsupportedClientFeatureError, "custom codecs on domain types are not supported"),
    ("pair", None, "text", UnsupportedClientFeatureError, "only tuple-format codecs can be used on composite types"),
    ("frange", None, "text", InterfaceError, "cannot use custom codec on type .*frange: it is neither a scalar"),
    ("_mood", None, "text", InterfaceError, "cannot use custom codec on type .*_mood: it is neither a scalar type nor"),
    ("nothing", None, "text", ValueError, "unknown type: .*nothing"),
    ("nothing", "pg_catalog", "text", ValueError, "unknown type: pg_catalog.nothing"),
    ("_int4", "pg_catalog", "text", InterfaceError, "cannot use custom codec on type pg_catalog._int4"),
])
async def test_what_cannot_have_a_codec_is_refused(connection, schema, name, schema_name, format, kind, text):
    with pytest.raises(kind, match="^" + text):
        await connection.set_type_codec(name, schema=schema_name or schema, encoder=str, decoder=str, format=format)


async def test_a_builtin_types_codec_is_set_without_a_query(connection):
    eye = Eye(connection)
    for name in ("int", "double precision", "timestamp with timezone", "time without timezone", "char", "jsonb",
                 "decimal"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=str)
    assert eye.kinds == ""


async def test_builtin_codecs_for_other_types(connection, schema):
    await connection.execute("create extension if not exists hstore with schema public")
    value = {"a": "1", "b": None, 'c"\\': ""}
    assert await connection.fetchval("select 'a=>1'::hstore") == '"a"=>"1"'
    await connection.set_builtin_type_codec("hstore", codec_name="pg_contrib.hstore")
    assert await connection.fetchval("select $1::hstore", value) == value
    assert await connection.fetchval("select $1::hstore[]", [value, None]) == [value, None]
    await connection.set_builtin_type_codec("mood", schema=schema, codec_name="text")
    assert await connection.fetchval("select $1::mood", "sad") == "sad"
    for format in ("text", "binary"):
        await connection.set_builtin_type_codec("mood", schema=schema, codec_name="text", format=format)
        assert await connection.fetchval("select $1::mood", "sad") == "sad"
    with pytest.raises(InterfaceError, match="cannot alias mood to pg_contrib.hstore: there is no text codec"):
        await connection.set_builtin_type_codec("mood", schema=schema, codec_name="pg_contrib.hstore", format="text")
    for name, codec, text in (("pair", "int4", f"cannot alias non-scalar type {schema}.pair"),
                              ("mood", "other", "cannot alias mood to other: there is no text codec for other")):
        with pytest.raises(InterfaceError, match=text):
            await connection.set_builtin_type_codec(name, schema=schema, codec_name=codec)


async def test_types_of_a_pool_are_mapped_by_name_with_one_lookup(dsn, connection, schema):
    mappings = {"mood": Mood, f"{schema}.pair": Pair, "positive": "int4"}
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2, types=mappings,
                                        server_settings={"search_path": schema}) as pool:
        async with pool.acquire() as one, pool.acquire() as two:
            eyes = [Eye(one), Eye(two)]
            for c in (one, two):
                value = (Mood.sad, [Mood.happy], Pair(1, "x"), [Pair(2, None)], 7, None, None)
                assert await c.fetchval("select $1::nest", value) == value
            assert [eye.catalogue_queries for eye in eyes] == [1, 0]
        assert await pool.fetchval("select $1::mood", "happy") is Mood.happy


async def test_a_mapping_that_does_not_fit_its_type_is_told_at_its_use(connect, schema):
    connection = await connect(types={"pair": Mood}, server_settings={"search_path": schema})
    with pytest.raises(InterfaceError, match=r"pair is no enum"):
        await connection.fetchval("select null::pair")
    assert await connection.fetchval("select 1") == 1
