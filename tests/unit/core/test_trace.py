"""The listing of a session's messages."""

import io
import struct

import pytest

from pgproto.errors import ProtocolError
from pgproto.frontend import Frontend
from pgproto.messages.frontend import cancel_request, ssl_request
from pgproto.operations.copy import CopyIn
from pgproto.operations.extended import Close, Execute, ExecuteMany, Prepare
from pgproto.operations.operation import Group
from pgproto.operations.simple import SimpleQuery
from pgproto.trace import RECEIVED, Tracer
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    COPY_DONE,
    EMPTY,
    INT4,
    NO_DATA,
    PARSED,
    SUSPENDED,
    authentication,
    backend_key_data,
    complete,
    copy_response,
    data_row,
    error,
    int4,
    message,
    negotiate,
    new_startup,
    notification,
    parameter_description,
    parameter_status,
    ready,
    ready_frontend,
    row_description,
    rows_answer,
    statement,
)


def traced(frontend=None):
    frontend = frontend or ready_frontend()
    stream = io.StringIO()
    frontend.tracer = Tracer(stream)

    def lines():
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text.replace("\t", " ").splitlines()

    return frontend, lines


def test_a_session_is_listed_in_both_directions():
    frontend, lines = traced(Frontend())
    frontend.submit(new_startup())
    frontend.receive(authentication() + parameter_status("TimeZone", "UTC") + backend_key_data() + ready())
    assert lines() == [
        "F 16 StartupMessage 3.0 'user'='u'",
        "B 8 Authentication 0",
        "B 17 ParameterStatus 'TimeZone' 'UTC'",
        "B 12 BackendKeyData 77 <not shown>",
        "B 5 ReadyForQuery I",
    ]
    frontend.submit(Prepare("select $1", "x", types=(INT4,)))
    frontend.receive(PARSED + parameter_description(INT4) + row_description(("a", INT4)) + ready())
    assert lines() == [
        "F 22 Parse 'x' 'select $1' 1 [23]",
        "F 7 Describe S 'x'",
        "F 4 Sync",
        "B 4 ParseComplete",
        "B 10 ParameterDescription 1 [23]",
        "B 26 RowDescription 1 ['a':0:0:23:4:-1:0]",
        "B 5 ReadyForQuery I",
    ]
    frontend.submit(Execute(statement(parameters=[INT4, INT4]), (7, None)))
    frontend.receive(BOUND + data_row(int4(1), None, b"x" * 50) + error("no", P="3") + ready("E"))
    assert lines() == [
        "F 31 Bind '' 's' 2 [1 1] 2 [b'\\x00\\x00\\x00\\x07' NULL] 1 [1]",
        "F 9 Execute '' 0",
        "F 4 Sync",
        "B 4 BindComplete",
        f"B {4 + 2 + 8 + 4 + 54} DataRow 3 [b'\\x00\\x00\\x00\\x01' NULL {b'x' * 40!r}.. (50 bytes)]",
        "B 33 ErrorResponse S='ERROR' V='ERROR' C='23505' M='no' P='3'",
        "B 5 ReadyForQuery E",
    ]
    frontend.put_terminate()
    assert lines() == ["F 4 Terminate"]


def test_what_the_frontend_adds_by_itself_is_listed():
    frontend, lines = traced()
    frontend.submit(Execute(statement("copy t from stdin")))
    frontend.receive(BOUND + copy_response("G", 0, 1) + error("no") + ready())
    assert [line for line in lines() if line[0] == "F"][2:] == [
        "F 4 Flush",
        "F 50 CopyFail 'COPY is not possible through fetch or execute'",
        "F 4 Sync",
    ]
    many = ExecuteMany(statement(), iter([()] * 2), chunk=1)
    frontend.submit(many)
    assert [line.split()[2] for line in lines()] == ["Bind", "Execute"]
    frontend.put_more(many)
    assert [line.split()[2] for line in lines()] == ["Bind", "Execute"]
    frontend.end_early(many, ValueError("no"))
    assert [line.split()[2] for line in lines()] == ["Parse", "Bind", "Execute", "Sync"]


