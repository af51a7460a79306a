"""Rows that are cut, changed or not what was described: an error that says so, and columns that are whole."""
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.codecs.catalogue import TypeFacts
from pgproto.columns.plan import ColumnOptions
from pgproto.columns.sink import ColumnSink
from pgproto.errors import DecodeError, OutdatedSchemaCacheError, ProtocolError
from tests.support.arrow_reader import read
from tests.unit.columns.rows import OID, array, composite, numeric, read_rows, row, statement

PAIR = TypeFacts(70003, "pair", "public", "c", 0, ",", True, ("a", "b"), (OID["int4"], OID["text"]))
PAIRS = TypeFacts(70004, "_pair", "public", "a", 70003, ",", True)
MOOD = TypeFacts(70001, "mood", "public", "e", 0, ",", True)
TYPES = ("bool", "int2", "int4", "int8", "float8", "text", "bytea", "jsonb", "uuid", "date", "time", "timestamptz",
         "interval", "numeric", ("numeric", ((18 << 16) | 4) + 4), "_text", 70004, 70001, "char")
PAIR_BODY = composite((OID["int4"], b"\0\0\0\2"), (OID["text"], b"x"))
BODIES = (b"\1", b"\0\1", b"\0\0\0\1", b"\0" * 8, b"\0" * 8, "é".encode(), b"\0", b"\1{}", bytes(16), b"\0\0\0\1",
          b"\0" * 8, b"\0" * 8, bytes(16), numeric("-12.5"), numeric("12.5000"), array(OID["text"], b"a", None, b"c"),
          array(70003, PAIR_BODY, None), b"sad", b"c")
DESCRIBED = statement(*TYPES, facts=(PAIR, PAIRS, MOOD))
WHOLE = row(*BODIES)
ERRORS = (DecodeError, ProtocolError, OutdatedSchemaCacheError)


def test_the_row_that_is_cut_and_changed_below_can_be_read():
    assert read_rows(DESCRIBED, WHOLE).lengths == [1]


def assert_whole_after(bad):
    """A row that fails leaves nothing behind, and those around it are what they are without it."""
    sink = ColumnSink()
    sink.feed(DESCRIBED, WHOLE)
    with pytest.raises(ERRORS):
        sink.feed(DESCRIBED, bad)
    sink.feed(DESCRIBED, row(*[None] * len(TYPES)))
    sink.feed(DESCRIBED, WHOLE)
    table = read(sink.columns(DESCRIBED))
    one = read_rows(DESCRIBED, WHOLE).rows[0]
    assert table.rows == [one, (None,) * len(TYPES), one]


@pytest.mark.parametrize("n", range(len(WHOLE)))
def test_a_row_that_is_cut_anywhere_is_refused_and_leaves_nothing(n):
    assert_whole_after(WHOLE[:n])


def test_a_row_with_bytes_left_over_is_a_protocol_error():
    assert_whole_after(WHOLE + b"\0")
    with pytest.raises(ProtocolError, match="a row has 1 bytes left over"):
        read_rows(DESCRIBED, WHOLE + b"\0")


@pytest.mark.parametrize("number", range(len(TYPES)))
@pytest.mark.parametrize("change", [lambda body: body[:-1], lambda body: body + b"\0"], ids=["short", "long"])
def test_a_value_of_another_length_is_the_columns_error(number, change):
    bodies = list(BODIES)
    bodies[number] = change(bodies[number])
    if TYPES[number] in ("text", "bytea", "jsonb", 70001) and bodies[number] not in (b"", b"\xc3"):
        read_rows(DESCRIBED, row(*bodies))
        return
    if TYPES[number] == "bytea":
        return
    with pytest.raises(DecodeError, match=f"row 2, column 'c{number}' of type ") as caught:
        read_rows(DESCRIBED, WHOLE, row(*bodies))
    assert caught.value.row == 2
    assert_whole_after(row(*bodies))


