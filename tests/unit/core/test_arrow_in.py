"""Arrow data into COPY, byte by byte: what comes out is what the same Python values give, or an error with a name."""
import datetime
import math
import struct
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.arrow_in.fields import new_field
from pgproto.arrow_in.stream import ArrowSource
from pgproto.arrow_in.writer import ArrowWriter
from pgproto.codecs.composites import composite_codec
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.enums import enum_codec
from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.copy_rows import RowWriter
from pgproto.errors import DataError, InterfaceError
from pgproto.operations.copy import CopyIn
from pgproto.types import Interval
from tests.support.arrow_data import (
    Batch,
    Batches,
    Node,
    bits,
    booleans,
    decimals,
    dictionary,
    fixed,
    lists,
    nulls,
    numbers,
    structs,
    table,
    texts,
)
from tests.support.backend_bytes import copy_response, ready_frontend, split_messages

BOOL, BYTEA, INT8, INT2, INT4, TEXT, OID, FLOAT4, FLOAT8, NUMERIC, UUID = (
    16, 17, 20, 21, 23, 25, 26, 700, 701, 1700, 2950)
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL = 1082, 1083, 1114, 1184, 1186
JSON, JSONB, NAME, BPCHAR, VARCHAR, XML, INT4_ARRAY, TEXT_ARRAY, INET, INT4RANGE, TIMETZ = (
    114, 3802, 19, 1042, 1043, 142, 1007, 1009, 869, 3904, 1266)
UTC = datetime.timezone.utc
SOME_UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")


def codec_of(kind):
    return builtin_codec(kind) if isinstance(kind, int) else kind


def arrow_bytes(data, *kinds):
    """What COPY is given for Arrow data."""
    source = ArrowSource(data)
    codecs = tuple([codec_of(kind) for kind in kinds])
    try:
        rows = ArrowWriter(source, tuple("abcdefgh"[:len(codecs)]), codecs)
        while rows.fill():
            pass
        rows.end()
        return rows.take()
    finally:
        source.close()


def value_bytes(rows, *kinds):
    """What COPY is given for Python values."""
    codecs = tuple([codec_of(kind) for kind in kinds])
    writer = RowWriter(tuple("abcdefgh"[:len(codecs)]), codecs)
    for row in rows:
        writer.put(row)
    writer.end()
    return writer.take()


def column_bytes(column, kind):
    return arrow_bytes(Batch(table(a=column)), kind)


def microseconds(n):
    return datetime.timedelta(microseconds=n)


