"""Rows out of COPY's binary format, byte by byte."""
import datetime
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.codecs.codec import Codec
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.copy_reader import RowReader
from pgproto.copy_rows import RowWriter
from pgproto.errors import DecodeError, ProtocolError, UnsupportedClientFeatureError
from pgproto.messages.backend import Column
from pgproto.record import Record
from pgproto.statement import Statement
from tests.support.backend_bytes import statement

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
INT4, TEXT, INT4_ARRAY, DATE, TSVECTOR = 23, 25, 1007, 1082, 3614
ROWS = [(1, "one", [1, None]), (None, "", []), (-7, "é" * 40, None)]


def reader(*oids, record_class=Record):
    return RowReader(statement(columns=tuple(zip("abcdefgh", oids, strict=False))), record_class)


def stream_of(rows, *oids):
    writer = RowWriter(tuple("abcdefgh"[:len(oids)]), tuple([builtin_codec(oid) for oid in oids]))
    for row in rows:
        writer.put(row)
    writer.end()
    return writer.take()


def value(body):
    return struct.pack("!i", len(body)) + body


def read_all(made, pieces):
    rows = [tuple(row) for piece in pieces for row in made.read(piece)]
    made.end()
    return rows


STREAM = stream_of(ROWS, INT4, TEXT, INT4_ARRAY)


def test_a_stream_is_records():
    made = reader(INT4, TEXT, INT4_ARRAY)
    rows = made.read(STREAM)
    assert [tuple(row) for row in rows] == ROWS
    assert rows[0]["b"] == "one"
    assert made.is_at_end
    made.end()


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_stream_may_be_cut_anywhere(at):
    assert read_all(reader(INT4, TEXT, INT4_ARRAY), [STREAM[:at], STREAM[at:]]) == ROWS


def test_a_stream_may_come_byte_by_byte():
    assert read_all(reader(INT4, TEXT, INT4_ARRAY), [STREAM[i:i + 1] for i in range(len(STREAM))]) == ROWS


@given(st.lists(st.integers(1, 30), max_size=40))
def test_a_stream_may_be_cut_again_and_again(lengths):
    pieces, at = [], 0
    for length in lengths:
        pieces.append(STREAM[at:at + length])
        at += length
    assert read_all(reader(INT4, TEXT, INT4_ARRAY), [*pieces, STREAM[at:]]) == ROWS


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_a_stream_that_ends_early_is_no_end(at):
    made = reader(INT4, TEXT, INT4_ARRAY)
    made.read(STREAM[:at])
    with pytest.raises(ProtocolError, match="end without their trailer"):
        made.end()


def test_rows_are_given_as_soon_as_they_are_whole():
    made = reader(INT4)
    assert made.read(HEADER) == []
    assert [tuple(row) for row in made.read(b"\0\1" + value(b"\0\0\0\1") + b"\0")] == [(1,)]
    assert [tuple(row) for row in made.read(b"\1" + value(b"\0\0\0\2"))] == [(2,)]
    assert made.read(END) == []


def test_rows_without_columns_are_rows():
    assert read_all(reader(), [HEADER + b"\0\0\0\0" + END]) == [(), ()]


def test_a_large_value_in_small_pieces_is_copied_once():
    """Quadratic work would take minutes."""
    stream = HEADER + b"\0\1" + value(b"x" * 8_000_000) + END
    rows = read_all(reader(TEXT), [stream[i:i + 1000] for i in range(0, len(stream), 1000)])
    assert rows == [("x" * 8_000_000,)]


def test_an_extension_of_the_header_is_skipped():
    stream = HEADER[:-4] + value(b"anything") + b"\0\1" + value(b"\0\0\0\7") + END
    for at in range(len(stream)):
        assert read_all(reader(INT4), [stream[:at], stream[at:]]) == [(7,)]


def test_records_are_of_the_class_that_was_wanted():
    class Row(Record):
        pass

    assert type(reader(INT4, record_class=Row).read(stream_of([(1,)], INT4))[0]) is Row


# What is wrong

