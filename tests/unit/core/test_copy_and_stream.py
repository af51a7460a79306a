"""COPY in both directions, COPY where it is not wanted, streams and portals."""

import gc
import io
import struct
import sys
import tracemalloc

import pytest

from pgproto.errors import InterfaceError, PostgresError, ProtocolError
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Execute, FetchPortal, Stream
from pgproto.operations.simple import SimpleQuery
from pgproto.row_sinks import RawRows, Records
from pgproto.trace import Tracer
from tests.support.backend_bytes import (
    BOUND,
    COPY_DONE,
    EMPTY,
    INT4,
    PARSED,
    SUSPENDED,
    SYNC,
    complete,
    copy_response,
    data_row,
    drive,
    error,
    int4,
    kinds,
    message,
    pieces,
    ready,
    ready_frontend,
    row_description,
    rows_answer,
    split_messages,
    statement,
)

BEGUN = PARSED + BOUND + complete("BEGIN")


def started(op):
    frontend = ready_frontend()
    frontend.submit(op)
    return frontend, frontend.take_output()


def is_idle(frontend):
    return (frontend.pending(), frontend.n_pending, frontend.is_gated, frontend.take_output()) == ([], 0, False, b"")


def data(part):
    return message("d", part)


# CopyIn


def test_copy_in_sends_data_and_its_end():
    op = CopyIn("copy t from stdin")
    frontend, _ = started(op)
    with pytest.raises(InterfaceError, match="does not want data"):
        op.put_data(frontend.out, b"early")
    op.put_done(frontend.out)
    op.put_fail(frontend.out, ValueError("early"))
    assert (frontend.take_output(), op.error) == (b"", None)
    assert frontend.receive(copy_response("G", 0, 1)) == [op]
    assert (op.wants_data, op.is_full, op.formats, op.is_settled) == (True, True, (0, 1), False)
    op.start()
    assert not op.is_full
    op.put_data(frontend.out, b"ab")
    op.put_data(frontend.out, b"")
    op.put_data(frontend.out, memoryview(bytearray(b"cd")))
    op.put_done(frontend.out)
    assert split_messages(frontend.take_output()) == [("d", b"ab"), ("d", b"cd"), ("c", b"")]
    with pytest.raises(InterfaceError, match="does not want data"):
        op.put_data(frontend.out, b"late")
    op.put_done(frontend.out)
    assert frontend.take_output() == b""
    assert drive(frontend, [complete("COPY 2") + ready()]) == [op]
    assert (op.tag, op.error, op.sql) == ("COPY 2", None, "copy t from stdin")
    assert is_idle(frontend)


def test_copy_in_cuts_data_into_messages_of_half_a_megabyte():
    op = CopyIn("copy t from stdin")
    frontend, _ = started(op)
    frontend.receive(copy_response("G"))
    whole = bytes(range(256)) * 4097
    op.put_data(frontend.out, whole)
    parts = [body for _, body in split_messages(frontend.take_output())]
    assert [len(part) for part in parts] == [524_288, 524_288, 256]
    assert b"".join(parts) == whole


def test_a_source_that_fails_ends_copy_in_with_its_own_error():
    op = CopyIn("copy t from stdin")
    frontend, _ = started(op)
    frontend.receive(copy_response("G"))
    op.start()
    op.put_data(frontend.out, b"x")
    failure = OSError("disk")
    op.put_fail(frontend.out, failure)
    assert split_messages(frontend.take_output()) == [("d", b"x"), ("f", b"the source of the data failed\0")]
    op.put_fail(frontend.out, failure)
    assert frontend.take_output() == b""
    assert drive(frontend, [error("COPY from stdin failed") + ready()]) == [op]
    assert op.error is failure
    assert is_idle(frontend)


def test_an_error_of_the_server_in_the_middle_of_copy_in_settles_it():
    op = CopyIn("copy t from stdin")
    frontend, _ = started(op)
    frontend.receive(copy_response("G"))
    op.put_data(frontend.out, b"x")
    frontend.take_output()
    assert frontend.receive(error("bad line") + ready()) == []
    op.start()
    assert frontend.resume() == [op]
    assert (op.error.args, op.wants_data) == (("bad line",), False)
    with pytest.raises(InterfaceError, match="does not want data"):
        op.put_data(frontend.out, b"more")
    op.put_done(frontend.out)
    assert is_idle(frontend)


