"""Bytes of each type and the column they make."""
import datetime
import struct
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.codecs.catalogue import TypeFacts
from pgproto.columns.sink import ColumnSink
from pgproto.errors import DecodeError, OutdatedSchemaCacheError, OutOfRange
from tests.unit.columns.rows import OID, array, column, composite, numeric, read_rows, row, statement

UTC = datetime.timezone.utc
SOME_UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
MOOD = TypeFacts(70001, "mood", "public", "e", 0, ",", True)
MOODS = TypeFacts(70002, "_mood", "public", "a", 70001, ",", True)
PAIR = TypeFacts(70003, "pair", "public", "c", 0, ",", True, ("a", "b"), (OID["int4"], OID["text"]))
WHOLE = TypeFacts(70004, "whole", "public", "d", OID["int4"], ",", True)
STRANGE = TypeFacts(70005, "strange", "public", "b", 0, ",", True)
OF_STRANGE = TypeFacts(70006, "_strange", "public", "a", 70005, ",", True)
ODD = TypeFacts(70007, "odd", "public", "c", 0, ",", True, ("s",), (70005,))
FACTS = (MOOD, MOODS, PAIR, WHOLE, STRANGE, OF_STRANGE, ODD)


def typmod(precision, scale):
    return ((precision << 16) | (scale & 0x7FF)) + 4


