"""A statement bound to codecs: arguments, rows, and descriptions that change."""

import gc
import itertools
import struct
import sys

import pytest

from pgproto.codecs.codec import Codec
from pgproto.codecs.enums import enum_codec
from pgproto.codecs.json import json_codec
from pgproto.codecs.registry import CodecRegistry
from pgproto.errors import DataError, DecodeError, InterfaceError, OutOfRange, ProtocolError
from pgproto.messages.backend import Column
from pgproto.operations.extended import Execute, ExecuteMany, FetchPortal
from pgproto.operations.operation import Operation
from pgproto.record import Record
from pgproto.row_sinks import RawRows, Records, RowSink
from pgproto.statement import Statement
from tests.support.backend_bytes import (
    BOUND,
    DATE,
    INT4,
    INT4_ARRAY,
    JSON,
    NO_DATA,
    PARSED,
    TEXT,
    complete,
    data_row,
    drive,
    error,
    int4,
    kinds,
    message,
    ready,
    ready_frontend,
    row_body,
    row_description,
    rows_answer,
    statement,
)


def submit(op):
    frontend = ready_frontend()
    frontend.submit(op)
    return frontend


def fetch(frontend, op, answer):
    frontend.submit(op)
    assert drive(frontend, [answer + ready()]) == [op]
    return op


# Arguments


@pytest.mark.parametrize(
    ("parameters", "arguments", "text"),
    [
        ([], (1,), "the server expects 0 arguments for this query, 1 was passed"),
        ([INT4], (), "the server expects 1 argument for this query, 0 were passed"),
        ([INT4, INT4], (1, 2, 3), "the server expects 2 arguments for this query, 3 were passed"),
        ([INT4, INT4], [1], "the server expects 2 arguments for this query, 1 was passed"),
    ],
)
def test_a_wrong_number_of_arguments_is_said(parameters, arguments, text):
    frontend = ready_frontend()
    with pytest.raises(InterfaceError) as caught:
        frontend.submit(Execute(statement(parameters=parameters), arguments))
    assert caught.value.args == (text,)
    assert "Check the query against the passed list of arguments." in caught.value.hint
    assert ("one by one" in caught.value.hint) == (len(arguments) == 1 and len(parameters) > 0)
    assert (frontend.take_output(), frontend.pending()) == (b"", [])


@pytest.mark.parametrize("sql", ["select %s", "select %(a)s"])
def test_a_placeholder_of_another_driver_is_named(sql):
    with pytest.raises(InterfaceError) as caught:
        submit(Execute(statement(sql), (1,)))
    assert "Parameters are written $1, $2" in caught.value.hint


def test_more_arguments_than_a_query_can_have_are_said():
    with pytest.raises(InterfaceError) as caught:
        submit(Execute(statement(), (None,) * 65_536))
    assert caught.value.hint == "A query can have 65535 arguments."
    with pytest.raises(InterfaceError) as caught:
        submit(Execute(statement(), (None,) * 65_535))
    assert caught.value.hint == "Check the query against the passed list of arguments."


def test_a_wrong_number_of_arguments_in_executemany_names_the_element():
    with pytest.raises(InterfaceError) as caught:
        submit(ExecuteMany(statement(parameters=[INT4]), [(1,), (1, 2)]))
    assert caught.value.args == (
        "the server expects 1 argument for this query, 2 were passed (element #1 of executemany() sequence)",
    )


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "'abc'"),
        ("x" * 38, "'" + "x" * 38 + "'"),
        ("x" * 39, "'" + "x" * 39 + "..."),
        (Unshowable(), "<Unshowable: repr() raised RuntimeError>"),
    ],
)
def test_a_bad_argument_is_named_by_number_value_and_type(value, shown):
    frontend = ready_frontend()
    with pytest.raises(DataError) as caught:
        frontend.submit(Execute(statement("select $2", parameters=[INT4, INT4]), (1, value)))
    text = caught.value.args[0]
    name = caught.value.type_name
    assert text.startswith(f"invalid input for query argument $2: {shown} ({name}: ") and text.endswith(")")
    assert (caught.value.parameter, caught.value.query, caught.value.__cause__ is not None) == (2, "select $2", True)
    assert not hasattr(caught.value, "element")
    assert (frontend.take_output(), frontend.pending()) == (b"", [])
    fetch(frontend, Execute(statement(), (), Records()), rows_answer(1))


