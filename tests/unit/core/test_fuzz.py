"""Random sessions: whatever a server sends, an operation settles or the session ends with ProtocolError."""

import random

from pgproto.errors import ProtocolError
from pgproto.frontend import Frontend
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Close, Execute, ExecuteMany, FetchPortal, Prepare, Script, Stream
from pgproto.operations.operation import Group
from pgproto.operations.simple import SimpleQuery
from pgproto.row_sinks import RawRows, Records
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    COPY_DONE,
    EMPTY,
    INT4,
    PARSED,
    SUSPENDED,
    TEXT,
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
    notice,
    notification,
    parameter_description,
    parameter_status,
    ready,
    row_description,
    rows_answer,
    split_messages,
    statement,
)

N_SESSIONS = 3_000
BEGIN = PARSED + BOUND + complete("BEGIN")
TWO_COLUMNS = statement(columns=[("a", INT4), ("b", TEXT)])


def member(group):
    op = Execute(statement(), (), Records())
    op.group = group
    op.ends_group = False
    return op


def with_prelude(op):
    op.prelude = ("BEGIN",)
    return op


# An operation, and what a good server says to it.
SCENES = [
    (lambda: Prepare("select $1", "x"), PARSED + parameter_description(INT4) + row_description(("a", INT4)) + ready()),
    (
        lambda: Execute(TWO_COLUMNS, (), Records()),
        BOUND + data_row(int4(1), b"x") + data_row(None, None) + complete() + ready(),
    ),
    (lambda: Execute(statement(), (), RawRows()), rows_answer(1, 2, 3) + ready()),
    (
        lambda: Execute(statement(name=""), (), Records(), with_parse=True),
        PARSED + BOUND + row_description(("a", INT4, 1)) + data_row(int4(1)) + complete() + ready(),
    ),
    (lambda: with_prelude(Execute(statement(), (), Records())), BEGIN + rows_answer(1) + ready("T")),
    (lambda: Execute(statement(), (), Records()), BOUND + error() + ready("E")),
    (lambda: Execute(statement("copy t from stdin")), BOUND + copy_response("G", 0) + error() + ready()),
    (
        lambda: Execute(statement("copy t to stdout")),
        BOUND + copy_response("H", 0) + message("d", b"x") + COPY_DONE + complete() + ready(),
    ),
    (lambda: ExecuteMany(statement(), [()] * 3, Records()), rows_answer(1) * 3 + ready()),
    (lambda: ExecuteMany(statement(), iter([()] * 5), chunk=30, keep_tags=True), rows_answer(1) * 5 + ready()),
    (
        lambda: FetchPortal(statement(), "p", Records(), arguments=()),
        BOUND + data_row(int4(1)) + SUSPENDED + ready("T"),
    ),
    (
        lambda: Stream(statement(), (), Records(), batch=1),
        BOUND + (data_row(int4(1)) + SUSPENDED) * 2 + complete() + ready(),
    ),
    (lambda: Close("x"), CLOSED + parameter_status("a", "b") + ready()),
    (
        lambda: SimpleQuery("a; b"),
        row_description(("a", INT4)) + data_row(b"1") + complete() + EMPTY + notice() + ready(),
    ),
    (lambda: CopyIn("copy t from stdin"), copy_response("G", 0, 1) + complete("COPY 1") + ready()),
    (
        lambda: CopyOut("copy t to stdout", high_water=3),
        copy_response("H", 1) + message("d", b"abcd") * 2 + COPY_DONE + complete() + ready(),
    ),
    (lambda: Script(("ROLLBACK", "RESET ALL")), BEGIN * 2 + notification(1, "c", "p") + ready()),
]
START = negotiate(0x30000) + authentication() + parameter_status("server_version", "17") + backend_key_data() + ready()


