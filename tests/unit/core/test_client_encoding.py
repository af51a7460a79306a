"""A session whose client_encoding is another than UTF-8: what is written and read in it, byte by byte."""
import struct
import threading

import pytest

from pgproto.arrow_in.stream import ArrowSource
from pgproto.arrow_in.writer import ArrowWriter
from pgproto.codecs.arrays import array_codec
from pgproto.codecs.composites import composite_codec, record_codec
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.enums import enum_codec
from pgproto.codecs.hstore import hstore_codec
from pgproto.codecs.json import json_codec
from pgproto.codecs.ranges import range_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.columns.sink import ColumnSink, columnar_statement
from pgproto.copy_reader import RowReader
from pgproto.copy_rows import RowWriter
from pgproto.encodings import Encoding, known_encodings
from pgproto.errors import DataError, DecodeError, InterfaceError
from pgproto.operations.extended import Execute, Script
from pgproto.operations.simple import SimpleQuery
from pgproto.record import Record
from pgproto.row_sinks import Records
from pgproto.write_buffer import WriteBuffer
from tests.support.arrow_reader import read
from tests.support.backend_bytes import (
    BOUND,
    INT4,
    PARSED,
    TEXT,
    complete,
    data_row,
    drive,
    error,
    int4,
    message,
    notification,
    parameter_status,
    ready,
    ready_frontend,
    row_description,
    split_messages,
    statement,
)

BINARY_FORMAT, TEXT_FORMAT = 1, 0
# "display" and "table" in Japanese: in Shift JIS the second byte of the first character is a backslash.
JAPANESE = "\u8868\u793a"


def samples():
    """Each encoding with text that is not ASCII."""
    for name, codec in known_encodings().items():
        found = ""
        for i in range(0xA1, 0xFF):
            for body in (bytes([i]), bytes([i, 0xA1 + i % 0x50])):
                try:
                    text = body.decode(codec)
                    found += text if text.encode(codec) == body else ""
                except ValueError:
                    continue
        yield name, codec, "a" + "".join(c for c in found[:40] if c not in DIFFERENT)


# For these Python has other characters than the server, in one encoding or another.
DIFFERENT = "\u02cd\u2574\uffe3\u2015\uffe5\u2985\u2986\u301c\u2016\u2212\xa2\xa3\xac\xa6"
SAMPLES = list(samples())
EVERY = pytest.mark.parametrize(("name", "codec", "text"), SAMPLES, ids=[name for name, *_ in SAMPLES])


def session(name="LATIN1"):
    frontend = ready_frontend()
    frontend.receive(parameter_status("client_encoding", name))
    return frontend


def bound(frontend, codec, value):
    """The body of the argument that a Bind has for `value`."""
    registry = CodecRegistry()
    registry.set(codec.oid, codec)
    op = Execute(statement(parameters=(codec.oid,), columns=None, registry=registry), (value,))
    frontend.submit(op)
    (bind,) = [body for kind, body in split_messages(frontend.take_output()) if kind == "B"]
    at = bind.index(b"s\0") + 2 + 2 + 2 + 2
    (n,) = struct.unpack_from("!i", bind, at)
    drive(frontend, [BOUND + complete("SELECT 0") + ready()])
    return bind[at + 4:at + 4 + n]


def fetched(frontend, codec, body, name="a"):
    """The value that a row of one column becomes, or the error."""
    registry = CodecRegistry()
    registry.set(codec.oid, codec)
    op = Execute(statement(columns=((name, codec.oid),), registry=registry), (), Records())
    frontend.submit(op)
    frontend.take_output()
    drive(frontend, [BOUND + data_row(body) + complete() + ready()])
    if op.error is not None:
        raise op.error
    return op.take_rows()[0][0]


def textual(codec):
    """The same codec, exchanged as text."""
    codec.preferred = TEXT_FORMAT
    return codec


@EVERY
def test_text_is_written_and_read_in_the_encoding_of_the_session(name, codec, text):
    frontend = session(name)
    assert frontend.encoding.name == name
    body = text.encode(codec)
    assert not text.isascii()
    assert bound(frontend, builtin_codec(TEXT), text) == body
    assert fetched(frontend, builtin_codec(TEXT), body) == text
    assert fetched(frontend, builtin_codec(TEXT), b"ascii") == "ascii"
    frontend.submit(SimpleQuery(f"select '{text}'"))
    assert split_messages(frontend.take_output()) == [("Q", b"select '" + body + b"'\0")]