ADDRESS = composite_codec(70001, "address", ("street", "number"), (builtin_codec(TEXT), builtin_codec(INT4)))
MOOD = enum_codec(70002, "mood")
SAME = [
    ("bool", booleans([True, None, False, True]), BOOL, [True, None, False, True]),
    *[(f"{code} to {kind}", numbers(code, [0, 7, None, 100]), kind, [0, 7, None, 100])
      for code in "cCsSiIlL" for kind in (INT2, INT4, INT8, OID, NUMERIC, FLOAT4, FLOAT8)],
    *[(f"signed {code} to {kind}", numbers(code, [-1, -128, None]), kind, [-1, -128, None])
      for code in "csil" for kind in (INT2, INT4, INT8, NUMERIC, FLOAT4, FLOAT8)],
    ("int64's ends", numbers("l", [-2**63, 2**63 - 1]), INT8, [-2**63, 2**63 - 1]),
    ("int64's ends as numeric", numbers("l", [-2**63, 2**63 - 1, 10**8]), NUMERIC, [-2**63, 2**63 - 1, 10**8]),
    ("uint64's end as numeric", numbers("L", [2**64 - 1, 2**63]), NUMERIC, [2**64 - 1, 2**63]),
    ("oid's end", numbers("L", [2**32 - 1]), OID, [2**32 - 1]),
    ("int16's ends", numbers("i", [-2**15, 2**15 - 1]), INT2, [-2**15, 2**15 - 1]),
    ("float16", numbers("e", [1.5, -0.0, 65504.0, 2**-24, -2**-14, math.inf, None]), FLOAT8,
     [1.5, -0.0, 65504.0, 2**-24, -2**-14, math.inf, None]),
    ("float16 as float4", numbers("e", [1.5, -math.inf]), FLOAT4, [1.5, -math.inf]),
    ("float32", numbers("f", [1.5, None, 0.1]), FLOAT4, [1.5, None, 0.1]),
    ("float32 as float8", numbers("f", [1.5, None]), FLOAT8, [1.5, None]),
    ("float64", numbers("g", [0.1, -1e300, math.nan, None]), FLOAT8, [0.1, -1e300, math.nan, None]),
    ("float64 as float4", numbers("g", [0.1, math.inf]), FLOAT4, [0.1, math.inf]),
    ("float64 as numeric", numbers("g", [0.1, 1e22, -5e-324, math.nan, math.inf]), NUMERIC,
     [Decimal("0.1"), Decimal("1e22"), Decimal("-5e-324"), Decimal("NaN"), Decimal("Infinity")]),
    ("float32 as numeric", numbers("f", [0.1, 16777216.0, 1.17549435e-38]), NUMERIC,
     [Decimal("0.1"), Decimal("16777216"), Decimal("1.1754944e-38")]),
    ("decimal128", decimals("d:38,2", 16, [150, None, -1234567, 0, 10**38 - 1]), NUMERIC,
     [Decimal("1.50"), None, Decimal("-12345.67"), Decimal("0.00"), Decimal(f"{'9' * 36}.99")]),
    ("decimal without point", decimals("d:38,0", 16, [10**8, -1]), NUMERIC, [Decimal(10**8), Decimal(-1)]),
    ("decimal of negative scale", decimals("d:5,-3", 16, [12, -1]), NUMERIC, [Decimal(12000), Decimal(-1000)]),
    ("decimal32", decimals("d:9,4,32", 4, [-12345]), NUMERIC, [Decimal("-1.2345")]),
    ("decimal64", decimals("d:18,5,64", 8, [1, -10**18 + 1]), NUMERIC,
     [Decimal("0.00001"), Decimal(-10**18 + 1).scaleb(-5)]),
    ("decimal256", decimals("d:76,3,256", 32, [-2**255, 2**255 - 1, 1000]), NUMERIC,
     [Decimal(f"{-2**255 // 1000 + 1}.{2**255 % 1000:03}"), Decimal(f"{(2**255 - 1) // 1000}.{(2**255 - 1) % 1000:03}"),
      Decimal("1.000")]),
    *[(f"{format} to {kind}", texts(format, ["x", None, "", "é" * 20, "twelve bytes"]), kind,
       ["x", None, "", "é" * 20, "twelve bytes"])
      for format in ("u", "U", "vu") for kind in (TEXT, VARCHAR, BPCHAR, NAME, JSON, XML, MOOD)],
    *[(f"{format} to jsonb", texts(format, ['{"a": 1}', None]), JSONB, ['{"a": 1}', None])
      for format in ("u", "U", "vu")],
    *[(f"{format} to bytea", texts(format, [b"\0\xff", None, b"", b"x" * 13]), BYTEA, [b"\0\xff", None, b"", b"x" * 13])
      for format in ("z", "Z", "vz")],
    ("fixed size to bytea", fixed(3, [b"abc", None]), BYTEA, [b"abc", None]),
    ("nothing of a fixed size", fixed(0, [b"", b""]), BYTEA, [b"", b""]),
    ("16 bytes to uuid", fixed(16, [SOME_UUID.bytes, None]), UUID, [SOME_UUID, None]),
    ("binary to uuid", texts("z", [SOME_UUID.bytes, None]), UUID, [SOME_UUID, None]),
    ("text to uuid", texts("u", [str(SOME_UUID), SOME_UUID.hex.upper(), f"{{{SOME_UUID}}}", None]), UUID,
     [SOME_UUID, SOME_UUID, SOME_UUID, None]),
    ("date32", numbers("tdD", [0, -1, None, 2932896, -719162]), DATE,
     [datetime.date(1970, 1, 1), datetime.date(1969, 12, 31), None, datetime.date.max, datetime.date.min]),
    ("date64", numbers("tdm", [0, -86400000, None]), DATE,
     [datetime.date(1970, 1, 1), datetime.date(1969, 12, 31), None]),
    ("time32[s]", numbers("tts", [86399, None]), TIME, [datetime.time(23, 59, 59), None]),
    ("time32[ms]", numbers("ttm", [1]), TIME, [datetime.time(0, 0, 0, 1000)]),
    ("time64[us]", numbers("ttu", [86399999999]), TIME, [datetime.time.max]),
    ("time64[ns]", numbers("ttn", [1499, 1500, 2500, 2501]), TIME,
     [datetime.time(0, 0, 0, n) for n in (1, 2, 2, 3)]),
    *[(f"{format} to timestamp", numbers(format, [n, None, -n]), TIMESTAMP, [
        datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=10**9), None,
        datetime.datetime(1970, 1, 1) - datetime.timedelta(seconds=10**9)])
      for format, n in (("tss:", 10**9), ("tsm:", 10**12), ("tsu:", 10**15), ("tsn:", 10**18))],
    ("nanoseconds are rounded", numbers("tsn:", [-1500, -1501, -500, 1500, 999]), TIMESTAMP,
     [datetime.datetime(1970, 1, 1) + microseconds(n) for n in (-2, -2, 0, 2, 1)]),
    ("with a zone", numbers("tsu:Europe/Vienna", [10**15, None]), TIMESTAMPTZ,
     [datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(seconds=10**9), None]),
    *[(f"{format} to interval", numbers(format, [n, None, -n]), INTERVAL, [microseconds(5 * 10**6), None,
                                                                          microseconds(-5 * 10**6)])
      for format, n in (("tDs", 5), ("tDm", 5000), ("tDu", 5000000), ("tDn", 5000000000))],
    ("months", numbers("tiM", [14, None, -1]), INTERVAL, [Interval(14, 0, 0), None, Interval(-1, 0, 0)]),
    ("days and milliseconds", numbers("tiD", [(-3, 1500), None]), INTERVAL,
     [Interval(0, -3, 1500000), None]),
    ("months, days and nanoseconds", numbers("tin", [(1, -2, 3000), None, (-1, 2, -1500)]), INTERVAL,
     [Interval(1, -2, 3), None, Interval(-1, 2, -2)]),
    *[(f"{format} to array", lists([[1, None], None, [], [3]], numbers("i", [1, None, 3]), format), INT4_ARRAY,
       [[1, None], None, [], [3]]) for format in ("+l", "+L")],
    ("fixed size list", lists([1, None, 1], numbers("i", [1, 2, 0, 0, 5, None]), "+w:2"), INT4_ARRAY,
     [[1, 2], None, [5, None]]),
    ("empty fixed size list", lists([1, 1], numbers("i", []), "+w:0"), INT4_ARRAY, [[], []]),
    ("texts in lists", lists([["x", None], [""]], texts("u", ["x", None, ""])), TEXT_ARRAY, [["x", None], [""]]),
    ("lists in lists", lists([[0, 0], [0]], lists([[1, 2], [3, 4], [5]], numbers("i", [1, 2, 3, 4, 5]))), INT4_ARRAY,
     [[[1, 2], [3, 4]], [[5]]]),
    ("empty lists in lists", lists([[0, 0], []], lists([[], []], numbers("i", []))), INT4_ARRAY, [[[], []], []]),
    ("fixed lists in lists", lists([[0, 0]], lists([1, 1], numbers("i", [1, 2, 3, None]), "+w:2")), INT4_ARRAY,
     [[[1, 2], [3, None]]]),
    ("struct", structs([1, None, 1], street=texts("u", ["x", None, None]), number=numbers("i", [1, 2, None])), ADDRESS,
     [("x", 1), None, (None, None)]),
    ("struct in another order", structs([1], number=numbers("i", [1]), street=texts("u", ["x"])), ADDRESS, [("x", 1)]),
    *[(f"dictionary of {format}", dictionary([1, 0, None, 1, 2], texts("u", ["x", "yy", None]), format), TEXT,
       ["yy", "x", None, "yy", None]) for format in "cCsSiIlL"],
    ("dictionary in a list", lists([[0, 1]], dictionary([1, 0], texts("u", ["x", "y"]))), TEXT_ARRAY, [["y", "x"]]),
    ("nulls", nulls(3), DATE, [None] * 3),
    ("nulls with a bitmap", Node("n", 2, [bits([0, 0])], null_count=2), DATE, [None] * 2),
    ("lists of nulls", lists([[1, 1], []], nulls(2)), INT4_ARRAY, [[None, None], []]),
]