def mutate(rng, answer):
    """A few bytes changed, cut out, doubled or put in; now and then nothing."""
    answer = bytearray(answer)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at = rng.randrange(len(answer) + 1)
        what = rng.randrange(6)
        if what == 0 and at < len(answer):
            answer[at] = rng.randrange(256)
        elif what == 1 and at < len(answer):
            answer[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            del answer[at : at + rng.randrange(1, 9)]
        elif what == 3:
            answer[at:at] = answer[at : at + rng.randrange(1, 30)]
        elif what == 4:
            answer[at:at] = rng.choice(
                (ready(), error(), notice(), complete(), data_row(), copy_response("G"), error(severity="FATAL"))
            )
        else:
            answer[at:at] = rng.randbytes(rng.randrange(1, 6))
    return bytes(answer)


def serve(frontend, op):
    """Do what the outside does for an operation that is READY or asks; say whether there was anything to do."""
    if type(op) is CopyIn:
        op.start()
        if op.wants_data:
            op.put_data(frontend.out, b"data")
            op.put_done(frontend.out)
    elif type(op) is CopyOut:
        op.take()
    elif type(op) is Stream:
        op.take_rows()
        op.go_on(frontend.out)
    else:
        op.answer(None)


def run(rng, makers, parts):
    """Drive one session; return its frontend, what settled, and how it died."""
    frontend = Frontend()
    startup = new_startup(allow_cleartext_password=True)
    frontend.submit(startup)
    waiting = [make() for make in makers]
    submitted, settled = [startup], []
    try:
        for part in parts:
            events = frontend.receive(part)
            while events:
                for op in events:
                    if op.is_settled:
                        settled.append(op)
                    else:
                        serve(frontend, op)
                events = frontend.resume()
            while waiting and frontend.is_ready and frontend.may_submit(waiting[0]):
                submitted.append(waiting[0])
                frontend.submit(waiting.pop(0))
            for op in frontend.pending():
                if type(op) is ExecuteMany:
                    frontend.put_more(op)
        if frontend.dead is not None:
            frontend.resume()
    except ProtocolError as refused:
        assert frontend.dead is refused
    sent = frontend.take_output()
    split_messages(sent[int.from_bytes(sent[:4], "big") :])
    return frontend, submitted, settled


def test_random_sessions_end_settled_or_with_a_protocol_error():
    rng = random.Random(20260725)
    n_dead = n_whole = 0
    for _ in range(N_SESSIONS):
        scenes = [rng.choice(SCENES) for _ in range(rng.randrange(1, 4))]
        answers = [START, *(answer for _, answer in scenes)]
        if rng.random() < 0.9:
            which = rng.randrange(len(answers))
            answers[which] = mutate(rng, answers[which])
        parts = []
        for answer in answers:
            size = rng.choice((1, 3, 17, 10_000))
            parts += [answer[at : at + size] for at in range(0, len(answer), size)]
        frontend, submitted, settled = run(rng, [make for make, _ in scenes], parts)
        lost = frontend.lose()
        # Everything that was written has settled or is given back, once.
        assert len(settled) + len(lost) >= len(submitted)
        assert {id(op) for op in settled} | {id(op) for op in lost} >= {id(op) for op in submitted}
        assert not {id(op) for op in settled} & {id(op) for op in lost}
        assert len({id(op) for op in settled}) == len(settled)
        assert all(op.error is None or isinstance(op.error, Exception) for op in settled)
        assert (frontend.pending(), frontend.n_pending, frontend.is_gated) == ([], 0, False)
        n_dead += frontend.dead is not None
        n_whole += not lost
    # The mutations are neither harmless nor all fatal at the first byte.
    assert n_dead > N_SESSIONS // 4
    assert n_whole > N_SESSIONS // 5


def shape(op):
    return type(op).__name__, type(op.error).__name__, op.is_settled


def test_every_split_of_a_random_session_has_the_same_outcome():
    rng = random.Random(7)
    for _ in range(150):
        makers, answers = zip(*(rng.choice(SCENES[:6] + SCENES[8:9] + SCENES[12:14]) for _ in range(3)), strict=True)
        answer = mutate(rng, b"".join(answers))

        def outcome(parts, makers=makers):
            frontend = Frontend()
            frontend.submit(new_startup())
            frontend.receive(START)
            ops = [make() for make in makers]
            for op in ops:
                frontend.submit(op)
            try:
                for part in parts:
                    frontend.receive(part)
                frontend.resume()
            except ProtocolError:
                pass
            return [shape(op) for op in ops], frontend.dead is None, frontend.transaction_status, frontend.parameters

        whole = outcome([answer])
        assert outcome([bytes([byte]) for byte in answer]) == whole
        for _ in range(6):
            cut = rng.randrange(len(answer) + 1)
            assert outcome([answer[:cut], answer[cut:]]) == whole


def test_random_errors_in_random_groups_leave_nothing_pending():
    rng = random.Random(11)
    for _ in range(300):
        group, n = Group(), rng.randrange(1, 6)
        frontend = Frontend()
        frontend.submit(new_startup())
        frontend.receive(START)
        ops = [member(group) for _ in range(n)]
        failing = rng.randrange(n + 2)
        answer = b"".join(rows_answer(i) for i in range(min(failing, n))) + (error() if failing <= n else b"")
        at, settled, written = rng.randrange(n + 1), [], []
        is_ended = False
        for i, op in enumerate([*ops, None]):
            if i == at:
                # The server answers what it has: never more than what was written in front of it.
                answered = b"".join(rows_answer(k) for k in range(min(i, failing))) + (error() if failing < i else b"")
                settled += frontend.receive(answered)
                answer = answer[len(answered) :]
            if op is None or group.error is not None:
                is_ended = True
                frontend.end_group(group)
                break
            frontend.submit(op)
            written.append(op)
        assert is_ended and group.is_ended
        settled += frontend.receive(answer + ready())
        assert [op for op in settled if type(op) is Execute] == written
        assert all((op.error is None) == (failing > n) for op in written)
        assert (frontend.pending(), frontend.is_gated, frontend.dead) == ([], False, None)