@EVERY
def test_what_stands_inside_a_value_is_read_and_written_so_too(name, codec, text):
    frontend = session(name)
    array = array_codec(1009, builtin_codec(TEXT))
    composite = composite_codec(70001, "c", ("x", "y"), (builtin_codec(TEXT), builtin_codec(INT4)))
    hstore = hstore_codec(text_codec(70002, "hstore", "public"))
    for kind, value, is_text in (
            (array, [text, None, text], False), (textual(array_codec(1009, builtin_codec(TEXT))), [text, None], True),
            (composite, (text, 1), False),
            (textual(composite_codec(70001, "c", ("x", "y"), (builtin_codec(TEXT), builtin_codec(INT4)))),
             (text, 1), True),
            (hstore, {text: text, "a": None}, False),
            (textual(hstore_codec(text_codec(70002, "hstore", "public"))), {text: text}, True),
            (textual(range_codec(70003, "textrange", builtin_codec(TEXT))), (text, None), True)):
        written = bound(frontend, kind, value)
        plain = bound(ready_frontend(), kind, value)
        assert written != plain
        if is_text:
            assert written == plain.decode().encode(codec)
        assert fetched(frontend, kind, written) == fetched(ready_frontend(), kind, plain)


def test_a_second_byte_that_is_a_backslash_or_a_brace_is_none():
    frontend = session("SJIS")
    array = textual(array_codec(1009, builtin_codec(TEXT)))
    assert b"\\" in JAPANESE.encode("cp932")
    body = ('{"' + JAPANESE + '","a\\"b"}').encode("cp932")
    assert bound(frontend, array, [JAPANESE, 'a"b']) == body
    assert fetched(frontend, array, body) == [JAPANESE, 'a"b']
    record = textual(record_codec(2249, builtin_codec))
    assert fetched(frontend, record, f'({JAPANESE},"x y")'.encode("cp932")) == (JAPANESE, "x y")
    # The text format of COPY quotes bytes too.
    writer = RowWriter(("a", "b"), (text_codec(70001, "tsvector"), builtin_codec(TEXT)), encoding=frontend.encoding)
    writer.put((JAPANESE, "a\\b"))
    assert writer.format == "text"
    assert writer.take() == (JAPANESE + "\ta\\\\b\n").encode("cp932")


def test_json_in_any_of_its_ways():
    frontend = session("LATIN1")
    assert bound(frontend, builtin_codec(3802), '"é"') == b'\1"\xe9"'
    assert bound(frontend, json_codec(114, encoder=lambda value: value.encode()), '"é"') == b'"\xe9"'
    assert fetched(frontend, builtin_codec(3802), b'\1"\xe9"') == '"é"'
    assert fetched(frontend, json_codec(3802, decoder=lambda text: text), b'\1"\xe9"') == '"é"'
    assert fetched(frontend, json_codec(3802, decoder=bytes, takes_bytes=True), b'\1"\xe9"') == '"é"'.encode()


def test_codecs_of_the_users_and_enums():
    frontend = session("LATIN1")
    doubled = custom_codec(builtin_codec(TEXT), "text", lambda value: value * 2, lambda text: text + "!")
    assert bound(frontend, doubled, "é") == b"\xe9\xe9"
    assert fetched(frontend, doubled, b"\xe9") == "é!"
    encoded = custom_codec(builtin_codec(TEXT), "text", lambda value: value.encode(), str)
    assert bound(frontend, encoded, "é") == b"\xe9"
    enum = enum_codec(70001, "mood")
    assert bound(frontend, enum, "é") == b"\xe9"
    assert fetched(frontend, enum, b"\xe9") == "é"
    # In the rows of a COPY the binary form is taken across by the built-in codec, which writes UTF-8.
    array = array_codec(1009, builtin_codec(TEXT))
    registry = CodecRegistry()
    registry.set(1009, custom_codec(array, "text", str, str.upper))
    writer = RowWriter(("a",), (array,), encoding=frontend.encoding)
    writer.put((["é"],))
    writer.end()
    reader = RowReader(statement(columns=(("a", 1009),), registry=registry), Record, encoding=frontend.encoding)
    assert reader.read(writer.take()) == [('{"É"}',)]


def test_names_of_columns_errors_and_notifications():
    frontend = session("LATIN1")
    op = Execute(statement(name="", columns=None), (), Records(), with_parse=True)
    frontend.submit(op)
    described = row_description(("größe", INT4, BINARY_FORMAT)).replace("größe".encode(), "größe".encode("latin-1"))
    described = message("T", described[5:])
    drive(frontend, [PARSED + BOUND + described + data_row(int4(1)) + complete() + ready()])
    assert op.take_rows()[0]["größe"] == 1
    frontend.receive(message("A", notification(1, "k", "é")[5:].replace("é".encode(), b"\xe9")))
    assert frontend.take_told()[1] == [(1, "k", "é")]
    op = SimpleQuery("select")
    frontend.submit(op)
    drive(frontend, [message("E", error("müde")[5:].replace("ü".encode(), b"\xfc")) + ready()])
    assert str(op.error) == "müde"
    # What no character is has a stand-in: an error never fails for its text.
    frontend = session("EUC_JP")
    op = SimpleQuery("select")
    frontend.submit(op)
    drive(frontend, [message("E", error("mXde")[5:].replace(b"X", b"\xff")) + ready()])
    assert str(op.error) == "m\ufffdde"