def test_a_bad_argument_in_executemany_names_the_element_too():
    with pytest.raises(DataError) as caught:
        submit(ExecuteMany(statement(parameters=[INT4]), [(1,), ("x",)]))
    assert caught.value.args[0].startswith(
        "invalid input for query argument $1 in element #1 of executemany() sequence: 'x' ("
    )
    assert (caught.value.element, caught.value.parameter) == (1, 1)


def test_a_type_that_cannot_be_sent_is_said():
    registry = CodecRegistry()
    registry.set(999_999, Codec(999_999, "odd"))
    with pytest.raises(DataError, match=r"\$1: 'x' \(odd: values of type odd cannot be sent\)"):
        submit(Execute(statement(parameters=[999_999], registry=registry), ("x",)))


def test_an_interface_error_of_an_encoder_stays_one():
    def encoder(value):
        raise InterfaceError("not this one", detail="d", hint="h")

    registry = CodecRegistry()
    registry.set(JSON, json_codec(JSON, encoder=encoder))
    with pytest.raises(InterfaceError) as caught:
        submit(Execute(statement(parameters=[JSON], registry=registry), ({},)))
    assert (caught.value.args[0].splitlines()[0], caught.value.detail, caught.value.hint) == (
        "query argument $1: not this one\nDETAIL:  d\nHINT:  h".splitlines()[0],
        "d",
        "h",
    )


def test_a_list_that_shrinks_while_it_is_encoded_is_sent_as_it_was():
    arguments = [{}, 1]

    def encoder(value):
        arguments.clear()
        return "{}"

    registry = CodecRegistry()
    registry.set(JSON, json_codec(JSON, encoder=encoder))
    sent = submit(Execute(statement(parameters=[JSON, INT4], registry=registry), arguments)).take_output()
    assert arguments == [] and b"\0\2\0\0\0\2{}\0\0\0\4\0\0\0\1" in sent


def test_arguments_may_be_any_iterable():
    for arguments in ((1, 2), [1, 2], {1: "a", 2: "b"}, range(1, 3), iter([1, 2])):
        assert statement(parameters=[INT4, INT4]).encode_bind(arguments) == statement(
            parameters=[INT4, INT4]
        ).encode_bind((1, 2))


def test_an_exception_that_is_not_an_error_passes_through():
    def encoder(value):
        raise KeyboardInterrupt

    registry = CodecRegistry()
    registry.set(JSON, json_codec(JSON, encoder=encoder))
    frontend = ready_frontend()
    with pytest.raises(KeyboardInterrupt):
        frontend.submit(Execute(statement(parameters=[JSON], registry=registry), ({},)))
    assert (frontend.take_output(), frontend.pending()) == (b"", [])


# The statement itself


def test_a_statement_says_what_it_is():
    s = Statement("select 1", "n", (INT4,), (Column("a", 0, 0, TEXT, -1, -1, 0),), CodecRegistry())
    assert (s.sql, s.name, s.parameter_oids, s.has_rows, s.mentions_copy, s.is_closed) == (
        "select 1",
        "n",
        (INT4,),
        True,
        False,
        False,
    )
    assert ([c.oid for c in s.parameter_codecs], [c.oid for c in s.column_codecs], s.shape.names) == (
        [INT4],
        [TEXT],
        ("a",),
    )
    assert repr(s) == "<Statement 'n' 'select 1'>"
    none = statement(columns=None)
    assert (none.has_rows, none.columns, none.shape.names) == (False, (), ())
    s.is_closed = True
    assert s.is_closed