@pytest.mark.parametrize(("column", "kind", "values"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_a_column_is_written_as_its_values_are(column, kind, values):
    expected = [(value,) for value in values]
    assert column_bytes(column, kind) == value_bytes(expected, kind)


@pytest.mark.parametrize(("column", "kind", "values"), [case[1:] for case in SAME if case[1].length > 1],
                         ids=[case[0] for case in SAME if case[1].length > 1])
def test_an_offset_skips_values(column, kind, values):
    column.offset = 1
    try:
        assert column_bytes(column, kind) == value_bytes([(value,) for value in values[1:]], kind)
    finally:
        column.offset = 0


def test_several_columns_are_one_row():
    data = Batch(table(a=numbers("i", [1, None]), b=texts("u", ["x", "y"])))
    assert arrow_bytes(data, INT4, TEXT) == value_bytes([(1, "x"), (None, "y")], INT4, TEXT)
    assert data.n_released["array"] == 1


def test_the_offset_of_a_batch_is_its_columns_too():
    made = table(a=numbers("i", [1, 2, 3, 4]), b=texts("u", ["w", "x", "y", "z"]))
    made.children[0].offset = 1
    made.children[0].length = 4
    made.offset, made.length, made.children[1].length = 1, 3, 3
    assert arrow_bytes(Batch(made), INT4, TEXT) == value_bytes([(3, "x"), (4, "y")], INT4, TEXT)


def test_the_offset_of_a_struct_is_its_childrens_too():
    made = structs([1, None, 1], street=texts("u", ["x", "y", "z"]), number=numbers("i", [1, 2, 3]))
    made.offset = 2
    assert column_bytes(made, ADDRESS) == value_bytes([(("z", 3),)], ADDRESS)


def test_a_bitmap_without_a_count_is_looked_at():
    column = Node("i", 2, [bits([1, 0]), struct.pack("=ii", 1, 2)], null_count=-1)
    assert column_bytes(column, INT4) == value_bytes([(1,), (None,)], INT4)


def test_batches_follow_each_other_and_empty_ones_are_nothing():
    data = Batches([table(a=numbers("i", [1])), table(a=numbers("i", [])), table(a=numbers("i", [None, 3]))])
    assert arrow_bytes(data, INT4) == value_bytes([(1,), (None,), (3,)], INT4)
    assert data.is_released_once
    assert data.n_released["schema"] == 1


def test_a_stream_without_batches_is_no_rows():
    data = Batches([], schema=table(a=numbers("i", [])))
    assert arrow_bytes(data, INT4) == value_bytes([], INT4)
    assert data.is_released_once


def test_users_codecs_have_no_part_in_it():
    codec = custom_codec(builtin_codec(INT4), "text", lambda value: 1 / 0, lambda text: text)
    assert column_bytes(numbers("i", [7]), codec) == value_bytes([(7,)], INT4)


def test_citext_is_text():
    assert column_bytes(texts("u", ["x"]), text_codec(70003, "citext", "public")) == value_bytes([("x",)], TEXT)


@given(st.lists(st.tuples(st.none() | st.integers(-2**127 + 1, 2**127 - 1)), max_size=4), st.integers(-8, 38))
def test_any_decimal_is_exact(rows, scale):
    texts_of = [(None if value is None else str(value * 10**-scale) if scale < 0 else f"{value}e-{scale}",)
                for (value,) in rows]
    assert column_bytes(decimals(f"d:38,{scale}", 16, [value for (value,) in rows]), NUMERIC) == value_bytes(
        texts_of, NUMERIC)


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)))
def test_any_text_is_copied(values):
    for format in ("u", "U", "vu"):
        assert column_bytes(texts(format, values), TEXT) == value_bytes([(value,) for value in values], TEXT)


