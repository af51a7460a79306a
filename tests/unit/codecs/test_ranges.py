import struct
from decimal import Decimal

import pytest

from pgproto.codecs.custom import custom_codec
from pgproto.codecs.ranges import multirange_codec, range_codec
from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.errors import MalformedBody
from pgproto.types import Range

INT4RANGE, NUMRANGE, INT4MULTIRANGE = builtin_codec(3904), builtin_codec(3906), builtin_codec(4451)
# A subtype of which only the text is known.
LABEL = range_codec(90001, "labelrange", text_codec(90000, "label", "public"))
LABELS = multirange_codec(90002, "labelmultirange", LABEL)


def four(n):
    return struct.pack("!ii", 4, n)


GOLDEN = [
    (INT4RANGE, b"\x01", "empty", Range(empty=True)),
    (INT4RANGE, b"\x02" + four(1) + four(5), '["1","5")', Range(1, 5)),
    (INT4RANGE, b"\x04" + four(1) + four(5), '("1","5"]', Range(1, 5, lower_inc=False, upper_inc=True)),
    (INT4RANGE, b"\x12" + four(-1), '["-1",)', Range(-1)),
    (INT4RANGE, b"\x08" + four(5), '(,"5")', Range(None, 5)),
    (INT4RANGE, b"\x18", "(,)", Range()),
    (INT4MULTIRANGE, struct.pack("!i", 0), "{}", []),
    (INT4MULTIRANGE, struct.pack("!ii", 2, 17) + b"\x02" + four(1) + four(3) + struct.pack("!i", 9) + b"\x12" + four(5),
     '{["1","3"),["5",)}', [Range(1, 3), Range(5)]),
]


@pytest.mark.parametrize(("codec", "body", "text", "value"), GOLDEN)
def test_ranges_are_read_and_written_as_the_server_does(codec, body, text, value):
    assert codec.encode_value(value) == body
    assert codec.decode_value(body) == value
    assert codec.encode_value(value, 0) == text.encode()
    assert codec.decode_value(text.encode(), 0) == value


@pytest.mark.parametrize(("given", "read"), [
    ((), Range(empty=True)), ([], Range(empty=True)), ((1,), Range(1)), ((None,), Range()),
    ((1, 3), Range(1, 3, upper_inc=True)), ([None, 3], Range(None, 3, upper_inc=True)), ((1, None), Range(1)),
])
def test_a_sequence_of_bounds_includes_both(given, read):
    for format in (0, 1):
        assert INT4RANGE.decode_value(INT4RANGE.encode_value(given, format), format) == read
        assert INT4MULTIRANGE.decode_value(INT4MULTIRANGE.encode_value([given], format), format) == [read]


@pytest.mark.parametrize(("codec", "value", "kind", "text"), [
    (INT4RANGE, (1, 2, 3), ValueError, "expected 0, 1 or 2 elements, got 3"),
    (INT4RANGE, 5, TypeError, "list, tuple or Range object expected, got int"),
    (INT4RANGE, "[1,2)", TypeError, "got str"),
    (INT4RANGE, Range(1, "x"), TypeError, r"invalid upper bound \(int4\)"),
    (INT4RANGE, Range(2**31, None), OverflowError, "invalid lower bound"),
    (INT4MULTIRANGE, Range(1, 2), TypeError, "expected a sequence of ranges, got Range"),
    (INT4MULTIRANGE, [Range(1, 2), Range("x")], TypeError, "invalid range at index 1: invalid lower bound"),
])
def test_what_is_no_range_is_refused_by_name(codec, value, kind, text):
    for format in (0, 1):
        with pytest.raises(kind, match=text):
            codec.encode_value(value, format)


def test_the_path_of_a_bad_bound_grows_from_the_inside_out():
    with pytest.raises(TypeError) as caught:
        builtin_codec(6150).encode_value([(Range(1), Range(None, "x"))])
    assert caught.value.path == "[0][1].upper"


@pytest.mark.parametrize("value", ["", "a", 'a"b\\c', "a,b)c]", " ", "NULL", "empty"])
def test_bounds_in_text_survive_their_quotes(value):
    assert LABEL.preferred == 0
    for range_ in (Range(value, None), Range(None, value, upper_inc=True), Range(value, value)):
        assert LABEL.decode_value(LABEL.encode_value(range_, 0), 0) == range_
        assert LABELS.decode_value(LABELS.encode_value([range_, range_], 0), 0) == [range_, range_]
    assert not LABEL.has_format(1)
    assert not LABELS.has_format(1)


@pytest.mark.parametrize(("text", "value"), [
    ('["a ""b""",c)', Range('a "b"', "c")), ("[a\\,b,)", Range("a,b")), ("Empty", Range(empty=True)),
    ('("",a"b"c]', Range("", "abc", lower_inc=False, upper_inc=True)),
])
def test_the_servers_quoting_of_bounds_is_understood(text, value):
    assert LABEL.decode_value(text.encode(), 0) == value


@pytest.mark.parametrize("text", ["", "[", "[1", "[1,", "[1,2", "1,2)", "[1,2}", "[1,2)x", '["1,2)', "[1)", "[1,2,3)",
                                  "emptyx", "[1\\"])
def test_malformed_range_text_is_refused(text):
    with pytest.raises(MalformedBody):
        INT4RANGE.decode_value(text.encode(), 0)
    with pytest.raises(MalformedBody):
        INT4MULTIRANGE.decode_value(b"{" + text.encode(), 0)


@pytest.mark.parametrize("body", [b"", b"\x01\0", b"\x20", b"\x80" + four(1) + four(2), b"\x0a" + four(1), b"\x14",
                                  b"\x02" + four(1), b"\x02" + struct.pack("!i", -1), b"\x18\0",
                                  b"\x12" + struct.pack("!ii", 5, 1)])
def test_malformed_range_bodies_are_refused(body):
    with pytest.raises(MalformedBody):
        INT4RANGE.decode_value(body)


@pytest.mark.parametrize("n", [-1, 1, 2**31 - 1])
def test_a_multirange_that_claims_more_than_its_bytes_is_malformed(n):
    with pytest.raises(MalformedBody):
        INT4MULTIRANGE.decode_value(struct.pack("!i", n))


def test_a_users_codec_for_the_subtype_reaches_the_bounds():
    mine = custom_codec(builtin_codec(1700), "text", lambda value: str(value / 2), lambda text: Decimal(text) * 2)
    ranges = range_codec(3906, "numrange", mine)
    assert ranges.preferred == 0
    value = Range(Decimal(4), Decimal(10))
    assert ranges.encode_value(value, 0) == b'["2","5")'
    assert ranges.decode_value(b"[2,5)", 0) == value
    assert NUMRANGE.decode_value(b"[2,5)", 0) == Range(Decimal(2), Decimal(5))


def test_a_users_error_for_a_bound_is_not_wrapped():
    def fail(text):
        raise ValueError("mine")

    ranges = range_codec(3906, "numrange", custom_codec(builtin_codec(1700), "text", str, fail))
    with pytest.raises(ValueError, match="^mine$"):
        ranges.decode_value(b"[2,5)", 0)