GOLDEN = [
    ("bool", "b", [(b"\1", True), (b"\0", False)]),
    ("int2", "s", [(b"\x80\0", -32768), (b"\x7f\xff", 32767)]),
    ("int4", "i", [(b"\x80\0\0\0", -2147483648), (b"\0\0\0\1", 1)]),
    ("int8", "l", [(b"\x80" + b"\0" * 7, -(2 ** 63)), (b"\0" * 7 + b"\7", 7)]),
    ("oid", "I", [(b"\xff\xff\xff\xff", 4294967295)]),
    ("float4", "f", [(struct.pack(">f", 1.5), 1.5), (struct.pack(">f", float("inf")), float("inf"))]),
    ("float8", "g", [(struct.pack(">d", -0.1), -0.1)]),
    ("text", "u", [(b"", ""), ("naïve €😀".encode(), "naïve €😀"), (b"a\0b", "a\0b"), (b"x" * 5000, "x" * 5000)]),
    ("varchar", "u", [(b"abc", "abc")]), ("bpchar", "u", [(b"a  ", "a  ")]), ("name", "u", [(b"n", "n")]),
    ("xml", "u", [(b"<a/>", "<a/>")]), ("json", "u", [(b'{"a":1}', '{"a":1}')]),
    ("jsonb", "u", [(b'\1{"a": 1}', '{"a": 1}')]),
    ("char", "u", [(b"a", "a"), (b"\0", ""), (b"\xc3", "\\303")]),
    ("bytea", "z", [(b"", b""), (b"\0\xff", b"\0\xff")]),
    ("uuid", "w:16", [(SOME_UUID.bytes, SOME_UUID)]),
    ("date", "tdD", [(struct.pack(">i", 0), datetime.date(2000, 1, 1)),
                     (struct.pack(">i", -730119), datetime.date(1, 1, 1))]),
    ("time", "ttu", [(struct.pack(">q", 86399999999), datetime.time(23, 59, 59, 999999))]),
    ("timestamp", "tsu:", [(struct.pack(">q", 1), datetime.datetime(2000, 1, 1, 0, 0, 0, 1))]),
    ("timestamptz", "tsu:UTC", [(struct.pack(">q", -1), datetime.datetime(
        1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))]),
    ("interval", "tin", [(struct.pack(">qii", -3500000, 2, 14), (14, 2, -3500000000))]),
    ("numeric", "u", [(numeric(text), text) for text in (
        "0", "0.00", "-1.50", "10005.00", "0.0001", "123456789012345678901234567890.5", "NaN", "Infinity",
        "-Infinity")]),
    (("numeric", typmod(18, 4)), "d:18,4", [(numeric(text), Decimal(text)) for text in (
        "0.0000", "5000.0000", "-0.0001", "99999999999999.9999", "-99999999999999.9999", "10000000000000.0000")]),
    (("numeric", typmod(38, 10)), "d:38,10", [(numeric(text), Decimal(text)) for text in (
        "9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "0.0000000001")]),
    (("numeric", typmod(3, -2)), "d:5,0", [(numeric("99900"), Decimal(99900))]),
    (("numeric", typmod(2, 5)), "d:5,5", [(numeric("0.00012"), Decimal("0.00012"))]),
    (("numeric", typmod(39, 0)), "u", [(numeric("1"), "1")]),
    (70001, "i", [(b"sad", "sad"), (b"happy", "happy"), (b"sad", "sad")]),
    (70004, "i", [(b"\0\0\0\1", 1)]),
    ("_int4", "+l", [(array(OID["int4"]), []), (array(OID["int4"], b"\0\0\0\1", None), [1, None])]),
    ("_text", "+l", [(array(OID["text"], b"a", b""), ["a", ""])]),
    (("_numeric", typmod(4, 1)), "+l", [(array(OID["numeric"], numeric("1.5")), [Decimal("1.5")])]),
    (70002, "+l", [(array(70001, b"sad", b"ok"), ["sad", "ok"])]),
    (70003, "+s", [(composite((OID["int4"], b"\0\0\0\2"), (OID["text"], b"x")), (2, "x")),
                   (composite((OID["int4"], None), (OID["text"], None)), (None, None))]),
    # What has no form of its own comes as text, and so does what contains it.
    ("inet", "u", [(b"10.0.0.1", "10.0.0.1")]), (70005, "u", [(b"?", "?")]), (70006, "u", [(b"{?}", "{?}")]),
    (70007, "u", [(b"(?)", "(?)")]), (99999, "u", [(b"!", "!")]),
]


@pytest.mark.parametrize(("type_", "format", "pairs"), GOLDEN, ids=[str(golden[0]) for golden in GOLDEN])
def test_bytes_become_the_values_they_stand_for(type_, format, pairs):
    bodies = [body for body, _ in pairs]
    expected = [value for _, value in pairs]
    assert column(type_, *bodies, facts=FACTS) == (expected, format)
    # With NULLs at either side, between all, and often enough for several bytes of the bitmap.
    with_nulls = [None, *[part for body in bodies * 9 for part in (body, None)]]
    expected_nulls = [None, *[part for value in expected * 9 for part in (value, None)]]
    assert column(type_, *with_nulls, facts=FACTS) == (expected_nulls, format)
    assert column(type_, None, None, facts=FACTS) == ([None, None], format)
    assert column(type_, facts=FACTS) == ([], format)
    assert column(type_, *bodies * 200, facts=FACTS) == (expected * 200, format)


def test_a_uuid_says_that_it_is_one():
    table = read_rows(statement("uuid", "int4"))
    assert table.metadata == [{b"ARROW:extension:name": b"arrow.uuid", b"ARROW:extension:metadata": b""}, {}]


LAST_DAY, LAST_MOMENT = 0x7FFFFFFF, 0x7FFFFFFFFFFFFFFF
BEYOND = [
    ("date", struct.pack(">i", LAST_DAY), "infinity"), ("date", struct.pack(">i", -LAST_DAY - 1), "-infinity"),
    ("date", struct.pack(">i", LAST_DAY - 1), "the day"),
    ("timestamp", struct.pack(">q", LAST_MOMENT), "infinity"),
    ("timestamptz", struct.pack(">q", -LAST_MOMENT - 1), "-infinity"),
    ("timestamp", struct.pack(">q", LAST_MOMENT - 1), "the moment"),
    ("time", struct.pack(">q", 86400000000), "24:00:00"),
    ("interval", struct.pack(">qii", LAST_MOMENT, LAST_DAY, LAST_DAY), "infinity"),
    ("interval", struct.pack(">qii", -LAST_MOMENT - 1, -LAST_DAY - 1, -LAST_DAY - 1), "-infinity"),
    ("interval", struct.pack(">qii", LAST_MOMENT // 999, 0, 0), "an interval of"),
]


@pytest.mark.parametrize(("type_", "body", "name"), BEYOND)
def test_what_arrow_cannot_hold_is_refused_by_row_and_column_or_null(type_, body, name):
    with pytest.raises(OutOfRange, match=f"^row 2, column 'c0' of type {type_} cannot be read: {name}") as caught:
        column(type_, None, body)
    assert (caught.value.row, caught.value.column, caught.value.type_name) == (2, "c0", type_)
    assert column(type_, body, infinity="null")[0] == [None]


def test_the_last_days_and_moments_that_arrow_can_hold_are_held():
    described = statement("date", "timestamp")
    sink = ColumnSink()
    sink.feed(described, row(struct.pack(">i", LAST_DAY - 10957), struct.pack(">q", LAST_MOMENT - 946684800000000)))
    batch, = sink.columns(described).batches
    assert [memoryview(batch.values(number)).tolist() for number in (0, 1)] == [[LAST_DAY], [LAST_MOMENT]]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_refused_or_null(text):
    decimal = ("numeric", typmod(10, 2))
    with pytest.raises(OutOfRange, match=f"row 1, column 'c0' of type numeric cannot be read: {text} is outside"):
        column(decimal, numeric(text))
    assert column(decimal, numeric(text), nan="null")[0] == [None]
    assert str(column(decimal, numeric(text), numeric="float64")[0][0]) == str(float(text))


@pytest.mark.parametrize(("text", "what"), [
    ("1.234", "more than 2 digits after the point"), ("123456789012345678901234567890123456789", "too long"),
    ("1" + "0" * 60, "too long"), ("12345678.9", "too long"), ("0.00001", "more than 2 digits")])
def test_a_number_that_does_not_fit_the_decimal_is_refused(text, what):
    with pytest.raises(OutOfRange, match=what):
        column("numeric", numeric(text), numeric=(8, 2) if len(text) < 20 else (38, 2))


numbers = st.builds(lambda digits, scale, sign: f"{sign}{digits}" if not scale else (
    f"{sign}{str(digits).rjust(scale + 1, '0')[:-scale]}.{str(digits).rjust(scale + 1, '0')[-scale:]}"),
    st.integers(0, 10 ** 38 - 1), st.integers(0, 20), st.sampled_from(["", "-"]))


@given(numbers)
def test_every_number_is_read_in_each_of_the_three_forms(text):
    text = text.lstrip("-") if Decimal(text) == 0 else text
    scale = len(text.partition(".")[2])
    body = numeric(text)
    assert column(("numeric", typmod(38, scale)), body)[0] == [Decimal(text)]
    assert column("numeric", body)[0] == [text]
    assert column("numeric", body, numeric="float64")[0] == [float(text)]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_all_text_is_kept(text):
    assert column("text", text.encode())[0] == [text]


@given(st.binary(max_size=12))
def test_text_is_refused_where_python_refuses_it(raw):
    try:
        expected = raw.decode()
    except UnicodeDecodeError:
        with pytest.raises(DecodeError):
            column("text", raw)
    else:
        assert column("text", raw)[0] == [expected]


def test_an_array_of_two_dimensions_is_refused_with_what_to_do():
    with pytest.raises(DecodeError, match="an array of 2 dimensions, .* cast it to text, or unnest it"):
        column("_int4", array(OID["int4"], b"\0\0\0\1", ndim=2))


@pytest.mark.parametrize("body", [
    composite((OID["int4"], b"\0\0\0\2")), composite((OID["int8"], b"\0" * 8), (OID["text"], b"x"))])
def test_a_composite_that_has_changed_says_so(body):
    with pytest.raises(OutdatedSchemaCacheError):
        column(70003, body, facts=FACTS)


def test_many_labels_keep_their_positions_from_batch_to_batch():
    labels = [f"label {number % 700}" for number in range(3000)]
    table = read_rows(statement(70001, facts=FACTS), *[row(label.encode()) for label in labels], bytes_max=4000)
    assert len(table.batches) > 5
    assert table.columns[0] == labels
