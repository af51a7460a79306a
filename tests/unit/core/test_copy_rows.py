"""Rows for COPY, byte by byte."""
import datetime
import itertools
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.codecs.codec import Codec
from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.copy_rows import RowWriter
from pgproto.errors import DataError, InterfaceError, UnsupportedClientFeatureError
from pgproto.operations.copy import CopyIn
from pgproto.record import Record
from tests.support.backend_bytes import copy_response, ready_frontend, split_messages, statement

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
BOOL, BYTEA, INT8, INT4, TEXT, FLOAT8, MACADDR, TSVECTOR, DATE, NUMERIC, INT4_ARRAY = (
    16, 17, 20, 23, 25, 701, 829, 3614, 1082, 1700, 1007)


def writer(*oids):
    return RowWriter(tuple("abcdefgh"[:len(oids)]), tuple([builtin_codec(oid) for oid in oids]))


def value(body):
    return struct.pack("!i", len(body)) + body


def wanting():
    """A COPY that the server wants data for, and its session."""
    op = CopyIn("copy t from stdin")
    frontend = ready_frontend()
    frontend.submit(op)
    frontend.receive(copy_response("G"))
    op.start()
    frontend.take_output()
    return op, frontend


# Binary

def test_binary_is_header_rows_and_trailer():
    rows = writer(INT4, TEXT, BOOL)
    assert (rows.format, rows.n_columns) == ("binary", 3)
    rows.put((1, "é", True))
    rows.put((None, "", None))
    rows.end()
    assert rows.n_rows == 2
    assert rows.take() == (
        HEADER
        + b"\0\3" + value(b"\0\0\0\1") + value("é".encode()) + value(b"\1")
        + b"\0\3" + b"\xff\xff\xff\xff" + value(b"") + b"\xff\xff\xff\xff"
        + END)


def test_a_table_without_columns_has_rows_without_values():
    rows = writer()
    rows.put(())
    rows.end()
    assert rows.take() == HEADER + b"\0\0" + END


@pytest.mark.parametrize("row", [
    [1, "x"], (1, "x"), Record, type("T", (tuple,), {})((1, "x")),
], ids=["list", "tuple", "record", "tuple's subclass"])
def test_any_sequence_is_a_row(row):
    if row is Record:
        row = statement(columns=(("a", INT4), ("b", TEXT))).decode(b"\0\2" + value(b"\0\0\0\1") + value(b"x"))
    rows = writer(INT4, TEXT)
    rows.put(row)
    assert rows.take() == HEADER + b"\0\2" + value(b"\0\0\0\1") + value(b"x")


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**62])
def test_the_length_of_a_row_is_counted_and_not_believed(length):
    class Lying(list):
        def __len__(self):
            return length

        def __iter__(self):
            return iter(self.items)

    rows = writer(INT4, TEXT)
    row = Lying()
    row.items = (1, "x")
    rows.put(row)
    row.items = itertools.count()
    with pytest.raises(DataError, match="has 3 values, the columns are 2"):
        rows.put(row)
    assert rows.n_rows == 1


def test_a_str_is_a_sequence_of_characters():
    rows = writer(TEXT, TEXT)
    rows.put("xy")
    assert rows.take() == HEADER + b"\0\2" + value(b"x") + value(b"y")


@pytest.mark.parametrize("row", [{"a": 1}, {1}, 1, None, object(), iter([1])])
def test_what_is_no_sequence_is_refused_by_its_number(row):
    rows = writer(INT4)
    rows.put((1,))
    rows.take()
    with pytest.raises(DataError, match="record #1 of the COPY is no sequence") as refused:
        rows.put(row)
    assert refused.value.row_index == 1
    assert rows.take() == b""