def test_columns_hold_utf8_whatever_the_session_speaks():
    frontend = session("LATIN1")
    enum = enum_codec(70001, "mood")
    registry = CodecRegistry()
    registry.set(enum.oid, enum)
    for oid, bodies, values in ((TEXT, (b"\xe9", b"a", b"\xc3\xa9"), ["é", "a", "Ã©"]),
                                (3802, (b'\1"\xe9"',), ['"é"'])):
        described = columnar_statement(statement(columns=(("a", oid),), registry=registry))
        sink = ColumnSink()
        op = Execute(described, (), sink)
        frontend.submit(op)
        frontend.take_output()
        drive(frontend, [BOUND + b"".join(data_row(body) for body in bodies) + complete() + ready()])
        assert op.error is None
        assert read(sink.columns(described)).columns[0] == values


def test_rows_of_a_copy_are_read_and_written_in_it():
    encoding = session("LATIN1").encoding
    writer = RowWriter(("a", "b"), (builtin_codec(TEXT), builtin_codec(INT4)), encoding=encoding)
    writer.put(("é", 1))
    writer.end()
    stream = writer.take()
    assert b"\0\0\0\1\xe9" in stream
    reader = RowReader(statement(columns=(("a", TEXT), ("b", INT4))), Record, encoding=encoding)
    rows = [row for i in range(len(stream)) for row in reader.read(stream[i:i + 1])]
    assert rows == [("é", 1)]
    with pytest.raises(DataError, match=r"column 'a' in record #0"):
        RowWriter(("a",), (builtin_codec(TEXT),), encoding=encoding).put(("\u20ac",))


def test_arrow_data_are_written_in_it():
    described = columnar_statement(statement(columns=(("a", TEXT), ("b", 3802))))
    sink = ColumnSink()
    for _ in range(2):
        sink.feed(described, struct.pack("!Hi", 2, 2) + "é".encode() + struct.pack("!i", 4) + b'\1"a"')
    source = ArrowSource(sink.columns(described))
    writer = ArrowWriter(source, ("a", "b"), (builtin_codec(TEXT), builtin_codec(3802)),
                         encoding=session("LATIN1").encoding)
    assert writer.fill() is False
    assert writer.take().count(b"\0\2\0\0\0\1\xe9\0\0\0\4\1\"a\"") == 2


def test_a_character_that_the_encoding_has_not_is_the_arguments_error_and_nothing_is_sent():
    frontend = session("LATIN1")
    with pytest.raises(DataError, match=r"\$1"):
        bound(frontend, builtin_codec(TEXT), "\u20ac")
    with pytest.raises(InterfaceError, match="client_encoding"):
        frontend.submit(SimpleQuery("select '\u20ac'"))
    assert frontend.take_output() == b""
    # Python would write a yen sign as a backslash here.
    with pytest.raises(DataError, match="not all characters"):
        bound(session("EUC_JP"), builtin_codec(TEXT), "\xa5")
    assert bound(frontend, builtin_codec(TEXT), "é") == b"\xe9"


@pytest.mark.parametrize(("name", "ours", "body"), [
    ("EUC_JP", "\uff5e", b"\xa1\xc1"), ("EUC_JIS_2004", "\u2014", b"\xa1\xbd"), ("EUC_JP", "\uffe4", b"\x8f\xa2\xc3")])
def test_where_the_server_and_python_differ_the_server_is_right(name, ours, body):
    assert fetched(session(name), builtin_codec(TEXT), body) == ours
    assert bound(session(name), builtin_codec(TEXT), ours) == body
    python = body.decode(known_encodings()[name])
    assert python != ours
    with pytest.raises(DataError, match="not all characters"):
        bound(session(name), builtin_codec(TEXT), python)