def test_a_type_that_nobody_knows_is_exchanged_as_text():
    s = statement(parameters=[999_999], columns=[("a", 999_999)])
    assert s.encode_bind(("é",)) == b"B\0\0\0\x17\0s\0\0\1\0\0\0\1\0\0\0\2\xc3\xa9\0\1\0\0"
    assert tuple(s.decode(row_body("é".encode()))) == ("é",)


def test_a_column_whose_format_is_told_keeps_it():
    s = Statement("x", "", (), (Column("a", 0, 0, 999_999, -1, -1, 1),), CodecRegistry())
    with pytest.raises(
        DecodeError, match="column 'a' of type oid 999999 cannot be read: the type cannot be read in the format"
    ):
        s.decode(row_body(b"x"))
    assert tuple(s.decode(row_body(None))) == (None,)


def test_a_name_longer_than_the_server_compares_is_refused():
    with pytest.raises(InterfaceError, match="can have 63 bytes"):
        statement(name="n" * 64)


# Rows


def test_rows_become_records():
    op = fetch(
        ready_frontend(),
        Execute(statement(columns=[("a", INT4), ("b", TEXT)]), (), Records()),
        BOUND + data_row(int4(1), b"x") + data_row(None, b"") + complete("SELECT 2"),
    )
    rows = op.take_rows()
    assert [dict(row) for row in rows] == [{"a": 1, "b": "x"}, {"a": None, "b": ""}]
    assert (op.take_rows(), type(rows[0]) is Record, op.tag, op.was_bound) == ([], True, "SELECT 2", True)


def test_rows_become_a_class_of_the_callers():
    class Mine(Record):
        pass

    op = fetch(ready_frontend(), Execute(statement(), (), Records(Mine)), rows_answer(1))
    [row] = op.take_rows()
    assert type(row) is Mine and gc.is_tracked(row)
    assert type(statement().decode(row_body(int4(1)), Mine)) is Mine


def test_rows_may_be_thrown_away_or_kept_as_bytes():
    assert fetch(ready_frontend(), Execute(statement()), rows_answer(1)).take_rows() == []
    assert fetch(ready_frontend(), Execute(statement(), (), RowSink()), rows_answer(1)).take_rows() == []
    raw = fetch(ready_frontend(), Execute(statement(), (), RawRows()), rows_answer(1, 2))
    assert raw.take_rows() == [row_body(int4(1)), row_body(int4(2))]
    assert raw.take_rows() == []


@pytest.mark.parametrize(
    ("oid", "value", "is_tracked"),
    [
        (INT4, int4(1), False),
        (TEXT, b"x", False),
        (INT4_ARRAY, struct.pack("!iiiiiii", 1, 0, INT4, 1, 1, 4, 7), True),
    ],
)
def test_only_rows_that_can_hold_a_container_are_known_to_the_collector(oid, value, is_tracked):
    for columns in ([("a", oid)], [("a", oid), ("b", INT4)], [("b", INT4), ("a", oid)]):
        values = [value if name == "a" else int4(1) for name, _ in columns]
        assert gc.is_tracked(statement(columns=columns).decode(row_body(*values))) == is_tracked


def test_a_value_that_cannot_be_decoded_names_column_and_type_and_keeps_the_session():
    frontend = ready_frontend()
    answer = BOUND + data_row(int4(1), int4(1)) + data_row(int4(1), b"xx") + data_row(b"x", b"x") + complete("SELECT 3")
    op = fetch(frontend, Execute(statement(columns=[("a", INT4), ("b", INT4)]), (), Records()), answer)
    assert isinstance(op.error, DecodeError)
    name = op.error.type_name
    assert str(op.error) == f"column 'b' of type {name} cannot be read: 4 bytes were expected, 2 are left"
    assert (op.error.column, op.error.__cause__ is not None, op.take_rows(), op.tag) == ("b", True, [], "SELECT 3")
    assert (frontend.dead, frontend.transaction_status) == (None, "I")
    assert [tuple(r) for r in fetch(frontend, Execute(statement(), (), Records()), rows_answer(5)).take_rows()] == [
        (5,)
    ]