# What does not fit

UNFIT = [
    ("i", numbers("i", [1]), TEXT, "int32"), ("u", texts("u", ["1"]), INT4, "utf8"),
    ("u", texts("u", ["x"]), BYTEA, "utf8"), ("z", texts("z", [b"x"]), TEXT, "binary"),
    ("g", numbers("g", [1.0]), INT8, "float64"), ("b", booleans([True]), INT4, "bool"),
    ("i", numbers("i", [1]), BOOL, "int32"), ("tsu:", numbers("tsu:", [1]), TIMESTAMPTZ, r"timestamp\[us\]"),
    ("tsn:UTC", numbers("tsn:UTC", [1]), TIMESTAMP, r"timestamp\[ns, UTC\]"),
    ("tdD", numbers("tdD", [1]), TIMESTAMP, "date32"), ("tsu:", numbers("tsu:", [1]), DATE, r"timestamp\[us\]"),
    ("ttu", numbers("ttu", [1]), TIMETZ, r"time64\[us\]"), ("d", decimals("d:9,2", 16, [1]), FLOAT8,
                                                            r"decimal128\(9, 2\)"),
    ("w", fixed(15, [b"x" * 15]), UUID, r"fixed_size_binary\[15\]"), ("inet", texts("u", ["::1"]), INET, "utf8"),
    ("range", texts("u", ["[1,2)"]), INT4RANGE, "utf8"), ("list", lists([[1]], numbers("i", [1])), INT4,
                                                          "list<int32>"),
    ("element", lists([["x"]], texts("u", ["x"])), INT4_ARRAY, "utf8"),
    ("no list", numbers("i", [1]), INT4_ARRAY, "int32"),
    ("struct", structs([1], a=numbers("i", [1])), ADDRESS, "struct<a: int32>"),
    ("attribute", structs([1], street=numbers("i", [1]), number=numbers("i", [1])), ADDRESS, "int32"),
    ("dictionary", dictionary([0], numbers("i", [1])), TEXT, "int32"),
    ("map", Node("+m", 0, [None, b"\0" * 4], children=[structs([])]), TEXT, "map"),
    ("union", Node("+us:0", 0, [b""], children=[nulls(0)]), TEXT, r"\+us:0"),
    ("view of lists", Node("+vl", 0, [None, b"", b""], children=[nulls(0)]), INT4_ARRAY, "list_view<null>"),
    ("unknown", Node("iI", 0, [None, b""]), INT4, "iI"), ("duration", numbers("tDs", [1]), TIME, r"duration\[s\]"),
    ("extension's type", texts("u", ["x"]), text_codec(70004, "ltree", "public"), "utf8"),
]