def test_a_copy_in_that_nobody_waits_for_is_failed_at_once():
    op = CopyIn("copy t from stdin")
    op.is_abandoned = True
    frontend, _ = started(op)
    assert frontend.receive(copy_response("G")) == []
    assert split_messages(frontend.take_output()) == [("f", b"nobody waits for this COPY any more\0")]
    assert drive(frontend, [error("failed") + ready()]) == [op]
    assert is_idle(frontend)


def test_a_copy_in_that_is_given_up_in_the_middle_is_failed_once():
    op = CopyIn("copy t from stdin")
    frontend, _ = started(op)
    frontend.receive(copy_response("G"))
    op.give_up(frontend.out)
    op.give_up(frontend.out)
    assert not op.is_full
    assert split_messages(frontend.take_output()) == [("f", b"nobody waits for this COPY any more\0")]
    assert drive(frontend, [error("failed") + ready()]) == [op]
    assert is_idle(frontend)


def test_a_copy_out_that_is_given_up_throws_the_rest_away():
    op = CopyOut("copy t to stdout", high_water=1)
    frontend, _ = started(op)
    assert frontend.receive(copy_response("H") + data(b"x") + data(b"y")) == [op]
    op.give_up(frontend.out)
    assert frontend.resume() == []
    assert drive(frontend, [data(b"z") + COPY_DONE + complete("COPY 3") + ready()]) == [op]
    assert (op.take(), op.tag) == (b"", "COPY 3")
    assert is_idle(frontend)


@pytest.mark.parametrize(
    ("operation", "answer", "sent", "text"),
    [
        (CopyIn, copy_response("H") + data(b"x") + COPY_DONE + complete("COPY 1"), "", "not a COPY .. FROM STDIN"),
        (CopyIn, copy_response("W") + COPY_DONE + complete("COPY 1"), "c", "not a COPY .. FROM STDIN"),
        (CopyOut, copy_response("G") + error("failed"), "f", "not a COPY .. TO STDOUT"),
        (CopyOut, copy_response("W") + data(b"x") + COPY_DONE + complete("COPY 1"), "c", "not a COPY .. TO STDOUT"),
        (SimpleQuery, copy_response("G") + error("failed"), "f", "COPY FROM STDIN has no data source here"),
        (
            SimpleQuery,
            copy_response("H") + data(b"x") + COPY_DONE + complete("COPY 1"),
            "",
            "COPY TO STDOUT has nowhere to go",
        ),
        (SimpleQuery, copy_response("W") + data(b"x") + COPY_DONE + complete("x"), "c", "replication is not possible"),
    ],
)
def test_a_copy_in_the_wrong_direction_is_ended_and_the_session_goes_on(operation, answer, sent, text):
    for cut in range(len(answer) + 1):
        op = operation("copy t ..")
        frontend, _ = started(op)
        assert drive(frontend, [*pieces(answer, cut), ready()], lambda op: None) == [op]
        assert isinstance(op.error, InterfaceError) and text in str(op.error)
        assert kinds(frontend.take_output()) == sent
        assert is_idle(frontend)


@pytest.mark.parametrize("operation", [CopyIn, CopyOut])
def test_a_copy_with_a_prelude_gets_its_sync_when_it_is_over(operation):
    op = operation("copy t ..")
    op.prelude = ("BEGIN",)
    frontend, _ = started(op)
    frontend.receive(BEGUN + copy_response("G" if operation is CopyIn else "H"))
    assert op.tag is None
    if operation is CopyIn:
        op.start()
        op.put_done(frontend.out)
    else:
        frontend.receive(COPY_DONE)
    assert kinds(frontend.take_output()) == ("c" if operation is CopyIn else "")
    assert drive(frontend, [complete("COPY 0") + ready("T")]) == []
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready("T")]) == [op]
    assert (op.tag, op.error) == ("COPY 0", None)
    assert is_idle(frontend)