def test_a_value_out_of_pythons_range_is_out_of_range():
    far = struct.pack("!i", 2**31 - 2)
    op = fetch(
        ready_frontend(), Execute(statement(columns=[("d", DATE)]), (), Records()), BOUND + data_row(far) + complete()
    )
    assert isinstance(op.error, OutOfRange) and op.error.column == "d"
    with pytest.raises(OutOfRange, match="column 'd' of type date cannot be read"):
        statement(columns=[("d", DATE)]).decode(row_body(far))


def failing_json(kind):
    def decoder(text):
        raise kind("mine")

    registry = CodecRegistry()
    registry.set(JSON, json_codec(JSON, decoder=decoder))
    return statement(columns=[("a", INT4), ("j", JSON)], registry=registry)


@pytest.mark.parametrize("kind", [KeyError, ValueError, TypeError])
def test_an_exception_of_a_users_decoder_is_the_callers_with_a_note(kind):
    s = failing_json(kind)
    frontend = ready_frontend()
    op = fetch(frontend, Execute(s, (), Records()), BOUND + data_row(int4(1), b"{}") + complete())
    assert type(op.error) is kind and op.error.args == ("mine",)
    if sys.version_info >= (3, 11):
        assert op.error.__notes__ == ["while decoding column 'j' of type json"]
    assert frontend.dead is None
    with pytest.raises(kind) as caught:
        s.decode(row_body(int4(1), b"{}"))
    assert caught.value.args == ("mine",)


def test_an_exception_that_is_no_error_passes_through_and_keeps_what_was_settled():
    frontend = ready_frontend()
    first, op = Execute(statement(), (), Records()), Execute(failing_json(KeyboardInterrupt), (), Records())
    frontend.submit(first)
    frontend.submit(op)
    with pytest.raises(KeyboardInterrupt):
        frontend.receive(rows_answer(1) + ready() + BOUND + data_row(int4(1), b"{}") + complete() + ready())
    assert frontend.dead is None
    assert frontend.resume() == [first, op]
    assert isinstance(op.error, KeyboardInterrupt) and first.error is None


def test_a_decode_error_in_executemany_keeps_the_session():
    frontend = ready_frontend()
    op = fetch(
        frontend,
        ExecuteMany(statement(), [(), ()], Records()),
        rows_answer(1) + BOUND + data_row(b"x") + data_row(int4(2)) + complete(),
    )
    assert isinstance(op.error, DecodeError) and not hasattr(op.error, "batch_index")
    assert (op.take_rows(), op.n_done, frontend.dead) == ([], 2, None)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "a row of 0 bytes"),
        (b"\0", "a row of 1 bytes"),
        (b"\0\2\0\0\0\0\0\0\0\0", "a row of 2 columns has come, 1 were described"),
        (b"\0\0", "a row of 0 columns has come, 1 were described"),
        (b"\0\1\0\0\0", "a row ends inside the length of column 'a'"),
        (b"\0\1\0\0\0\5abcd", "column 'a' announces 5 bytes, 4 are left"),
        (b"\0\1\xff\xff\xff\xfe", "column 'a' announces -2 bytes"),
        (b"\0\1\0\0\0\4abcdx", "a row has 1 bytes left over"),
        (b"\0\1\xff\xff\xff\xffx", "a row has 1 bytes left over"),
    ],
)
def test_a_row_that_breaks_its_frame_ends_the_session(body, text):
    frontend = ready_frontend()
    frontend.submit(Execute(statement(), (), Records()))
    with pytest.raises(ProtocolError, match=text):
        frontend.receive(BOUND + message("D", body))
    assert frontend.dead is not None
    with pytest.raises(ProtocolError, match=text):
        statement().decode(body)


# Descriptions that come with an execution


def unnamed(columns=(("a", INT4),)):
    return statement(name="", columns=columns)


def described(s, answer):
    frontend = ready_frontend()
    op = fetch(frontend, Execute(s, (), Records(), with_parse=True), PARSED + BOUND + answer)
    return op