@pytest.mark.parametrize(("column", "kind", "arrow_type"), [case[1:] for case in UNFIT], ids=[f"{case[0]} to {case[2]}"
                                                                                          for case in UNFIT])
def test_types_that_do_not_fit_are_named_before_anything_is_read(column, kind, arrow_type):
    data = Batches([table(x=column)])
    source = ArrowSource(data)
    with pytest.raises(DataError, match=f"^column 'a.*: .*{arrow_type}.* of Arrow cannot be copied into") as caught:
        ArrowWriter(source, ("a",), (codec_of(kind),))
    assert caught.value.type_name in str(caught.value)
    assert data.n_given == 0
    del source
    assert data.is_released_once


def test_an_array_of_seven_dimensions_is_refused():
    made = numbers("i", [1])
    for _ in range(7):
        made = lists([[1]], made)
    with pytest.raises(DataError, match="more than the 6 dimensions"):
        column_bytes(made, INT4_ARRAY)


def test_as_many_columns_as_the_table_has():
    with pytest.raises(InterfaceError, match="the data have 1 columns, the table 2: a, b"):
        arrow_bytes(Batch(table(a=numbers("i", [1]))), INT4, INT4)


# Values

BAD = [
    (numbers("i", [1, 2**15]), INT2, "32768 is out of the range of int2"),
    (numbers("l", [0, -2**31 - 1]), INT4, "-2147483649 is out of the range of int4"),
    (numbers("L", [0, 2**63]), INT8, "9223372036854775808 is out of the range of int8"),
    (numbers("l", [0, -1]), OID, "-1 is out of the range of oid"),
    (numbers("L", [0, 2**64 - 1]), INT4, "18446744073709551615 is out of the range of int4"),
    (numbers("l", [0, 2**53 + 1]), FLOAT8, "9007199254740993 is beyond the whole numbers that float8 has"),
    (numbers("L", [0, 2**64 - 1]), FLOAT8, "18446744073709551615 is beyond"),
    (numbers("g", [0, 1e300]), FLOAT4, r"1e\+300 is out of the range of float4"),
    (texts("u", ["x", "a\0b"]), TEXT, "no text with a zero byte"),
    (texts("vu", ["x", "a\0b"]), JSONB, "no text with a zero byte"),
    (texts("z", [bytes(16), b"x"]), UUID, "a uuid has 16 bytes, this has 1"),
    *[(texts("u", [str(SOME_UUID), text]), UUID, "is no uuid") for text in (
        "", "x", "1" * 31, "1" * 33, f"{SOME_UUID}-", f"-{SOME_UUID}", "{" + str(SOME_UUID), "1-" * 32,
        str(SOME_UUID).replace("-", "--"), "{}", "g" * 32)],
    (numbers("tdD", [0, 2**31 - 1]), DATE, "day 2147483647 from 1970-01-01 is out of the range of date"),
    (numbers("tdD", [0, -2**31]), DATE, "is out of the range of date"),
    (numbers("tdm", [0, 1]), DATE, "1 milliseconds are no whole days"),
    (numbers("tdm", [0, 86400000 * 2**36]), DATE, "is out of the range of date"),
    (numbers("tts", [0, -1]), TIME, "-1 s is out of the range of time"),
    (numbers("ttu", [0, 86400000001]), TIME, "86400000001 us is out of the range of time"),
    (numbers("tss:", [0, 2**62]), TIMESTAMP, f"{2**62} s is out of the range of timestamp"),
    (numbers("tsu:", [0, -2**63]), TIMESTAMP, "us is out of the range of timestamp"),
    (numbers("tsm:UTC", [0, -2**62]), TIMESTAMPTZ, "ms is out of the range of timestamptz"),
    (numbers("tDs", [0, -2**62]), INTERVAL, "s is out of the range of interval"),
    (lists([[[0]], [0, 0]], lists([[1], [1], [1, 2]], numbers("i", [1, 2, 3, 4]))), INT4_ARRAY,
     "lists of 1 and of 2 values cannot be one dimension"),
    (lists([[0], [0, 0]], lists([[], [], [1]], numbers("i", [1]))), INT4_ARRAY, "lists of 0 and of 1 values"),
    (lists([[0], [0, 0]], lists([[1], [1], None], numbers("i", [1, 2]))), INT4_ARRAY, "a list in a list is null"),
    (lists([[0], [0]], lists([[1], None], numbers("i", [1]))), INT4_ARRAY, "a list in a list is null"),
    (lists([["x"], ["a\0"]], texts("u", ["x", "a\0"])), TEXT_ARRAY, "zero byte"),
    (dictionary([0, 1], texts("u", ["x", "a\0"])), TEXT, "zero byte"),
]