@pytest.mark.parametrize("operation", [CopyIn, CopyOut])
@pytest.mark.parametrize(("answer", "in_prelude", "syncs_first"), [
    (error("no"), True, True), (BEGUN + error("no"), False, False), (BEGUN + b"response" + error("no"), False, False)])
def test_a_copy_with_a_prelude_that_fails_leaves_nothing_behind(operation, answer, in_prelude, syncs_first):
    op = operation("copy t ..")
    op.prelude = ("BEGIN",)
    frontend, _ = started(op)
    answer = answer.replace(b"response", copy_response("G" if operation is CopyIn else "H"))
    assert drive(frontend, [answer], lambda op: op.start() if operation is CopyIn else op.take()) == []
    if not syncs_first:
        assert frontend.take_output() == b""
        drive(frontend, [ready("E")])
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready("E")]) == [op]
    assert (op.error.args, op.failed_in_prelude) == (("no",), in_prelude)
    assert is_idle(frontend)


@pytest.mark.parametrize("operation", [CopyIn, CopyOut])
def test_a_copy_both_behind_a_prelude_that_fails_gets_its_sync_when_it_is_over(operation):
    op = operation("copy t ..")
    op.prelude = ("BEGIN",)
    frontend, _ = started(op)
    assert frontend.receive(BEGUN + copy_response("W") + error("no")) == []
    assert kinds(frontend.take_output()) == "c"
    assert drive(frontend, [ready("E")]) == []
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready("E")]) == [op]
    assert isinstance(op.error, InterfaceError)
    assert is_idle(frontend)


# CopyOut


def test_copy_out_hands_over_its_data_for_every_split():
    answer = (
        copy_response("H", 0) + data(b"one") + data(b"") + data(b"three") + COPY_DONE + complete("COPY 3") + ready()
    )
    for cut in range(len(answer) + 1):
        op = CopyOut("copy t to stdout")
        frontend, _ = started(op)
        assert drive(frontend, pieces(answer, cut)) == [op]
        assert (op.n_bytes, op.take(), op.tag, op.formats, op.error) == (8, b"onethree", "COPY 3", (0,), None)
        assert (op.n_bytes, op.take()) == (0, b"")
        assert is_idle(frontend)


def test_copy_out_stops_reading_while_a_full_buffer_is_not_taken():
    op = CopyOut("copy t to stdout", high_water=4)
    frontend, _ = started(op)
    assert frontend.receive(copy_response("H") + data(b"abc") + data(b"d") + data(b"efgh") + data(b"i")) == [op]
    assert (op.is_full, op.n_bytes, op.is_settled) == (True, 4, False)
    waiting = len(frontend.input)
    assert waiting == 9 + 6
    assert frontend.receive(COPY_DONE + complete("COPY 4") + ready()) == []
    assert frontend.resume() == []
    assert op.take() == b"abcd"
    assert frontend.resume() == [op]
    assert (op.is_full, op.take()) == (True, b"efgh")
    assert frontend.resume() == [op]
    assert (op.is_settled, op.take(), op.tag) == (True, b"i", "COPY 4")
    assert is_idle(frontend)


def test_copy_out_waits_for_half_a_megabyte_unless_told_otherwise():
    op = CopyOut("copy t to stdout")
    frontend, _ = started(op)
    assert frontend.receive(copy_response("H") + data(bytes(524_287))) == []
    assert frontend.receive(data(b"x")) == [op]


