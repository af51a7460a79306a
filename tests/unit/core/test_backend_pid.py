"""The question which process of the server answers, on bytes alone."""
import struct

import pytest

from pgproto.errors import ProtocolError
from pgproto.operations.backend_pid import AskBackendPid
from pgproto.operations.extended import Execute
from tests.support.backend_bytes import (
    BOUND,
    PARSED,
    complete,
    data_row,
    error,
    message,
    ready,
    ready_frontend,
    rows_answer,
    split_messages,
    statement,
)

ANSWER = PARSED + BOUND + data_row(b"4711") + complete() + ready()


def asked():
    frontend = ready_frontend()
    op = AskBackendPid()
    frontend.submit(op)
    return frontend, op


def test_it_is_one_statement_with_a_sync_of_its_own_and_nothing_in_it_can_be_overridden():
    frontend, _ = asked()
    sent = split_messages(frontend.take_output())
    assert "".join(kind for kind, _ in sent) == "PBES"
    assert sent[0][1] == b"\0SELECT pg_catalog.pg_backend_pid()\0\0\0"


@pytest.mark.parametrize("cut", range(len(ANSWER) + 1))
def test_the_answer_is_the_same_wherever_it_is_cut(cut):
    frontend, op = asked()
    events = frontend.receive(ANSWER[:cut]) + frontend.receive(ANSWER[cut:])
    assert (events, op.pid, op.error, frontend.n_pending) == ([op], 4711, None, 0)


def test_what_follows_it_is_not_touched_by_its_failure():
    frontend, op = asked()
    query = Execute(statement(), ())
    frontend.submit(query)
    events = frontend.receive(error("no", "42501") + ready() + rows_answer(1) + ready())
    assert events == [op, query]
    assert (op.error.sqlstate, op.pid, query.error) == ("42501", None, None)


@pytest.mark.parametrize("value", [None, b"", b"x", b"1.5", b"-", b"1" * 12, b"\xff\xff\xff\xff", b"\0\0\0\1"])
def test_what_is_no_number_is_no_process(value):
    frontend, op = asked()
    frontend.receive(PARSED + BOUND + data_row(value) + complete() + ready())
    assert (op.pid, op.error) == (None, None)


def test_a_number_may_have_eleven_characters():
    frontend, op = asked()
    frontend.receive(PARSED + BOUND + data_row(b"-2147483647") + complete() + ready())
    assert (op.pid, op.error) == (-2147483647, None)


def test_a_negative_number_is_one():
    frontend, op = asked()
    frontend.receive(PARSED + BOUND + data_row(b"-1") + complete() + ready())
    assert op.pid == -1


@pytest.mark.parametrize("body", [
    b"", b"\0", struct.pack("!H", 0), struct.pack("!Hi", 1, 1), struct.pack("!Hi", 1, -2), struct.pack("!H", 1),
    struct.pack("!Hi", 1, -1) + b"x", struct.pack("!Hi", 1, 1) + b"77", struct.pack("!Hii", 2, -1, -1)])
def test_a_row_that_is_not_of_one_column_ends_the_session(body):
    frontend, _ = asked()
    with pytest.raises(ProtocolError):
        frontend.receive(PARSED + BOUND + message("D", body))


def test_an_answer_without_a_row_is_none():
    frontend, op = asked()
    frontend.receive(PARSED + BOUND + complete("SELECT 0") + ready())
    assert (op.pid, op.error) == (None, None)