def test_a_description_that_means_the_same_keeps_the_statement():
    s = unnamed()
    rows = data_row(int4(1)) + complete()
    for _ in range(2):
        op = described(s, row_description(("a", INT4, 1)) + rows)
        assert op.statement is s and [tuple(r) for r in op.take_rows()] == [(1,)]
    other_table = message("T", struct.pack("!H", 1) + b"a\0" + struct.pack("!IhIhih", 5, 1, INT4, 4, 9, 1))
    assert described(s, other_table + rows).statement is s
    assert described(s, row_description(("a", INT4, 1)) + rows).statement is s


@pytest.mark.parametrize(
    ("columns", "body", "row"),
    [
        ((("b", INT4, 1),), row_body(int4(1)), {"b": 1}),
        ((("a", TEXT, 1),), row_body(b"x"), {"a": "x"}),
        ((("a", INT4, 1), ("b", INT4, 1)), row_body(int4(1), int4(2)), {"a": 1, "b": 2}),
        ((), row_body(), {}),
        ((("a", 999_999, 0),), row_body(b"x"), {"a": "x"}),
    ],
)
def test_a_description_that_differs_replaces_the_statement(columns, body, row):
    s = unnamed()
    op = described(s, row_description(*columns) + message("D", body) + complete())
    assert op.statement is not s
    assert (op.statement.sql, op.statement.name, op.statement.registry) == (s.sql, s.name, s.registry)
    op.read_kept()
    assert [dict(r) for r in op.take_rows()] == [row]
    again = described(op.statement, row_description(*columns) + message("D", body) + complete())
    assert again.statement is op.statement


def test_columns_that_come_in_another_format_are_read_in_it():
    registry = CodecRegistry()
    s = statement(name="", columns=[("a", TEXT)], registry=registry)
    op = described(s, row_description(("a", TEXT, 0)) + data_row(b"x") + complete())
    assert [dict(r) for r in op.take_rows()] == [{"a": "x"}]
    assert s.matches(op.statement.columns)
    assert not s.matches(()) and not s.matches(unnamed().columns)
    # Text was asked for when its type was another one; four digits are an int4 in binary too.
    op = described(unnamed([("a", 999_999)]), row_description(("a", INT4, 0)) + data_row(b"1234") + complete())
    assert [dict(r) for r in op.take_rows()] == [{"a": 1234}]


def test_many_elements_are_read_as_the_flight_describes_them_and_written_as_before():
    frontend = ready_frontend()
    op = ExecuteMany(unnamed(), iter([()] * 3), Records(), with_parse=True, chunk=1)
    frontend.submit(op)
    first = frontend.take_output()
    assert frontend.receive(PARSED + BOUND + row_description(("b", TEXT, 1)) + data_row(b"x") + complete()) == []
    while op.is_open:
        frontend.put_more(op)
    bind = first[first.index(b"B\0\0"):first.index(b"D\0\0\0\6P")]
    assert frontend.take_output().count(bind) == 2
    frontend.receive((BOUND + data_row(b"y") + complete()) * 2 + ready())
    assert [dict(r) for r in op.take_rows()] == [{"b": "x"}, {"b": "y"}, {"b": "y"}]
    assert op.statement.columns[0].name == "a" and op.reader.columns[0].name == "b"


def test_many_elements_can_be_had_again_until_one_is_bound():
    frontend = ready_frontend()
    op = ExecuteMany(statement(parameters=[INT4]), iter([(i,) for i in range(4)]), chunk=1)
    frontend.submit(op)
    frontend.put_more(op)
    assert [*op.elements_again()] == [(0,), (1,), (2,), (3,)]
    op = ExecuteMany(statement(parameters=[INT4]), [(0,), (1,)])
    frontend = ready_frontend()
    frontend.submit(op)
    assert [*op.elements_again()] == [(0,), (1,)]
    frontend.receive(BOUND)
    assert op.elements_again() is None