@pytest.mark.parametrize("row", [(), (1,), (1, 2, 3), [1]])
def test_a_row_has_exactly_the_columns(row):
    rows = writer(INT4, INT4)
    with pytest.raises(DataError, match=rf"record #0 of the COPY has {len(row)} values, the columns are 2: a, b"):
        rows.put(row)
    assert (rows.take(), rows.n_rows) == (HEADER, 0)


@pytest.mark.parametrize(("oid", "bad", "cause", "text"), [
    (INT4, "x", TypeError, r"'x' \(int4: .*integer"),
    (INT4, 2**31, OverflowError, r"2147483648 \(int4: "),
    (TEXT, 1, TypeError, r"1 \(text: "),
    (DATE, "2020-01-01", Exception, r"'2020-01-01' \(date: "),
    (INT4_ARRAY, [1, "x"], Exception, r"\[1, 'x'\] \(int4\[\]: "),
    (TEXT, b"x" * 100, TypeError, r"b'x{38}\.\.\. \(text: "),
])
def test_a_bad_value_is_named_by_row_column_and_type(oid, bad, cause, text):
    rows = writer(INT4, oid)
    rows.put((1, None))
    rows.take()
    with pytest.raises(DataError, match="^invalid input for column 'b' in record #1 of the COPY: " + text) as refused:
        rows.put((2, bad))
    assert isinstance(refused.value.__cause__, cause)
    assert (refused.value.row_index, refused.value.column) == (1, "b")
    assert refused.value.type_name == builtin_codec(oid).name
    # Nothing of the row is left, and the next one may be good.
    assert (rows.take(), rows.n_rows) == (b"", 1)
    rows.put((3, None))
    assert rows.take() == b"\0\2" + value(b"\0\0\0\3") + b"\xff\xff\xff\xff"


def test_a_bad_value_inside_another_one_is_named_by_its_path():
    with pytest.raises(DataError, match=r"\(int4\[\]: .*; at a\[1\]\)$") as refused:
        writer(INT4_ARRAY).put(([1, "x"],))
    assert refused.value.path == "a[1]"


class Unspeakable:
    def __repr__(self):
        raise ZeroDivisionError

    def __index__(self):
        raise LookupError("no index")


def test_a_value_that_cannot_show_itself_is_named_all_the_same():
    with pytest.raises(DataError, match=r"<Unspeakable: repr\(\) raised ZeroDivision\.\.\. \(int4: no index\)"):
        writer(INT4).put((Unspeakable(),))


class Interrupting:
    def __index__(self):
        raise KeyboardInterrupt


def test_an_interrupt_is_no_bad_value():
    rows = writer(INT4)
    with pytest.raises(KeyboardInterrupt):
        rows.put((Interrupting(),))
    assert rows.take() == HEADER


class Shrinking(list):
    """A row that loses its values while one of them is encoded."""

    def __index__(self):
        self.clear()
        return 7


def test_a_row_that_changes_while_it_is_encoded_is_the_row_that_it_was():
    row = Shrinking([0, 5])
    row[0] = row
    rows = writer(INT4, INT4)
    rows.put(row)
    assert rows.take() == HEADER + b"\0\2" + value(b"\0\0\0\7") + value(b"\0\0\0\5")


# Text

def test_a_type_of_which_only_the_text_is_known_makes_it_text():
    rows = writer(INT4, TSVECTOR)
    assert rows.format == "text"
    rows.put((1, "'a' 'b'"))
    rows.put((None, None))
    rows.end()
    assert rows.take() == b"1\t'a' 'b'\n\\N\t\\N\n"


def test_special_characters_are_escaped_in_text():
    rows = RowWriter(("a", "b"), (text_codec(1, "odd"), builtin_codec(TEXT)))
    rows.put(("a\tb\nc\rd\\e", "\\N"))
    rows.put(("\\.", ""))
    assert rows.take() == b"a\\tb\\nc\\rd\\\\e\t\\\\N\n\\\\.\t\n"