@pytest.mark.parametrize(("column", "kind", "text"), BAD, ids=[f"{case[2]} {i}" for i, case in enumerate(BAD)])
def test_a_bad_value_is_named_by_row_and_column(column, kind, text):
    source = ArrowSource(Batch(table(a=numbers("i", [1, 2]), b=column)))
    rows = ArrowWriter(source, ("one", "two"), (builtin_codec(INT4), codec_of(kind)))
    with pytest.raises(DataError, match=rf"^invalid input for column 'two' in row #1 of .* \(.*{text}") as caught:
        rows.fill()
    assert (caught.value.row_index, caught.value.column) == (1, "two")
    assert caught.value.type_name == codec_of(kind).name
    assert rows.n_rows == 1
    # What was put before stays whole.
    assert rows.take().startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2\0\0\0\4\0\0\0\1")


def test_the_row_of_a_bad_value_counts_over_batches():
    data = Batches([table(a=texts("u", ["x", "y"])), table(a=texts("u", ["z", "\0"]))])
    with pytest.raises(DataError, match="row #3"):
        arrow_bytes(data, TEXT)
    assert data.is_released_once


def test_a_row_that_is_null_as_a_whole_is_refused():
    made = table(a=numbers("i", [1, 2]))
    made.buffers, made.null_count = [bits([1, 0])], 1
    with pytest.raises(DataError, match="row #1 of the Arrow data is null as a whole"):
        arrow_bytes(Batch(made), INT4)


# What is broken

def lying(made, **lies):
    made.lies = lies
    return made


def with_buffers(made, *buffers):
    made.buffers = list(buffers)
    return made


def offsets(code, *values):
    return struct.pack(f"={len(values)}{code}", *values)