def test_rows_of_a_copy_out_lie_behind_each_other_in_what_is_taken():
    op = CopyOut("copy t to stdout", high_water=100_000)
    frontend, _ = started(op)
    frontend.receive(copy_response("H"))
    rows = [b"%d\n" % n for n in range(10_000)]
    answer = b"".join(map(data, rows))
    for _ in range(2):
        gc.collect()
        before = sys.getallocatedblocks()
        frontend.receive(answer)
        assert sys.getallocatedblocks() - before < 100      # not one for each row
        assert op.n_bytes == sum(map(len, rows))
        taken = op.take()
        assert (taken, hash(taken), op.n_bytes) == (b"".join(rows), hash(b"".join(rows)), 0)
    frontend.receive(data(b"last"))
    assert op.take() == b"last" and frontend.receive(data(bytes(300_000))) == [op]
    # A long message is no reason to expect another one.
    tracemalloc.start()
    try:
        op.take()
        frontend.resume()
        frontend.receive(data(b"x"))
        assert tracemalloc.get_traced_memory()[0] < 250_000
    finally:
        tracemalloc.stop()
    del op, frontend        # with a byte that nobody took


def test_a_traced_copy_out_lists_every_row():
    for n_traced, is_traced in ((3, True), (0, False)):
        op, stream = CopyOut("copy t to stdout"), io.StringIO()
        frontend, _ = started(op)
        frontend.tracer = Tracer(stream) if is_traced else None
        frontend.receive(copy_response("H") + data(b"a") + data(b"b") + data(b"c"))
        assert (stream.getvalue().count("CopyData"), op.take()) == (n_traced, b"abc")


def test_data_that_come_for_a_prelude_are_not_kept():
    op = CopyOut("copy t to stdout")
    op.prelude = ("BEGIN",)
    frontend, _ = started(op)
    frontend.receive(PARSED + BOUND + copy_response("H") + data(b"x") * 3 + COPY_DONE + complete("BEGIN"))
    assert (op.n_bytes, op.take()) == (0, b"")
    frontend.receive(copy_response("H") + data(b"y") * 3)
    assert op.take() == b"yyy"


def test_a_row_that_reads_like_a_command_tag_is_none():
    op = CopyOut("copy t to stdout")
    frontend, _ = started(op)
    frontend.receive(copy_response("H") + data(b"DISCARD ALL") + data(b"DEALLOCATE ALL") + COPY_DONE)
    drive(frontend, [complete("COPY 2") + ready()])
    assert (frontend.n_deallocations, frontend.n_deallocations_of_all, op.tag) == (0, 0, "COPY 2")


def test_a_row_of_a_copy_out_that_is_too_long_ends_the_session():
    op = CopyOut("copy t to stdout")
    frontend, _ = started(op)
    with pytest.raises(ProtocolError):
        frontend.receive(copy_response("H") + data(b"x") + b"d" + struct.pack("!I", 0x7FFFFFFF))
    assert isinstance(frontend.dead, ProtocolError)


def test_copy_out_without_a_sink_throws_the_rest_away():
    op = CopyOut("copy t to stdout", high_water=2)
    frontend, _ = started(op)
    assert frontend.receive(copy_response("H") + data(b"abc") + data(b"def")) == [op]
    op.discard()
    assert (op.is_full, op.n_bytes) == (False, 0)
    assert frontend.resume() == []
    assert drive(frontend, [data(b"more") * 9 + COPY_DONE + complete("COPY 9") + ready()]) == [op]
    assert (op.take(), op.n_bytes, op.tag, op.error) == (b"", 0, "COPY 9", None)


def test_an_error_in_the_middle_of_copy_out_is_its_outcome():
    op = CopyOut("copy t to stdout")
    frontend, _ = started(op)
    assert drive(frontend, [copy_response("H") + data(b"abc") + error("no") + ready()]) == [op]
    assert (op.error.args, op.tag, op.sql) == (("no",), None, "copy t to stdout")
    assert is_idle(frontend)


# COPY through fetch and execute


@pytest.mark.parametrize("answer_to_fail", [error("COPY from stdin failed"), error("trigger")])
def test_copy_from_stdin_through_execute_is_failed_and_gets_its_sync_once(answer_to_fail):
    answer = BOUND + copy_response("G")
    for cut in range(len(answer) + 1):
        op = Execute(statement("copy t from stdin", columns=None))
        frontend, sent = started(op)
        assert kinds(sent) == "BEH"
        assert drive(frontend, pieces(answer, cut)) == []
        assert split_messages(frontend.take_output()) == [("f", b"COPY is not possible through fetch or execute\0")]
        assert drive(frontend, [answer_to_fail]) == []
        assert frontend.take_output() == SYNC
        assert drive(frontend, [ready()]) == [op]
        assert isinstance(op.error, InterfaceError) and str(op.error).startswith(
            "COPY FROM STDIN has no data source here"
        )
        assert is_idle(frontend)