def test_other_types_are_written_as_their_text_beside_one_that_has_nothing_else():
    rows = RowWriter(tuple("abcdefg"), (text_codec(1, "odd"), *[builtin_codec(oid) for oid in (
        BOOL, INT8, NUMERIC, DATE, BYTEA, INT4_ARRAY)]))
    rows.put(("x", True, -5, Decimal("1.50"), datetime.date(2020, 2, 29), b"\0\\", [1, None]))
    assert rows.take() == b"x\tt\t-5\t1.50\t2020-02-29\t\\\\x005c\t{\"1\",NULL}\n"


def test_a_bad_value_is_named_in_text_too():
    rows = writer(TSVECTOR, INT4)
    with pytest.raises(DataError, match="column 'b' in record #0"):
        rows.put(("x", "y"))
    assert rows.take() == b""


def test_a_type_that_prefers_text_is_written_so():
    assert writer(MACADDR).format == "text"


def test_what_cannot_be_written_at_all_is_refused_by_name():
    with pytest.raises(UnsupportedClientFeatureError, match=r"a \(int4\): binary and text; b \(odd\): not at all"):
        RowWriter(("a", "b"), (builtin_codec(INT4), Codec(1, "odd")))


# Chunks

def test_rows_are_taken_from_an_iterator_a_chunk_at_a_time():
    rows = writer(TEXT)
    source = iter([("x" * 100_000,)] * 8)
    assert rows.fill(source) is True
    assert (rows.n_rows, rows.is_full) == (6, True)
    rows.take()
    assert rows.fill(source) is False
    assert (rows.n_rows, rows.is_full) == (8, False)
    assert rows.fill(source) is False


def test_what_the_iterator_raises_is_its_own():
    def source():
        yield (1,)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        writer(INT4).fill(source())


def test_rows_become_copy_data():
    op, frontend = wanting()
    rows = writer(INT4)
    rows.put((1,))
    rows.move_to(op, frontend.out)
    rows.move_to(op, frontend.out)
    rows.end()
    rows.move_to(op, frontend.out)
    assert split_messages(frontend.take_output()) == [
        ("d", HEADER + b"\0\1" + value(b"\0\0\0\1")), ("d", END)]


def test_a_huge_row_is_several_messages():
    op, frontend = wanting()
    rows = writer(BYTEA)
    body = bytes(range(256)) * 10_000
    rows.put((body,))
    rows.move_to(op, frontend.out)
    parts = [part for _, part in split_messages(frontend.take_output())]
    assert [len(part) for part in parts] == [1_048_576, 1_048_576, len(HEADER) + 6 + len(body) - 2_097_152]
    assert b"".join(parts) == HEADER + b"\0\1" + value(body)


def test_a_server_that_wants_no_data_gets_none():
    op, frontend = wanting()
    op.put_done(frontend.out)
    frontend.take_output()
    rows = writer(INT4)
    rows.put((1,))
    with pytest.raises(InterfaceError, match="does not want data"):
        rows.move_to(op, frontend.out)
    assert frontend.take_output() == b""


def unescape(field):
    """What the server makes of a field in text."""
    if field == rb"\N":
        return None
    out, at = b"", 0
    while at < len(field):
        if field[at:at + 1] == b"\\":
            at += 1
            out += {b"n": b"\n", b"r": b"\r", b"t": b"\t"}.get(field[at:at + 1], field[at:at + 1])
        else:
            out += field[at:at + 1]
        at += 1
    return out.decode()


@given(st.lists(st.tuples(*[st.none() | st.text(st.characters(exclude_categories=["Cs"]))] * 2)))
def test_any_text_comes_back_as_it_was(table):
    rows = RowWriter(("a", "b"), (text_codec(1, "odd"), builtin_codec(TEXT)))
    for row in table:
        rows.put(row)
    lines = rows.take().split(b"\n")[:-1]
    assert [tuple([unescape(field) for field in line.split(b"\t")]) for line in lines] == table
