"""The owed table: its numbers, and every debt x every message byte."""

import re
from pathlib import Path

import pytest

import pgproto
from pgproto import limits, owed
from pgproto.errors import PostgresError, ProtocolError
from pgproto.frontend import Frontend
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Close, Execute, ExecuteMany, Prepare
from pgproto.operations.simple import SimpleQuery
from pgproto.owed import NAMES, OWED
from tests.support.backend_bytes import (
    BOUND,
    COPY_DONE,
    PARSED,
    authentication,
    backend_key_data,
    complete,
    copy_response,
    cstring,
    data_row,
    error,
    int4,
    message,
    negotiate,
    new_startup,
    notice,
    notification,
    parameter_description,
    parameter_status,
    ready,
    ready_frontend,
    row_description,
    statement,
)

PGPROTO = Path(pgproto.__file__).parent

# limits.pxd has its own names for the ones that C compares with.
C_LIMITS = {
    "MESSAGE_RECEIVED_MAX": limits.MAX_MESSAGE_LENGTH,
    "MESSAGE_RECEIVED_SHORT_MAX": limits.MAX_SHORT_MESSAGE_LENGTH,
    "MESSAGE_SENT_LONG_MAX": limits.MAX_SENT_LONG_LENGTH,
    "MESSAGE_SENT_AUTH_MAX": limits.MAX_SENT_PASSWORD_LENGTH,
    "MESSAGE_SENT_MAX": limits.MAX_SENT_SHORT_LENGTH,
    "STARTUP_PACKET_MAX": limits.MAX_STARTUP_PACKET_LENGTH,
    "AUTHENTICATION_RECEIVED_MAX": limits.MAX_AUTHENTICATION_REQUEST_LENGTH,
    "BEFORE_AUTHENTICATION_TOTAL_MAX": limits.MAX_EARLY_TOTAL,
    "NAME_MAX": limits.MAX_NAME_LENGTH,
    "ARGUMENTS_MAX": limits.MAX_PARAMETER_COUNT,
    "FIELDS_MAX": limits.MAX_FIELDS,
    "NESTING_MAX": limits.MAX_NESTING,
    "PARAMETERS_MAX": limits.MAX_PARAMETERS,
    "PARAMETERS_TOTAL_MAX": limits.MAX_PARAMETERS_TOTAL,
}


def numbers_of(path):
    text = (PGPROTO / path).read_text()
    return {
        name: int(value, 0) for name, value in re.findall(r"^    ([A-Z_]+) = (0x[0-9A-Fa-f]+|\d+)$", text, re.MULTILINE)
    }


def test_the_numbers_in_c_are_those_of_owed_py():
    numbers = numbers_of("operations/operation.pxd")
    for name in ("ILLEGAL", "N_DEBTS", "SETTLED", "READY", "ASK", "DEBTS_INLINE"):
        numbers.pop(name)
    assert numbers == {name: value for value, name in NAMES.items()}
    assert numbers_of("operations/operation.pxd")["N_DEBTS"] == len(OWED) + 1
    assert sorted(OWED) == list(range(1, 19))


def test_the_limits_in_c_are_those_of_limits_py():
    assert numbers_of("limits.pxd") == C_LIMITS
    assert limits.READY_FOR_QUERY_LENGTH == 5


# How a session comes to owe each debt: the operation, and what the server has said since.
COPYING = "copy t from stdin"
WAYS = {
    owed.STARTUP: (new_startup, b""),
    owed.AUTHENTICATE: (lambda: new_startup(), authentication(3)),
    owed.SESSION: (new_startup, authentication()),
    owed.PARSE: (lambda: Prepare("select 1"), b""),
    owed.BIND: (lambda: Execute(statement(COPYING)), b""),
    owed.DESCRIBE: (lambda: Prepare("select 1"), PARSED),
    owed.DESCRIBE_ROWS: (lambda: Prepare("select 1"), PARSED + parameter_description()),
    owed.EXECUTE: (lambda: Execute(statement(COPYING)), BOUND),
    owed.COPY_OUT: (lambda: Execute(statement(COPYING)), BOUND + copy_response("H")),
    owed.COPY_IN: (lambda: Execute(statement(COPYING)), BOUND + copy_response("G")),
    owed.COPY_END: (lambda: Execute(statement(COPYING)), BOUND + copy_response("H") + COPY_DONE),
    owed.CLOSE: (lambda: Close("x"), b""),
    owed.SYNC: (lambda: Close("x"), message("3")),
    owed.QUERY: (lambda: CopyOut("copy t"), b""),
    owed.QUERY_COPY_OUT: (lambda: CopyOut("copy t"), copy_response("H")),
    owed.QUERY_COPY_IN: (lambda: CopyOut("copy t"), copy_response("G")),
    owed.QUERY_COPY_BOTH: (lambda: CopyOut("copy t"), copy_response("W")),
    owed.NOTHING: (lambda: ExecuteMany(statement(), iter([()] * 3), chunk=1), BOUND + complete()),
}