def test_copy_from_stdin_that_a_trigger_let_end_gets_its_sync_once():
    op = Execute(statement("copy t from stdin", columns=None))
    frontend, _ = started(op)
    drive(frontend, [BOUND + copy_response("G") + complete("COPY 0")])
    assert kinds(frontend.take_output()) == "fS"
    assert drive(frontend, [ready()]) == [op]
    assert isinstance(op.error, InterfaceError)


def test_copy_to_stdout_through_execute_is_read_to_its_end():
    op = Execute(statement("copy t to stdout", columns=None))
    frontend, _ = started(op)
    drive(frontend, [BOUND + copy_response("H") + data(b"x") * 3 + COPY_DONE])
    assert frontend.take_output() == b""
    drive(frontend, [complete("COPY 3")])
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready()]) == [op]
    assert isinstance(op.error, InterfaceError) and str(op.error).startswith("COPY TO STDOUT has nowhere to go here")
    assert is_idle(frontend)


def test_an_operation_that_mentions_copy_and_fails_gets_its_sync_once():
    for answer in (error("no"), BOUND + error("no"), BOUND + data_row(int4(1)) + error("no")):
        op = Execute(statement("select copy"), (), Records())
        frontend, _ = started(op)
        assert drive(frontend, [answer]) == []
        assert frontend.take_output() == SYNC
        assert drive(frontend, [ready()]) == [op]
        assert (op.error.args, op.take_rows()) == (("no",), [])
        assert is_idle(frontend)


@pytest.mark.parametrize("last", [SUSPENDED, EMPTY])
def test_an_operation_that_mentions_copy_gets_its_sync_however_it_ends(last):
    op = Execute(statement("select copy"), (), Records(), row_limit=1)
    frontend, _ = started(op)
    drive(frontend, [BOUND + data_row(int4(1)) + last])
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready()]) == [op]
    assert (op.is_suspended, op.tag) == (last is SUSPENDED, None)


# Simple queries


def test_a_simple_query_ends_with_the_tag_of_its_last_command():
    answer = (
        row_description(("a", INT4)) + data_row(b"1") + complete("SELECT 1") + EMPTY + complete("INSERT 0 1") + ready()
    )
    for cut in range(len(answer) + 1):
        op = SimpleQuery("select 1; ; insert")
        frontend, _ = started(op)
        assert drive(frontend, pieces(answer, cut)) == [op]
        assert (op.tag, op.error, op.was_bound) == ("INSERT 0 1", None, True)


def test_an_empty_simple_query_has_an_empty_tag():
    op = SimpleQuery(";")
    frontend, _ = started(op)
    assert op.tag is None
    assert drive(frontend, [EMPTY + ready()]) == [op]
    assert (op.tag, op.was_bound, op.sql) == ("", False, ";")


def test_a_simple_query_keeps_its_tag_before_an_empty_statement():
    op = SimpleQuery("x; ;")
    frontend, _ = started(op)
    assert drive(frontend, [complete("X") + EMPTY + ready()]) == [op]
    assert op.tag == "X"


def test_an_error_in_a_simple_query_stays_its_own():
    ops = [SimpleQuery("a"), SimpleQuery("b")]
    frontend, _ = started(ops[0])
    frontend.submit(ops[1])
    assert drive(frontend, [complete("A") + error("no") + ready() + complete("B") + ready()]) == ops
    assert (ops[0].error.args, ops[1].error, ops[1].tag) == (("no",), None, "B")


# Streams


def stream(**options):
    options.setdefault("batch", 2)
    return Stream(statement(**({"name": ""} if options.get("with_parse") else {})), (), Records(), **options)