@pytest.mark.parametrize("name", ["EUC_TW", "MULE_INTERNAL", "SHIFT_JIS_2004", "klingon", "é", "x" * 9999])
def test_an_encoding_that_nobody_knows_is_an_error_at_the_first_text_that_is_not_ascii(name):
    frontend = session(name)
    assert bound(frontend, builtin_codec(TEXT), "ascii") == b"ascii"
    assert bound(frontend, builtin_codec(INT4), 200) == int4(200)
    assert fetched(frontend, builtin_codec(TEXT), b"ascii") == "ascii"
    assert fetched(frontend, builtin_codec(17), b"\xff") == b"\xff"
    with pytest.raises(DataError, match="only ASCII can be read and written"):
        bound(frontend, builtin_codec(TEXT), "é")
    with pytest.raises(DecodeError, match=r"column 'a' .* only ASCII can be read and written"):
        fetched(frontend, builtin_codec(TEXT), b"\xe9")
    with pytest.raises(InterfaceError, match="only ASCII"):
        frontend.submit(SimpleQuery("select 'é'"))
    frontend.receive(parameter_status("client_encoding", "UTF8"))
    assert fetched(frontend, builtin_codec(TEXT), "é".encode()) == "é"


@pytest.mark.parametrize("name", ["UTF8", "SQL_ASCII", "utf-8", "'UTF-8'", "UNICODE", "sql_ascii", ""])
def test_where_nothing_is_converted_text_is_utf8(name):
    frontend = session(name)
    assert frontend.encoding is None
    assert bound(frontend, builtin_codec(TEXT), "é") == "é".encode()
    assert fetched(frontend, builtin_codec(TEXT), "é".encode()) == "é"


@pytest.mark.parametrize(("reported", "name"), [
    ("latin1", "LATIN1"), ("LATIN-1", "LATIN1"), ("win_1252", "WIN1252"), ("Euc-Jp", "EUC_JP")])
def test_case_and_dashes_of_a_name_do_not_count(reported, name):
    assert session(reported).encoding.name == name
    assert session(reported).encoding is session(name).encoding


def test_a_change_counts_from_the_message_on_that_tells_of_it():
    frontend = ready_frontend()
    ops = [Execute(statement(columns=(("a", TEXT),)), (), Records()) for _ in range(3)]
    for op in ops:
        frontend.submit(op)
    row = [BOUND + data_row(body) + complete() + ready() for body in ("é".encode(), b"\xe9", "é".encode())]
    drive(frontend, [row[0] + parameter_status("client_encoding", "LATIN1") + row[1]
                     + parameter_status("client_encoding", "UTF8") + row[2]])
    assert [op.take_rows()[0][0] for op in ops] == ["é"] * 3


def test_a_session_in_another_encoding_leaves_the_others_alone():
    """Whatever way it is left: by a bad value, by a protocol error, in the middle of a row, in another thread."""
    other = session("LATIN1")
    for answer in (BOUND + data_row(b"\xe9") + complete() + ready(), BOUND + message("D", b"\0\1\0\0\0\2\xe9"),
                   BOUND + data_row(b"\xe9")[:-1], BOUND + data_row(b"\xe9") + b"?\0\0\0\4"):
        frontend = session("LATIN1")
        frontend.submit(Execute(statement(columns=(("a", TEXT),)), (), Records()))
        try:
            frontend.receive(answer)
        except Exception:
            assert frontend.dead is not None
        assert fetched(ready_frontend(), builtin_codec(TEXT), "é".encode()) == "é"
    seen = []

    def within(text):
        thread = threading.Thread(
            target=lambda: seen.append(fetched(ready_frontend(), builtin_codec(TEXT), "é".encode())))
        thread.start()
        thread.join()
        return text

    assert fetched(other, custom_codec(builtin_codec(TEXT), "text", str, within), b"\xe9") == "é"
    assert seen == ["é"]


def test_a_reset_on_the_way_decides_what_is_written_behind_it():
    frontend = ready_frontend()
    frontend.submit(SimpleQuery("set client_encoding to latin1"))
    frontend.submit(Script(("BEGIN", "RESET ALL", "COMMIT")))
    frontend.receive(complete("SET") + parameter_status("client_encoding", "LATIN1") + ready())
    frontend.take_output()
    assert frontend.encoding.name == "LATIN1"
    op = Execute(statement(parameters=(TEXT,), columns=(("a", TEXT),)), ("é",), Records())
    frontend.submit(op)
    assert "é".encode() in frontend.take_output()
    drive(frontend, [(PARSED + BOUND + complete("X")) * 3 + parameter_status("client_encoding", "UTF8") + ready()
                     + BOUND + data_row("é".encode()) + complete() + ready()])
    assert op.take_rows()[0][0] == "é"


def test_a_buffer_without_a_session_writes_utf8():
    buffer = WriteBuffer()
    assert buffer.encoding is None
    buffer.put("text", "é")
    assert buffer.take() == "é\0".encode()
    buffer.encoding = Encoding("LATIN1", "latin-1")
    buffer.put("text", "é")
    assert buffer.take() == b"\xe9\0"
    assert repr(buffer.encoding) == "<Encoding LATIN1>"