def test_what_was_refused_is_not_listed():
    frontend, lines = traced()
    with pytest.raises(Exception, match="zero byte"):
        frontend.submit(SimpleQuery("a\0"))
    assert lines() == []


def test_passwords_and_keys_are_never_shown():
    stream = io.StringIO()
    tracer = Tracer(stream)
    tracer.sent(message("p", b"secret\0") + cancel_request(1, b"secret") + ssl_request())
    tracer.received(ord("R"), struct.pack("!i", 10) + b"secret")
    tracer.received(ord("K"), struct.pack("!i", 10) + b"secret")
    text = stream.getvalue()
    assert "secret" not in text
    assert text.replace("\t", " ").splitlines() == [
        "F 11 PasswordMessage <not shown>",
        "F 18 CancelRequest <not shown>",
        "F 8 SSLRequest",
        "B 14 Authentication 10 <not shown>",
        "B 14 BackendKeyData 10 <not shown>",
    ]


def test_every_other_message_is_listed_by_its_name():
    stream = io.StringIO()
    tracer = Tracer(stream)
    for whole in (
        CLOSED,
        complete("SELECT 1"),
        copy_response("H", 1, overall=1),
        copy_response("W"),
        EMPTY,
        NO_DATA,
        SUSPENDED,
        COPY_DONE,
        message("d", b"data"),
        notification(5, "c", "p"),
        negotiate(3, "_pq_.x"),
        message("N", b"Ma\0\0"),
        message("q", b"xyz"),
    ):
        tracer.received(whole[0], whole[5:])
    tracer.sent(message("Q", b"select\0") + message("d", b"x") + message("c") + message("C", b"Pp\0"))
    assert stream.getvalue().replace("\t", " ").splitlines() == [
        "B 4 CloseComplete",
        "B 13 CommandComplete 'SELECT 1'",
        "B 9 CopyOutResponse 1 1 [1]",
        "B 7 CopyBothResponse 0 0 []",
        "B 4 EmptyQueryResponse",
        "B 4 NoData",
        "B 4 PortalSuspended",
        "B 4 CopyDone",
        "B 8 CopyData b'data'",
        "B 12 NotificationResponse 5 'c' 'p'",
        "B 19 NegotiateProtocolVersion 3 1 '_pq_.x'",
        "B 8 NoticeResponse M='a'",
        "B 7 'q' b'xyz'",
        "F 11 Query 'select'",
        "F 5 CopyData b'x'",
        "F 4 CopyDone",
        "F 7 Close P 'p'",
    ]


def test_a_malformed_body_is_shown_and_left_to_the_frontend():
    frontend, lines = traced()
    frontend.submit(Close("x"))
    lines()
    with pytest.raises(ProtocolError):
        frontend.receive(message("C", b"no end"))
    assert lines() == ["B 10 CommandComplete malformed b'no end'"]
    for code in RECEIVED:
        for body in (b"", b"\xff", b"\xff" * 3, b"\xff" * 40, b"\0" * 40, b"\x7f" * 8 + b"\0"):
            Tracer(io.StringIO()).received(ord(code), body)
    stream = io.StringIO()
    Tracer(stream).received(ord("C"), b"SELECT\0xy")
    assert stream.getvalue() == "B\t13\tCommandComplete 'SELECT' and 2 bytes more\n"


def test_a_copy_that_the_caller_feeds_is_listed_as_far_as_the_frontend_puts_it():
    frontend, lines = traced()
    op = CopyIn("copy t")
    frontend.submit(op)
    frontend.receive(copy_response("G"))
    assert lines() == ["F 11 Query 'copy t'", "B 7 CopyInResponse 0 0 []"]
    assert rows_answer(1)


def test_what_puts_nothing_is_not_traced():
    class Listed:
        def __init__(self):
            self.calls = []

        def sent(self, messages):
            self.calls.append(bytes(messages))

        def received(self, kind, body):
            pass

    frontend = ready_frontend()
    frontend.tracer = tracer = Listed()
    group = Group()
    many = ExecuteMany(statement("insert", columns=None), [()])
    many.group, many.ends_group = group, False
    frontend.submit(many)
    frontend.put_more(many)
    assert b"".join(tracer.calls) == frontend.take_output() and b"" not in tracer.calls