def test_a_stream_comes_in_batches_and_ends_with_one_sync():
    op = stream()
    frontend, sent = started(op)
    assert kinds(sent) == "BEH"
    batches = []
    rows = data_row(int4(1)) + data_row(int4(2))
    assert frontend.receive(BOUND + rows + SUSPENDED) == [op]
    for last in (rows + SUSPENDED, data_row(int4(3)) + complete("SELECT 5")):
        assert op.is_full and not op.is_settled
        batches.append([tuple(row) for row in op.take_rows()])
        op.go_on(frontend.out)
        op.go_on(frontend.out)
        assert split_messages(frontend.take_output()) == [("E", b"\0\0\0\0\2"), ("H", b"")]
        frontend.receive(last)
    assert frontend.take_output() == SYNC
    assert frontend.is_gated
    assert frontend.receive(ready()) == [op]
    batches.append([tuple(row) for row in op.take_rows()])
    assert batches == [[(1,), (2,)], [(1,), (2,)], [(3,)]]
    assert (op.error, op.batch, op.was_bound) == (None, 2, True)
    assert is_idle(frontend)


def test_a_stream_is_the_same_for_every_split():
    answer = (
        BOUND + data_row(int4(1)) + data_row(int4(2)) + SUSPENDED + data_row(int4(3)) + complete("SELECT 3") + ready()
    )
    for cut in range(len(answer) + 1):
        op = stream()
        frontend, _ = started(op)
        taken = []

        def take(op, frontend=frontend, taken=taken):
            taken.append([tuple(row) for row in op.take_rows()])
            op.go_on(frontend.out)

        assert drive(frontend, pieces(answer, cut), take) == [op]
        assert (taken, [tuple(row) for row in op.take_rows()]) == ([[(1,), (2,)]], [(3,)])
        assert kinds(frontend.take_output()) == "EHS"


def test_a_stream_that_is_finished_between_batches_sends_its_sync_at_once():
    op = stream()
    frontend, _ = started(op)
    assert frontend.receive(BOUND + data_row(int4(1)) * 2 + SUSPENDED) == [op]
    op.finish(frontend.out)
    op.finish(frontend.out)
    assert frontend.take_output() == SYNC
    op.go_on(frontend.out)
    assert frontend.take_output() == b""
    assert drive(frontend, [ready()]) == [op]
    assert (op.error, op.take_rows()) == (None, [])
    assert is_idle(frontend)


@pytest.mark.parametrize("last", [SUSPENDED, complete("SELECT 1"), EMPTY])
def test_a_stream_that_is_finished_inside_a_batch_sends_its_sync_behind_it(last):
    op = stream()
    frontend, _ = started(op)
    assert frontend.receive(BOUND + data_row(int4(1))) == []
    op.finish(frontend.out)
    assert frontend.take_output() == b""
    assert frontend.receive(data_row(int4(2)) + last) == []
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready()]) == [op]
    assert op.take_rows() == []
    assert is_idle(frontend)


@pytest.mark.parametrize("before", [b"", BOUND, BOUND + data_row(int4(1))])
def test_an_error_in_a_stream_is_its_outcome(before):
    op = stream()
    frontend, _ = started(op)
    assert frontend.receive(before + error("no")) == []
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready()]) == [op]
    assert op.error.args == ("no",)
    assert len(op.take_rows()) == before.count(b"D")
    assert is_idle(frontend)


def test_a_value_that_a_stream_cannot_decode_fails_it_and_keeps_the_session():
    op = stream()
    frontend, _ = started(op)
    assert frontend.receive(BOUND + data_row(b"xx") + data_row(int4(1)) + SUSPENDED) == []
    assert frontend.take_output() == SYNC
    assert drive(frontend, [ready()]) == [op]
    assert str(op.error).startswith("column 'a' of type")
    assert is_idle(frontend)