# A valid body for each message that the table or the rules name.
VALID = {
    "R": authentication(),
    "v": negotiate(0x30000),
    "K": backend_key_data(),
    "Z": ready(),
    "1": PARSED,
    "2": BOUND,
    "3": message("3"),
    "t": parameter_description(23),
    "T": row_description(("a", 23)),
    "n": message("n"),
    "D": data_row(int4(1)),
    "C": complete(),
    "s": message("s"),
    "I": message("I"),
    "H": copy_response("H"),
    "G": copy_response("G"),
    "W": copy_response("W"),
    "d": message("d", b"x"),
    "c": COPY_DONE,
    "N": notice(),
    "S": parameter_status("a", "b"),
    "A": notification(1, "c", "p"),
    "E": error(),
}


def session_that_owes(debt):
    make, before = WAYS[debt]
    op = make()
    frontend = Frontend() if debt <= owed.SESSION else ready_frontend()
    frontend.submit(op)
    for event in frontend.receive(before):
        event.answer("secret")
        frontend.resume()
    return frontend, op


@pytest.mark.parametrize("debt", OWED, ids=NAMES.get)
def test_a_session_comes_to_owe_the_debt(debt):
    _, op = session_that_owes(debt)
    assert op.debts_left[:1] == ([] if debt == owed.NOTHING else [debt])
    assert not op.is_settled


@pytest.mark.parametrize(
    ("debt", "kind", "outcome"),
    [(debt, kind, outcome) for debt, row in OWED.items() for kind, outcome in row.items()],
    ids=lambda x: NAMES.get(x) if isinstance(x, int) else x,
)
def test_a_message_of_the_table_does_to_the_debt_what_the_table_says(debt, kind, outcome):
    frontend, op = session_that_owes(debt)
    n_left = len(op.debts_left)
    answer = VALID[kind]
    if (debt, kind) == (owed.AUTHENTICATE, "R"):
        assert frontend.receive(answer) == []
        assert (op.debts_left, frontend.is_authenticated) == ([owed.SESSION], True)
        return
    if (debt, kind) == (owed.STARTUP, "R"):
        outcome = owed.SESSION
    events = frontend.receive(answer)
    assert frontend.dead is None
    if outcome == owed.DONE and n_left == 1 and kind == "Z":
        assert events == [op] and op.is_settled and frontend.pending() == []
    elif outcome == owed.DONE:
        # Where the debt ends an operation that closed the gate, its Sync is owed from now on.
        assert op.debts_left[0] == owed.SYNC or len(op.debts_left) == n_left - 1
        assert not op.is_settled
    else:
        assert op.debts_left[0] == outcome
        assert len(op.debts_left) == n_left


def is_legal(debt, kind):
    if kind in OWED[debt] or kind == "N":
        return True
    if kind in "SA":
        return debt >= owed.SESSION
    return kind == "E" and debt != owed.NOTHING


@pytest.mark.parametrize("debt", OWED, ids=NAMES.get)
def test_every_other_message_ends_the_session_and_names_both(debt):
    for code in range(256):
        kind = chr(code)
        if is_legal(debt, kind):
            continue
        frontend, op = session_that_owes(debt)
        with pytest.raises(ProtocolError) as caught:
            frontend.receive(VALID.get(kind, message(code)))
        text = str(caught.value)
        if kind == "E":
            assert text.startswith("the server reports an error that nothing had asked for")
        else:
            assert text == f"message {kind!r} has come where the server owes {NAMES[debt]}"
        assert frontend.dead is caught.value
        assert frontend.pending() == [op] and not op.is_settled
        for call, arguments in (
            (frontend.resume, ()),
            (frontend.receive, (ready(),)),
            (frontend.submit, (Close("x"),)),
        ):
            with pytest.raises(ProtocolError) as again:
                call(*arguments)
            assert again.value is caught.value
        assert frontend.lose() == [op]