@given(st.data())
def test_a_row_with_any_bytes_changed_is_read_or_refused(data):
    changed = bytearray(WHOLE)
    for at in data.draw(st.lists(st.integers(0, len(WHOLE) - 1), min_size=1, max_size=4)):
        changed[at] = data.draw(st.sampled_from([0, 1, 0x40, 0x7F, 0x80, 0xC0, 0xFF]) | st.integers(0, 255))
    sink = ColumnSink()
    sink.feed(DESCRIBED, WHOLE)
    n_rows = 2
    try:
        sink.feed(DESCRIBED, bytes(changed))
    except ERRORS:
        n_rows = 1
    sink.feed(DESCRIBED, WHOLE)
    columns = sink.columns(DESCRIBED)
    assert (columns.num_rows, sink.n_rows) == (n_rows + 1, n_rows + 1)
    assert len(memoryview(columns.batches[0].values(3))) == n_rows + 1


@given(st.binary(max_size=60), st.sampled_from(range(len(TYPES))))
def test_any_bytes_are_a_value_or_an_error(body, number):
    bodies = [None] * len(TYPES)
    bodies[number] = body
    try:
        ColumnSink().feed(DESCRIBED, row(*bodies))
    except ERRORS as error:
        assert isinstance(error, OutdatedSchemaCacheError) or f"'c{number}'" in str(error)


@pytest.mark.parametrize("body", [
    struct.pack(">iiIii", 1, 0, OID["text"], 0x7FFFFFFF, 1), struct.pack(">iiIii", 1, 0, OID["text"], -1, 1),
    struct.pack(">iiI", 7, 0, OID["text"]), struct.pack(">iiI", -1, 0, OID["text"]),
    struct.pack(">iiI", 0, 0, OID["int4"]), struct.pack(">iiIii", 1, 0, OID["text"], 1, 1) + struct.pack(">i", 9)])
def test_an_array_that_announces_what_is_not_there_is_refused(body):
    with pytest.raises(DecodeError, match="column 'c0' of type text\\[\\]"):
        read_rows(statement("_text"), row(body))


def test_a_row_of_another_number_of_columns_is_a_protocol_error():
    for n in (0, 1, 3):
        with pytest.raises(ProtocolError, match=f"a row of {n} columns has come, 2 were described"):
            read_rows(statement("int4", "int4"), row(*[None] * n))


def test_numbers_whose_text_is_longer_than_their_bytes_begin_another_batch():
    described = statement("numeric", "_numeric")
    long = "9" + "0" * 9999
    bodies = row(numeric(long), array(OID["numeric"], numeric(long)))
    assert len(bodies) < 100
    table = read_rows(described, *[bodies] * 20, bytes_max=50_000)
    assert table.columns[0] == [long] * 20
    assert table.columns[1] == [[long]] * 20
    assert len(table.batches) > 2


def test_batches_are_finished_before_their_offsets_end():
    table = read_rows(statement("text", "int4"), *[row(b"x" * 100, b"\0\0\0\1")] * 100, bytes_max=1000)
    assert all(length in (8, 9) for length in table.lengths[:-1])
    assert table.columns == [["x" * 100] * 100, [1] * 100]


def test_a_type_with_too_many_parts_comes_as_text():
    facts = [PAIR]
    for oid in range(70010, 70040):
        facts.append(TypeFacts(oid, f"t{oid}", "public", "c", 0, ",", True, ("a", "b"), (facts[-1].oid,) * 2))
    described = statement(facts[-1].oid, facts[3].oid, facts=facts)
    table = read_rows(described, row(b"text", None))
    assert table.formats == ["u", "+s"]


def test_options_reach_parts_of_columns():
    infinite = struct.pack(">i", 0x7FFFFFFF)
    described = statement("_date")
    with pytest.raises(DecodeError):
        ColumnSink(ColumnOptions()).feed(described, row(array(OID["date"], infinite)))
    assert read_rows(described, row(array(OID["date"], infinite)), infinity="null").columns == [[[None]]]