def test_a_stream_may_carry_its_parse_and_prelude():
    op = stream(with_parse=True)
    op.prelude = ("BEGIN",)
    frontend, sent = started(op)
    assert kinds(sent) == "PBEPBDEH"
    answer = (
        PARSED
        + BOUND
        + complete("BEGIN")
        + PARSED
        + BOUND
        + row_description(("b", INT4, 1))
        + data_row(int4(1))
        + SUSPENDED
    )
    assert frontend.receive(answer) == [op]
    assert [dict(row) for row in op.take_rows()] == [{"b": 1}]


def test_a_copy_through_a_stream_is_refused():
    for answer, sent, text in [
        (copy_response("G") + error("failed"), "fS", "COPY FROM STDIN"),
        (copy_response("H") + data(b"x") + COPY_DONE + complete("COPY 1"), "S", "COPY TO STDOUT"),
    ]:
        op = stream()
        frontend, _ = started(op)
        assert drive(frontend, [BOUND + answer]) == []
        assert kinds(frontend.take_output()) == sent
        assert drive(frontend, [ready()]) == [op]
        assert text in str(op.error)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_that_is_not_positive_is_refused(batch):
    with pytest.raises(InterfaceError, match=f"batch must be positive, {batch} was passed"):
        stream(batch=batch)


# Portals


def test_a_portal_is_bound_and_fetched_in_steps():
    frontend = ready_frontend()
    first = FetchPortal(statement(), "p", Records(), row_limit=1, arguments=())
    second = FetchPortal(statement(), "p", RawRows(), row_limit=5)
    frontend.submit(first)
    frontend.submit(second)
    assert kinds(frontend.take_output()) == "BESES"
    answer = BOUND + data_row(int4(1)) + SUSPENDED + ready("T") + data_row(int4(2)) + complete("FETCH 1") + ready("T")
    assert drive(frontend, [answer]) == [first, second]
    assert ([tuple(row) for row in first.take_rows()], first.is_suspended, first.was_bound) == ([(1,)], True, True)
    assert (second.take_rows(), second.is_suspended, second.was_bound) == ([b"\0\1\0\0\0\4" + int4(2)], False, False)
    assert (second.portal, second.row_limit, second.error) == ("p", 5, None)


def test_a_portal_may_carry_its_parse_and_prelude():
    frontend = ready_frontend()
    op = FetchPortal(statement(name=""), "p", Records(), arguments=(), with_parse=True)
    op.prelude = ("BEGIN",)
    frontend.submit(op)
    assert kinds(frontend.take_output()) == "PBEPBDES"
    begin = PARSED + BOUND + data_row(b"not ours") + complete("BEGIN")
    assert drive(
        frontend,
        [begin + PARSED + BOUND + row_description(("b", INT4, 1)) + data_row(int4(1)) + complete() + ready("T")],
    ) == [op]
    assert [dict(row) for row in op.take_rows()] == [{"b": 1}]


def test_a_portal_whose_statement_is_lost_is_bound_to_it_parsed_anew():
    lost = FetchPortal(statement(name="lost"), "p", Records(), row_limit=7, arguments=())
    again = lost.parsed_again()
    frontend = ready_frontend()
    frontend.submit(again)
    sent = frontend.take_output()
    assert kinds(sent) == "PBDES" and b"lost" not in sent
    assert (again.portal, again.row_limit) == ("p", 7)


def test_an_error_of_a_portal_throws_its_rows_away():
    for answer, kind in [
        (BOUND + data_row(int4(1)) + error("no"), PostgresError),
        (BOUND + data_row(int4(1)) + data_row(b"x") + data_row(int4(1)) + complete(), ValueError),
    ]:
        frontend = ready_frontend()
        op = FetchPortal(statement(), "p", Records(), arguments=())
        frontend.submit(op)
        assert drive(frontend, [answer + ready("E")]) == [op]
        assert isinstance(op.error, kind) and op.take_rows() == []


def test_an_abandoned_portal_keeps_no_rows():
    frontend = ready_frontend()
    op = FetchPortal(statement(), "p", Records())
    op.is_abandoned = True
    frontend.submit(op)
    assert drive(frontend, [data_row(int4(1)) + complete() + ready("T")]) == [op]
    assert op.take_rows() == []
    assert rows_answer(1)