def test_every_message_but_the_asynchronous_ones_is_illegal_when_nothing_is_owed():
    for code in range(256):
        kind = chr(code)
        frontend = ready_frontend()
        if kind in "NSA":
            assert frontend.receive(VALID[kind]) == []
            continue
        with pytest.raises(ProtocolError) as caught:
            frontend.receive(VALID.get(kind, message(code)))
        assert kind == "E" or str(caught.value) == f"message {kind!r} has come although nothing is owed"
        assert frontend.dead is caught.value


@pytest.mark.parametrize("debt", OWED, ids=NAMES.get)
def test_a_notice_is_legal_in_every_state_and_pays_nothing(debt):
    frontend, op = session_that_owes(debt)
    left = op.debts_left
    assert frontend.receive(notice("a")) == []
    assert (op.debts_left, [n["M"] for n in frontend.notices]) == (left, ["a"])


@pytest.mark.parametrize("debt", [d for d in OWED if d >= owed.SESSION], ids=NAMES.get)
def test_parameters_and_notifications_are_legal_from_the_session_on_and_pay_nothing(debt):
    frontend, op = session_that_owes(debt)
    left = op.debts_left
    assert frontend.receive(parameter_status("a", "b") + notification(1, "c", "p")) == []
    assert (op.debts_left, frontend.parameters, frontend.notifications) == (left, {"a": "b"}, [(1, "c", "p")])
    assert frontend.n_status_changes == (0 if debt == owed.SESSION else 1)


@pytest.mark.parametrize("debt", [d for d in OWED if d <= owed.SESSION], ids=NAMES.get)
def test_an_error_before_the_session_is_ready_is_its_end(debt):
    frontend, op = session_that_owes(debt)
    assert frontend.receive(error("no", "28P01")) == []
    assert frontend.farewell is op.error
    assert (op.error.args, op.error.sqlstate, op.is_settled) == (("no",), "28P01", False)
    assert frontend.lose() == [op]


@pytest.mark.parametrize("debt", [d for d in OWED if owed.SESSION < d < owed.NOTHING], ids=NAMES.get)
def test_an_error_leaves_the_sync_owed_and_nothing_else(debt):
    frontend, op = session_that_owes(debt)
    frontend.take_output()
    had_sync = op.has_sync
    assert frontend.receive(error("no")) == []
    assert op.debts_left == [owed.SYNC]
    assert frontend.take_output() == (b"" if had_sync else b"S\0\0\0\4")
    assert frontend.receive(ready()) == [op]
    assert (frontend.pending(), frontend.is_gated, frontend.n_pending) == ([], False, 0)
    if op.error.__class__.__module__ != "pgproto.errors":
        assert op.error.args == ("no",)
        assert isinstance(op.error, PostgresError)


def test_a_message_that_needs_the_gate_is_illegal_where_it_was_not_closed():
    for make, before, kinds in [
        (lambda: Execute(statement()), BOUND, "HG"),
        (lambda: SimpleQuery("select 1"), b"", "HGW"),
        (lambda: ExecuteMany(statement(COPYING), [()]), BOUND, "HG"),
    ]:
        for kind in kinds:
            frontend = ready_frontend()
            op = make()
            frontend.submit(op)
            frontend.receive(before)
            with pytest.raises(ProtocolError, match=f"message '{kind}' has come where the server owes (EXECUTE|QUERY)"):
                frontend.receive(VALID[kind])


def test_the_gate_is_closed_by_the_word_copy_in_any_case():
    for sql, closes in [("select 1", False), ("CoPy t from stdin", True), ("select 'copy'", True), ("cop y", False)]:
        for op in (Execute(statement(sql)), SimpleQuery(sql)):
            frontend = ready_frontend()
            frontend.submit(op)
            assert (op.closes_gate, frontend.is_gated) == (closes, closes)
    assert statement("COPY t").mentions_copy
    assert CopyIn("x").closes_gate and CopyOut("x").closes_gate


def test_what_came_before_a_bad_message_is_settled():
    frontend = ready_frontend()
    good, bad = Close("a"), Close("b")
    frontend.submit(good)
    frontend.submit(bad)
    assert frontend.receive(message("3") + ready() + message("q", cstring("x"))) == [good]
    assert good.is_settled and good.error is None
    assert frontend.dead is not None
    with pytest.raises(ProtocolError, match="message 'q' has come where the server owes CLOSE"):
        frontend.resume()
    assert frontend.lose() == [bad]
