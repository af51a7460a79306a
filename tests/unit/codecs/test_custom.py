import datetime
import enum
import json
import struct

import pytest

from pgproto.codecs.arrays import array_codec
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.enums import enum_codec
from pgproto.codecs.hstore import hstore_codec
from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.codecs.user_types import functions_of
from pgproto.errors import InterfaceError, MalformedBody

INT4, TEXT, JSONB = builtin_codec(23), builtin_codec(25), builtin_codec(3802)


def test_a_text_codec_takes_and_gives_str_in_its_format_only():
    codec = custom_codec(INT4, "text", lambda value: str(value + 1), lambda text: int(text) - 1)
    assert codec.encode_value(4, 0) == b"5"
    assert codec.decode_value(b"5", 0) == 4
    assert codec.preferred == 0
    assert not codec.has_format(1)
    assert (codec.oid, codec.name, codec.kind, codec.schema) == (23, "int4", "scalar", "pg_catalog")


@pytest.mark.parametrize("base", [TEXT, builtin_codec(114), enum_codec(90000, "mood")])
def test_a_text_codec_goes_both_ways_where_the_binary_form_is_the_text(base):
    codec = custom_codec(base, "text", str.upper, str.lower)
    for format in (0, 1):
        assert codec.encode_value("a", format) == b"A"
        assert codec.decode_value(b"A", format) == "a"
    assert codec.preferred == 0


def test_a_text_codec_of_jsonb_has_a_binary_form_with_its_version():
    codec = custom_codec(JSONB, "text", json.dumps, json.loads)
    assert codec.encode_value([1]) == b"\x01[1]"
    assert codec.decode_value(b"\x01[1]") == [1]
    with pytest.raises(MalformedBody):
        codec.decode_value(b"\x02[1]")


def test_a_binary_codec_takes_bytes_and_gives_any_buffer():
    for give in (bytes, bytearray, memoryview):
        codec = custom_codec(INT4, "binary", lambda value, give=give: give(struct.pack("!i", value)),
                             lambda body: (type(body), body))
        assert codec.encode_value(7) == struct.pack("!i", 7)
        assert codec.decode_value(struct.pack("!i", 7)) == (bytes, struct.pack("!i", 7))
    assert codec.preferred == 1
    assert not codec.has_format(0)


@pytest.mark.parametrize(("oid", "numbers"), [
    (1082, (-5,)), (1083, (1,)), (1114, (-(2**63),)), (1184, (2**63 - 1,)), (1266, (1, -3600)), (1186, (1, -2, 3)),
])
def test_a_tuple_codec_sees_the_numbers_of_its_type(oid, numbers):
    codec = custom_codec(builtin_codec(oid), "tuple", lambda value: value, lambda value: value)
    assert codec.decode_value(codec.encode_value(numbers)) == numbers
    for wrong in (numbers + (1,), (), 5, "a"):
        with pytest.raises(TypeError, match="must return a tuple"):
            codec.encode_value(wrong)


def test_an_intervals_tuple_is_months_days_microseconds():
    codec = custom_codec(builtin_codec(1186), "tuple", lambda value: (14, 3, 5), lambda value: value)
    body = builtin_codec(1186).encode_value(datetime.timedelta(days=3, microseconds=5))
    assert codec.decode_value(body) == (0, 0, 3 * 86_400_000_000 + 5)
    assert codec.encode_value(None) == struct.pack("!qii", 5, 3, 14)


def test_a_type_without_numbers_has_no_tuple_format():
    for base in (INT4, TEXT, enum_codec(90000, "mood")):
        with pytest.raises(InterfaceError, match="does not support the 'tuple' exchange format"):
            custom_codec(base, "tuple", str, str)


def test_what_an_encoder_must_return_is_said():
    with pytest.raises(TypeError, match="the encoder of int4 must return str, it returned int"):
        custom_codec(INT4, "text", int, int).encode_value(1, 0)
    with pytest.raises(TypeError, match="the encoder of int4 must return bytes, it returned int"):
        custom_codec(INT4, "binary", int, int).encode_value(1)


def test_a_users_error_in_an_array_is_not_wrapped():
    def fail(text):
        raise ValueError("mine")

    codec = array_codec(1007, custom_codec(INT4, "text", str, fail))
    with pytest.raises(ValueError, match="^mine$"):
        codec.decode_value(b"{1}", 0)


def test_a_key_error_of_a_users_encoder_keeps_its_kind():
    def fail(value):
        raise KeyError("mine")

    with pytest.raises(KeyError):
        array_codec(1007, custom_codec(INT4, "text", fail, str)).encode_value([1], 0)


# Enums

class Mood(enum.Enum):
    sad = "sad"
    happy = "very happy"


class Colour(enum.IntEnum):
    red = 1


def test_an_enum_is_its_label_and_a_member_its_value():
    codec = enum_codec(90000, "mood")
    for format in (0, 1):
        assert codec.decode_value(b"sad", format) == "sad"
        assert codec.encode_value("sad", format) == b"sad"
        assert codec.encode_value(Mood.happy, format) == b"very happy"
        for wrong in (1, Colour.red, None, b"sad"):
            with pytest.raises(TypeError, match="expected str or an Enum with str values"):
                codec.encode_value(wrong, format)
    assert codec.is_leaf


def test_a_member_goes_by_its_value_if_that_is_a_str_else_by_its_name():
    encode, decode = functions_of(Mood)
    assert [encode(Mood.happy), encode("sad"), decode("very happy")] == ["very happy", "sad", Mood.happy]
    encode, decode = functions_of(Colour)
    assert [encode(Colour.red), decode("red")] == ["red", Colour.red]
    with pytest.raises(ValueError, match="'blue' is not a valid Colour"):
        decode("blue")
    with pytest.raises(TypeError, match="a member of Colour or a label was expected, got int"):
        encode(1)


# hstore

HSTORE = hstore_codec(text_codec(90000, "hstore", "public"))


@pytest.mark.parametrize("value", [{}, {"a": "1"}, {"": ""}, {"a": None, 'b"\\': 'c",=>'}, {"ä": "NULL"}])
def test_hstore_is_a_dict(value):
    assert HSTORE.decode_value(HSTORE.encode_value(value)) == value
    assert HSTORE.decode_value(b", ".join(HSTORE.encode_value([pair], 0) for pair in value.items()), 0) == value
    assert HSTORE.encode_value(value) == HSTORE.encode_value(list(value.items()))


def test_the_servers_text_of_an_hstore_is_understood():
    assert HSTORE.decode_value(rb'"a"=>"1", "b\"\\"=>NULL, ""=>","', 0) == {"a": "1", 'b"\\': None, "": ","}


@pytest.mark.parametrize("value", [5, "a=>1", {1: "a"}, {"a": 1}, [("a", 1)]])
def test_what_is_no_hstore_is_refused(value):
    with pytest.raises(TypeError, match="expected"):
        HSTORE.encode_value(value)


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", struct.pack("!ii", 1, -1),
                                  struct.pack("!iiii", 1, 0, 5, 0), struct.pack("!i", 0) + b"x"])
def test_malformed_hstore_is_refused(body):
    with pytest.raises(MalformedBody):
        HSTORE.decode_value(body)


@pytest.mark.parametrize("text", ['"a"', '"a"=>', '"a"=>"b', '"a"=>"b""c"=>"d"', 'a=>"b"', '"a"=>NUL', '"a"=>"b",'])
def test_malformed_hstore_text_is_refused(text):
    with pytest.raises(MalformedBody):
        HSTORE.decode_value(text.encode(), 0)