def test_a_statement_that_has_lost_its_rows_is_answered_without_them():
    op = described(unnamed(), NO_DATA + complete("INSERT 0 1"))
    assert (op.take_rows(), op.tag, op.error) == ([], "INSERT 0 1", None)


def test_a_server_error_says_nothing_of_columns():
    op = fetch(ready_frontend(), Execute(statement(), (), Records()), BOUND + data_row(int4(1)) + error("no"))
    assert (op.error.args, op.take_rows()) == (("no",), [])
    assert kinds(b"S\0\0\0\4") == "S"


# The base of all operations


def test_the_base_of_operations_puts_nothing_by_itself():
    frontend = ready_frontend()
    with pytest.raises(NotImplementedError, match="Operation"):
        frontend.submit(Operation())
    assert (frontend.take_output(), frontend.pending()) == (b"", [])


def test_a_bystander_keeps_the_error_it_has():
    op = Execute(statement())
    op.error = first = ValueError("first")
    op.abort_because(RuntimeError("second"))
    assert op.error is first


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**62])
def test_the_length_of_arguments_is_counted_and_not_believed(length):
    class Lying:
        def __init__(self, items):
            self.items = items

        def __len__(self):
            return length

        def __iter__(self):
            return iter(self.items)

    made = statement(parameters=(INT4,))
    assert made.encode_bind(Lying([1])) == made.encode_bind((1,))
    with pytest.raises(InterfaceError, match="expects 1 argument for this query, 65536 were passed"):
        made.encode_bind(Lying(itertools.count()))


@pytest.mark.parametrize("with_rows", [True, False])
def test_rows_of_a_type_that_nobody_knows_wait_until_it_is_known(with_rows):
    """A column was added while the text was remembered; its type is known after the rows have come."""
    known = statement(columns=[("a", INT4)])
    op = Execute(known, (), Records() if with_rows else RowSink(), with_parse=True)
    described = row_description(("a", INT4, 1), ("role", 99999, 1))
    fetch(ready_frontend(), op, PARSED + BOUND + described + data_row(int4(1), b"admin") + data_row(int4(2), None)
          + complete("SELECT 2"))
    assert op.error is None and op.kept is not None
    known.registry.set(99999, enum_codec(99999, "role"))
    op.read_kept()
    assert op.kept is None
    assert [tuple(row) for row in op.take_rows()] == ([(1, "admin"), (2, None)] if with_rows else [])
    assert op.statement.column_codecs[1].name == "role"


@pytest.mark.parametrize("sink", [Records, RawRows])
@pytest.mark.parametrize("kind", ["portal", "many"])
def test_rows_of_cursors_and_of_many_elements_wait_too(kind, sink):
    known = statement(columns=[("a", INT4)])
    if kind == "portal":
        op = FetchPortal(known, "p", sink(), arguments=(), with_parse=True, row_limit=10)
    else:
        op = ExecuteMany(known, [()], sink(), with_parse=True)
    described = row_description(("a", INT4, 1), ("role", 99999, 1))
    fetch(ready_frontend(), op, PARSED + BOUND + described + data_row(int4(1), b"admin") + complete("SELECT 1"))
    assert op.error is None and type(op.kept.sink) is sink and op.kept.type_oids() == [INT4, 99999]
    known.registry.set(99999, enum_codec(99999, "role"))
    op.read_kept()
    assert op.kept is None and type(op.sink) is sink
    reader = op.statement if kind == "portal" else op.reader
    assert reader.column_codecs[1].name == "role"
    rows = op.take_rows()
    assert [tuple(row) for row in rows if sink is Records] == ([(1, "admin")] if sink is Records else [])
    assert len(rows) == 1


def test_kept_rows_that_cannot_be_read_name_their_column():
    op = Execute(statement(columns=[("a", INT4)]), (), Records(), with_parse=True)
    fetch(ready_frontend(), op, PARSED + BOUND + row_description(("role", 99999, 1)) + data_row(b"admin") + complete())
    with pytest.raises(DecodeError, match="column 'role'"):
        op.read_kept()