BROKEN = [
    (lying(numbers("i", [1]), length=-1), INT4, "length -1"),
    (lying(numbers("i", [1]), offset=-1), INT4, "offset -1"),
    (lying(numbers("i", [1]), length=2**63 - 1, offset=2**63 - 1), INT4, "length 9223372036854775807"),
    (lying(numbers("i", [1]), length=0), INT4, "1 values were expected, 0 were given"),
    (lying(numbers("i", [1]), n_buffers=1), INT4, "2 buffers were expected, 1 were given"),
    (lying(numbers("i", [1]), n_buffers=-1), INT4, "2 buffers were expected, -1 were given"),
    (lying(numbers("i", [1]), n_children=1), INT4, "0 children were expected, 1 were given"),
    (lying(numbers("i", [1]), null_count=1), INT4, "1 values are null"),
    (lying(numbers("i", [1]), no_buffers=1), INT4, "the buffers are missing"),
    (lying(texts("vu", ["x"]), n_buffers=2), TEXT, "3 buffers were expected, 2 were given"),
    (lying(texts("u", ["x"]), n_buffers=2), TEXT, "3 buffers were expected, 2 were given"),
    (lying(lists([[1]], numbers("i", [1])), n_children=0), INT4_ARRAY, "1 children were expected, 0 were given"),
    (lying(lists([[1]], numbers("i", [1])), n_children=-1), INT4_ARRAY, "1 children were expected, -1 were given"),
    (lying(dictionary([0], texts("u", ["x"])), no_dictionary=1), TEXT, "a dictionary was expected"),
    (with_buffers(numbers("i", [1]), None, None), INT4, "the buffer of the values is missing"),
    (with_buffers(texts("u", ["x"]), None, None, b"x"), TEXT, "the buffer of the values is missing"),
    (with_buffers(texts("vu", ["x" * 20]), None, struct.pack("=i4sii", 20, b"xxxx", 0, 0), b"x" * 20, None), TEXT,
     "the lengths of the buffers are missing"),
    (with_buffers(texts("u", ["x"]), None, offsets("i", 0, 1), None), TEXT, "a value from 0 to 1"),
    (with_buffers(texts("u", ["x"]), None, offsets("i", -1, 1), b"x"), TEXT, "a value from -1 to 1"),
    (with_buffers(texts("u", ["x"]), None, offsets("i", 1, 0), b"x"), TEXT, "a value from 1 to 0"),
    (with_buffers(texts("Z", [b"x"]), None, offsets("q", -2**63, 1), b"x"), BYTEA, "a value from -9223372036854775808"),
    (with_buffers(texts("Z", [b"x"]), None, offsets("q", 2**62, 0), b"x"), BYTEA, "to 0 of its buffer"),
    (with_buffers(texts("vu", ["x"]), None, struct.pack("=iiii", -1, 0, 0, 0), None), TEXT, "a value from 0 to -1"),
    (with_buffers(texts("vu", ["x"]), None, struct.pack("=iiii", 13, 0, 0, 0), None), TEXT, "in buffer 0 of 0"),
    (with_buffers(texts("vu", ["x"]), None, struct.pack("=iiii", 13, 0, -1, 0), b"x", offsets("q", 1)), TEXT,
     "in buffer -1 of 1"),
    (with_buffers(texts("vu", ["x"]), None, struct.pack("=iiii", 13, 0, 0, 8), b"x" * 20, offsets("q", 20)), TEXT,
     "a value from 8 to 21"),
    (with_buffers(texts("vu", ["x"]), None, struct.pack("=iiii", 13, 0, 0, -1), b"x" * 20, offsets("q", 20)), TEXT,
     "a value from -1 to 12"),
    (with_buffers(lists([[1]], numbers("i", [1])), None, offsets("i", 0, 2)), INT4_ARRAY, "a list from 0 to 2 of 1"),
    (with_buffers(lists([[1]], numbers("i", [1])), None, offsets("i", 1, 0)), INT4_ARRAY, "a list from 1 to 0 of 1"),
    (with_buffers(lists([[1]], numbers("i", [1])), None, offsets("i", -1, 1)), INT4_ARRAY, "a list from -1 to 1 of 1"),
    (lists([1], numbers("i", [1]), "+w:2"), INT4_ARRAY, "2 values were expected, 1 were given"),
    (structs([1, 1], street=texts("u", ["x"]), number=numbers("i", [1, 2])), ADDRESS,
     "2 values were expected, 1 were given"),
    (dictionary([-1], texts("u", ["x"])), TEXT, "value -1 of a dictionary of 1"),
    (dictionary([1], texts("u", ["x"])), TEXT, "value 1 of a dictionary of 1"),
    (dictionary([2**64 - 1], texts("u", ["x"]), "L"), TEXT, "value -1 of a dictionary of 1"),
]


@pytest.mark.parametrize(("column", "kind", "text"), BROKEN, ids=[f"{case[2]} {i}" for i, case in enumerate(BROKEN)])
def test_broken_arrays_are_refused(column, kind, text):
    made = table(a=column)
    made.length = 2 if column.format == "+s" else 1
    data = Batches([made])
    with pytest.raises((InterfaceError, DataError), match=text):
        arrow_bytes(data, kind)
    assert data.is_released_once


@pytest.mark.parametrize(("lie", "text"), [
    ({"length": -1}, "length -1"), ({"n_children": 2}, "1 children were expected, 2 were given"),
    ({"n_children": -1}, "1 children"), ({"n_buffers": 0}, "1 buffers were expected"),
    ({"length": 2}, "2 values were expected, 1 were given"), ({"offset": 2**60}, "offset 1152921504606846976"),
    ({"offset": 2**59}, "were given"),
])
def test_a_broken_batch_is_refused(lie, text):
    data = Batches([lying(table(a=numbers("i", [1])), **lie)], schema=table(a=numbers("i", [1])))
    with pytest.raises(InterfaceError, match=text):
        arrow_bytes(data, INT4)
    assert data.is_released_once