@pytest.mark.parametrize(("stream", "text"), [
    (b"1\tone\n", "begin with b'1.*', which is no signature"),
    (b"PGCOPY\n\xff\n\0" + bytes(9), "no signature"),
    (HEADER[:11] + b"\0\1\0\0" + bytes(4), "the flags 0x00010000"),
    (HEADER[:11] + b"\x80\0\0\0" + bytes(4), "the flags 0x80000000"),
    (HEADER[:-4] + b"\xff\xff\xff\xff", "an extension of -1 bytes"),
    (HEADER[:-4] + b"\x7f\0\0\0", "an extension of 2130706432 bytes"),
    (HEADER + b"\0\1" + value(b"\0\0\0\1"), "a row of 1 columns has come, 2 were described"),
    (HEADER + b"\0\3", "a row of 3 columns"), (HEADER + b"\xff\xfe", "a row of -2 columns"),
    (HEADER + b"\0\2\xff\xff\xff\xfe", "column 'a' announces -2 bytes"),
    (HEADER + b"\0\2\xff\xff\xff\xff\x40\0\0\0", "column 'b' announces 1073741824 bytes, behind 6 of its row"),
    (HEADER + b"\0\2" + value(b"\0\0\0\1") + b"\x3f\xff\xff\xff", "column 'b' announces 1073741823 bytes"),
    (HEADER + END + b"\0", "1 bytes have come behind the trailer"),
    (HEADER + END + HEADER, "bytes have come behind the trailer"),
])
def test_a_stream_that_is_not_what_it_should_be_is_refused(stream, text):
    with pytest.raises(ProtocolError, match=text):
        reader(INT4, TEXT).read(stream)
    with pytest.raises(ProtocolError):
        made = reader(INT4, TEXT)
        for i in range(len(stream)):
            made.read(stream[i:i + 1])


def test_what_comes_behind_the_trailer_later_is_refused():
    made = reader(INT4)
    made.read(HEADER + END)
    with pytest.raises(ProtocolError, match="behind the trailer"):
        made.read(b"x")


def test_a_value_that_cannot_be_read_names_its_column():
    with pytest.raises(DecodeError, match="column 'b' of type text cannot be read") as caught:
        reader(INT4, TEXT).read(stream_of([], INT4)[:-2] + b"\0\2" + value(b"\0\0\0\1") + value(b"\xff"))
    assert caught.value.column == "b"
    with pytest.raises(DecodeError, match="column 'a' of type int4"):
        reader(INT4, TEXT).read(HEADER + b"\0\2" + value(b"\0\0\0\1\0") + value(b""))


@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_an_error(data):
    for stream in (data, HEADER + data):
        made = reader(INT4, TEXT)
        try:
            made.read(stream)
            made.end()
        except (ProtocolError, DecodeError):
            pass


def test_a_type_without_a_binary_form_is_refused_by_name():
    with pytest.raises(UnsupportedClientFeatureError, match="column 'b' of type tsvector cannot be read in the binary"):
        reader(INT4, TSVECTOR)


# The user's codecs

def with_codec(codec: Codec):
    registry = CodecRegistry()
    registry.set(codec.oid, codec)
    return RowReader(Statement("select 1", "", (), (Column("a", 0, 0, codec.oid, 4, -1, 0),), registry), Record)


def test_a_users_codec_in_text_is_reached_over_a_bridge():
    made = with_codec(custom_codec(builtin_codec(INT4), "text", str, lambda text: f"<{text}>"))
    assert [tuple(row) for row in made.read(stream_of([(5,), (None,)], INT4))] == [("<5>",), (None,)]


def test_a_users_codec_of_numbers_is_used():
    made = with_codec(custom_codec(builtin_codec(DATE), "tuple", tuple, lambda days: days))
    assert [tuple(row) for row in made.read(stream_of([(datetime.date(2000, 1, 2),)], DATE))] == [((1,),)]


def test_what_a_users_codec_raises_is_raised():
    made = with_codec(custom_codec(builtin_codec(INT4), "binary", bytes, lambda data: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        made.read(stream_of([(5,)], INT4))