@pytest.mark.parametrize(("schema", "text"), [
    (numbers("i", []), "a struct of its columns, int32 was given"),
    (lists([], numbers("i", [])), "a struct of its columns, list<int32> was given"),
    (table(a=Node("", 0, [])), "without a format"),
    (table(a=Node("+l", 0, [])), "list has 1 children, 0 were given"),
    (table(a=Node("i", 0, [], children=[nulls(0)])), "int32 has 0 children, 1 were given"),
    (table(a=lying(numbers("i", []), n_children_of_schema=-1)), "has -1 children"),
    (table(a=lying(numbers("i", []), n_children_of_schema=2**40)), "children"),
    (table(a=Node("d:9,2,48", 0, [])), "a decimal of 48 bits|an Arrow decimal of 48 bits"),
    (table(a=Node("d:9,99999", 0, [])), "scale 99999"),
    (table(a=dictionary([], nulls(0), "g")), "the index of an Arrow dictionary is an integer, 'g' was given"),
])
def test_a_broken_schema_is_refused(schema, text):
    data = Batches([], schema=schema)
    with pytest.raises(InterfaceError, match=text):
        ArrowSource(data)
    assert data.is_released_once
    assert data.n_released["schema"] == 1


def test_a_schema_without_end_is_refused():
    made = nulls(0)
    for _ in range(70):
        made = structs([], x=made)
    with pytest.raises(InterfaceError, match="nested deeper than 64"):
        ArrowSource(Batches([], schema=made))


# Streams

@pytest.mark.parametrize(("text", "told"), [(b"the disk is gone", "the disk is gone"), (None, "error 5"),
                                            (b"\xff", "�")])
def test_a_stream_that_fails_says_why(text, told):
    data = Batches([table(a=numbers("i", [1])), table(a=numbers("i", [2]))], fail_after=1, text=text)
    with pytest.raises(DataError, match=f"the Arrow stream has failed: {told}") as caught:
        arrow_bytes(data, INT4)
    assert caught.value.errno == 5
    assert data.is_released_once


def test_a_stream_without_a_schema_says_why():
    data = Batches([], schema=nulls(0), fail_after=-2)
    with pytest.raises(DataError, match="the Arrow stream has no schema: the disk is gone"):
        ArrowSource(data)
    assert data.is_released_once


def test_data_can_be_consumed_once():
    stream, batch = Batches([table(a=numbers("i", [1]))]), Batch(table(a=numbers("i", [1])))
    for data, text in ((stream, "stream was consumed before"), (batch, "array was consumed before")):
        ArrowSource(data).close()
        with pytest.raises(InterfaceError, match=text):
            ArrowSource(data)


def test_closing_twice_releases_once():
    for data in (Batches([table(a=numbers("i", [1]))]), Batch(table(a=numbers("i", [1])))):
        source = ArrowSource(data)
        source.close()
        source.close()
        del source
        assert data.n_released["stream" if isinstance(data, Batches) else "array"] == 1


def test_a_closed_source_has_no_rows_left():
    source = ArrowSource(Batch(table(a=texts("u", ["x" * 600_000, "y"]))))
    rows = ArrowWriter(source, ("a",), (builtin_codec(TEXT),))
    assert rows.fill()
    source.close()
    with pytest.raises(InterfaceError, match="closed"):
        rows.fill()


@pytest.mark.parametrize("data", [
    [1], None, type("X", (), {"__arrow_c_stream__": lambda self: 7})(),
    type("X", (), {"__arrow_c_array__": lambda self: (7, 8)})(),
], ids=["list", "None", "stream that is none", "array that is none"])
def test_what_is_no_arrow_data_is_refused(data):
    with pytest.raises(InterfaceError, match="expected.*, got"):
        ArrowSource(data)


def test_chunks_are_moved_into_messages():
    source = ArrowSource(Batch(table(a=texts("u", ["x" * 300_000] * 5))))
    rows = ArrowWriter(source, ("a",), (builtin_codec(TEXT),))
    op, frontend = CopyIn("copy t from stdin"), ready_frontend()
    frontend.submit(op)
    frontend.receive(copy_response("G"))
    op.start()
    frontend.take_output()
    n_messages = []
    while True:
        more = rows.fill(source)
        assert rows.is_full == more
        rows.move_to(op, frontend.out)
        n_messages.append(len(split_messages(frontend.take_output())))
        if not more:
            break
    assert n_messages == [1, 1, 1]
    assert rows.n_rows == 5


def test_types_are_told_as_arrow_tells_them():
    for format, text in (("tsn:Asia/Tokyo", "timestamp[ns, Asia/Tokyo]"), ("d:9,2,256", "decimal256(9, 2)"),
                         ("w:3", "fixed_size_binary[3]"), ("vu", "utf8_view"), ("tin", "interval[month_day_nano]")):
        assert str(new_field("a", format)) == text
    assert str(new_field("a", "+w:2", (new_field("x", "i"),))) == "fixed_size_list<int32>[2]"
