"""Pipelines: whose error it is, what a group's Sync does, who may write, and what travels in front."""

import pytest

from pgproto import owed
from pgproto.errors import DataError, InterfaceError, PipelineAborted, PostgresError
from pgproto.operations.extended import Close, Execute, ExecuteMany, Prepare, Script, Stream
from pgproto.operations.operation import Group
from pgproto.operations.simple import SimpleQuery
from pgproto.row_sinks import Records
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    INT4,
    NO_DATA,
    PARSED,
    SYNC,
    TEXT,
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
    statement,
)

COMMAND = statement("insert", columns=None)
DONE = PARSED + BOUND + complete("BEGIN")  # what one statement of a prelude or script is answered with


def execute(group=None, rows=True):
    op = Execute(statement() if rows else COMMAND, (), Records() if rows else None)
    if group is not None:
        op.group = group
        op.ends_group = False
    return op


def submit_all(frontend, ops):
    for op in ops:
        frontend.submit(op)
    return frontend.take_output()


def outcome(op):
    """What became of an operation, comparable between runs."""
    failure = op.error
    told = None if failure is None else (type(failure).__name__, failure.args, type(failure.__cause__).__name__)
    rows = [tuple(row) for row in op.take_rows()] if isinstance(op, (Execute, ExecuteMany)) else None
    return type(op).__name__, rows, getattr(op, "tag", None), told, op.is_settled, op.debts_left


def is_idle(frontend):
    return (frontend.pending(), frontend.n_pending, frontend.is_gated, frontend.take_output()) == ([], 0, False, b"")


# Each operation with its own Sync


@pytest.mark.parametrize("failing", range(5))
def test_an_error_in_a_pipeline_of_single_operations_stays_its_own(failing):
    parts = [rows_answer(i) + ready() for i in range(5)]
    parts[failing] = error(f"no {failing}") + ready()
    answer = b"".join(parts)
    for cut in range(len(answer) + 1):
        frontend = ready_frontend()
        ops = [execute() for _ in range(5)]
        assert kinds(submit_all(frontend, ops)) == "BES" * 5
        assert drive(frontend, pieces(answer, cut)) == ops
        for i, op in enumerate(ops):
            if i == failing:
                assert outcome(op) == (
                    "Execute",
                    [],
                    None,
                    ("UniqueViolationError", (f"no {i}",), "NoneType"),
                    True,
                    [],
                )
            else:
                assert outcome(op) == ("Execute", [(i,)], "SELECT 1", None, True, [])
        assert is_idle(frontend)


@pytest.mark.parametrize(
    "answer",
    [
        error("first"),
        BOUND + error("first"),
        BOUND + data_row(int4(1)) + error("first"),
        rows_answer(1) + error("first"),
        error("first") + error("second"),
    ],
)
def test_an_error_at_every_place_of_an_operation_is_its_outcome(answer):
    frontend = ready_frontend()
    op, behind = execute(), execute()
    submit_all(frontend, [op, behind])
    assert drive(frontend, [answer + ready("E"), rows_answer(2) + ready()]) == [op, behind]
    assert (op.error.args, op.take_rows(), op.is_settled) == (("first",), [], True)
    assert outcome(behind)[1:4] == ([(2,)], "SELECT 1", None)
    assert is_idle(frontend)


def test_a_severity_that_is_no_errors_does_not_make_an_error_response_less_of_one():
    frontend = ready_frontend()
    op = execute()
    submit_all(frontend, [op])
    assert drive(frontend, [error("odd", "01000", "WARNING") + ready()]) == [op]
    assert isinstance(op.error, Exception) and op.error.args == ("odd",)


# Groups


def group_answer(failing, n=5):
    """What the server says to n members and a Sync when one fails: nothing to those behind it."""
    return b"".join(rows_answer(i) for i in range(failing)) + (error("no") if failing < n else b"") + ready()


@pytest.mark.parametrize("failing", range(6))
def test_an_error_in_a_group_fails_all_of_it_for_every_split(failing):
    answer = group_answer(failing)
    for cut in range(len(answer) + 1):
        frontend = ready_frontend()
        group = Group()
        ops = [execute(group) for _ in range(5)]
        submit_all(frontend, ops)
        assert frontend.is_gated and group.n_written == 5
        point = frontend.end_group(group)
        assert (frontend.take_output(), group.is_ended, frontend.is_gated) == (SYNC, True, False)
        behind = execute()
        frontend.submit(behind)
        settled = drive(frontend, [*pieces(answer, cut), rows_answer(9) + ready()])
        if failing == 5:
            assert settled == [*ops, point, behind]
            assert [outcome(op)[1:4] for op in ops] == [([(i,)], "SELECT 1", None) for i in range(5)]
            assert (point.error, group.error) == (None, None)
        else:
            assert set(settled) == {*ops, point, behind} and settled[-2:] == [point, behind]
            assert ops[failing].error is group.error and group.error.args == ("no",)
            for op in [*ops[:failing], *ops[failing + 1 :], point]:
                assert isinstance(op.error, PipelineAborted) and op.error.__cause__ is group.error
                assert str(op.error).endswith("of the same pipeline failed: no")
        assert outcome(behind)[1:4] == ([(9,)], "SELECT 1", None)
        frontend.take_output()
        assert is_idle(frontend)


def test_a_deferred_constraint_fails_the_whole_group():
    frontend = ready_frontend()
    group = Group()
    ops = [execute(group) for _ in range(3)]
    submit_all(frontend, ops)
    point = frontend.end_group(group)
    answer = b"".join(rows_answer(i) for i in range(3)) + error("deferred") + ready()
    assert drive(frontend, [answer]) == [*ops, point]
    assert point.error.args == ("deferred",) and isinstance(point.error, PostgresError)
    assert all(isinstance(op.error, PipelineAborted) and op.error.__cause__ is point.error for op in ops)


def test_what_a_commit_in_the_group_made_durable_stays_successful():
    frontend = ready_frontend()
    group = Group()
    ops = [execute(group), execute(group, rows=False), execute(group), execute(group)]
    submit_all(frontend, ops)
    point = frontend.end_group(group)
    answer = rows_answer(1) + BOUND + complete("COMMIT") + rows_answer(2) + error("late") + ready()
    assert drive(frontend, [answer]) == [*ops, point]
    assert [op.error is None for op in ops] == [True, True, False, False]
    assert [op.is_durable for op in ops] == [True, True, False, False]
    assert isinstance(ops[2].error, PipelineAborted)
    assert ops[3].error.args == ("late",)


@pytest.mark.parametrize("tag", ["COMMIT PREPARED", "COMMIX", "ROLLBACK", "COMMI"])
def test_only_a_commit_makes_durable(tag):
    frontend = ready_frontend()
    group = Group()
    ops = [execute(group, rows=False), execute(group)]
    submit_all(frontend, ops)
    frontend.end_group(group)
    drive(frontend, [BOUND + complete(tag) + error("late") + ready()])
    assert isinstance(ops[0].error, PipelineAborted) and not ops[0].is_durable


@pytest.mark.parametrize("failing", range(3))
def test_a_group_that_fails_before_its_sync_is_written_gets_it_exactly_once(failing):
    answer = group_answer(failing, 3)[: -len(ready())]
    for cut in range(len(answer) + 1):
        frontend = ready_frontend()
        group = Group()
        ops = [execute(group) for _ in range(3)]
        assert kinds(submit_all(frontend, ops)) == "BE" * 3
        assert drive(frontend, pieces(answer, cut)) == []
        assert frontend.take_output() == SYNC
        assert group.is_ended and group.error.args == ("no",)
        assert frontend.end_group(group) is None
        assert not frontend.is_gated
        late, outside = execute(group), execute()
        with pytest.raises(PipelineAborted) as caught:
            frontend.submit(late)
        assert caught.value.__cause__ is group.error and late.error is caught.value
        assert (frontend.take_output(), late.is_written, late.debts_left) == (b"", False, [])
        frontend.submit(outside)
        assert kinds(frontend.take_output()) == "BES"
        settled = drive(frontend, [ready() + rows_answer(3) + ready()])
        assert settled[:3] == ops and settled[-1] is outside and len(settled) == 5
        assert [type(op.error).__name__ for op in ops] == [
            "UniqueViolationError" if i == failing else "PipelineAborted" for i in range(3)
        ]
        assert outcome(outside)[1:4] == ([(3,)], "SELECT 1", None)
        assert is_idle(frontend)


def test_a_group_of_which_nothing_was_written_sends_nothing():
    frontend = ready_frontend()
    group = Group()
    assert frontend.end_group(group) is None
    assert (group.is_ended, frontend.take_output(), frontend.is_gated) == (True, b"", False)


def test_a_bad_argument_leaves_the_rest_of_the_group_as_it_is():
    frontend = ready_frontend()
    group = Group()
    first = execute(group)
    frontend.submit(first)
    bad = Execute(statement(parameters=[INT4]), ("x",), Records())
    bad.group = group
    bad.ends_group = False
    with pytest.raises(DataError, match=r"\$1"):
        frontend.submit(bad)
    assert (group.n_written, frontend.pending(), kinds(frontend.take_output())) == (1, [first], "BE")
    frontend.end_group(group)
    drive(frontend, [rows_answer(1) + ready()])
    assert outcome(first)[1:4] == ([(1,)], "SELECT 1", None)


def test_an_operation_may_end_the_group_by_its_own_sync():
    frontend = ready_frontend()
    group = Group()
    first, last = execute(group), execute(group)
    last.ends_group = True
    assert kinds(submit_all(frontend, [first, last])) == "BEBES"
    assert not frontend.is_gated
    assert drive(frontend, [rows_answer(1) + error("no") + ready()]) == [first, last]
    assert isinstance(first.error, PipelineAborted) and first.error.__cause__ is last.error


def test_two_groups_do_not_share_an_error():
    frontend = ready_frontend()
    groups = [Group(), Group()]
    ops = []
    for group in groups:
        ops.append([execute(group), execute(group)])
        submit_all(frontend, ops[-1])
        frontend.end_group(group)
    drive(frontend, [rows_answer(1) + error("no") + ready() + rows_answer(3) + rows_answer(4) + ready()])
    assert [op.error is None for op in ops[0] + ops[1]] == [False, False, True, True]
    assert groups[1].error is None


def test_an_executemany_of_no_elements_in_a_group_is_a_success():
    for position in range(3):
        frontend = ready_frontend()
        group = Group()
        ops = [execute(group), execute(group)]
        empty = ExecuteMany(statement(), [])
        empty.group = group
        empty.ends_group = False
        ops.insert(position, empty)
        submit_all(frontend, ops)
        point = frontend.end_group(group)
        assert frontend.take_output() == SYNC
        assert drive(frontend, [rows_answer(1) + rows_answer(2) + ready()]) == [*ops, point]
        assert [op.error for op in ops] == [None] * 3
        assert is_idle(frontend)


def test_an_executemany_in_chunks_holds_its_group_and_gives_the_gate_back():
    frontend = ready_frontend()
    group = Group()
    first = execute(group)
    many = ExecuteMany(statement(), iter([()] * 3), chunk=1)
    many.group = group
    many.ends_group = False
    submit_all(frontend, [first, many])
    member, outside = execute(group), execute()
    assert (frontend.may_submit(member), frontend.may_submit(outside), frontend.may_submit(many)) == (
        False,
        False,
        True,
    )
    with pytest.raises(InterfaceError, match="another operation has the connection for itself"):
        frontend.end_group(group)
    assert not group.is_ended
    assert drive(frontend, [rows_answer(1) + rows_answer(1)]) == []
    assert many.debts_left == []
    while many.is_open:
        frontend.put_more(many)
        drive(frontend, [rows_answer(1)] if kinds(frontend.take_output()) else [])
    assert (frontend.may_submit(member), frontend.may_submit(outside)) == (True, False)
    frontend.submit(member)
    point = frontend.end_group(group)
    assert kinds(frontend.take_output()) == "BES"
    assert drive(frontend, [rows_answer(5) + ready()]) == [first, many, member, point]
    assert [op.error for op in (first, many, member)] == [None] * 3
    assert is_idle(frontend)


def test_a_bad_element_in_a_groups_executemany_fails_the_group():
    frontend = ready_frontend()
    group = Group()
    many = ExecuteMany(statement(parameters=[INT4]), iter([(1,), ("x",)]), chunk=1)
    many.group = group
    many.ends_group = False
    submit_all(frontend, [many])
    frontend.put_more(many)
    assert kinds(frontend.take_output()) == "PBE"
    assert group.error is many.error and isinstance(many.error, DataError)
    with pytest.raises(PipelineAborted):
        frontend.submit(execute(group))
    point = frontend.end_group(group)
    assert frontend.take_output() == SYNC
    assert drive(frontend, [rows_answer(1) + DONE + ready()]) == [many, point]
    assert is_idle(frontend)


def test_a_member_that_may_become_a_copy_holds_its_group_until_it_is_answered():
    frontend = ready_frontend()
    group = Group()
    copy = Execute(statement("copy t from stdin", columns=None))
    copy.group = group
    copy.ends_group = False
    submit_all(frontend, [copy])
    member = execute(group)
    assert not frontend.may_submit(member)
    drive(frontend, [BOUND + complete("COPY 0")])
    assert frontend.may_submit(member) and not frontend.may_submit(execute())
    frontend.submit(member)
    frontend.end_group(group)
    assert kinds(frontend.take_output()) == "BES"
    assert drive(frontend, [rows_answer(1) + ready()])[:2] == [copy, member]
    assert (copy.tag, copy.error, member.error) == ("COPY 0", None, None)


def test_a_copy_in_a_group_is_refused_and_fails_the_group():
    frontend = ready_frontend()
    group = Group()
    copy = Execute(statement("copy t from stdin", columns=None))
    copy.group = group
    copy.ends_group = False
    first = execute(group)
    submit_all(frontend, [first, copy])
    drive(frontend, [rows_answer(1) + BOUND + copy_response("G")])
    assert kinds(frontend.take_output()) == "f"
    drive(frontend, [error("COPY from stdin failed")])
    assert frontend.take_output() == SYNC
    assert [type(op).__name__ for op in drive(frontend, [ready()])] == ["Execute", "Execute", "SyncPoint"]
    assert isinstance(copy.error, InterfaceError) and isinstance(first.error, PipelineAborted)
    assert is_idle(frontend)


# Gates


def gating_operations():
    group = Group()
    return [
        (Execute(statement("copy t to stdout", columns=None)), None),
        (SimpleQuery("copy t to stdout"), None),
        (ExecuteMany(statement(), iter([()] * 9), chunk=1), None),
        (Stream(statement(), (), Records(), batch=1), None),
        (execute(group), group),
    ]


@pytest.mark.parametrize("which", range(5))
def test_a_closed_gate_holds_every_other_operation(which):
    op, group = gating_operations()[which]
    frontend = ready_frontend()
    frontend.submit(op)
    frontend.take_output()
    for other in (execute(), Close("x"), SimpleQuery("select 1"), execute(Group())):
        assert not frontend.may_submit(other)
        with pytest.raises(InterfaceError, match="another operation has the connection for itself"):
            frontend.submit(other)
        assert (other.is_written, other.debts_left) == (False, [])
    assert (frontend.pending(), frontend.take_output(), frontend.is_gated) == ([op], b"", True)
    if group is not None:
        assert frontend.may_submit(execute(group))


def test_the_gate_opens_with_the_ready_for_query_of_a_copy():
    frontend = ready_frontend()
    op = Execute(statement("select copy from t"), (), Records())
    frontend.submit(op)
    assert kinds(frontend.take_output()) == "BEH"
    assert drive(frontend, [rows_answer(1)]) == []
    assert (frontend.take_output(), frontend.is_gated) == (SYNC, True)
    assert drive(frontend, [ready()]) == [op]
    assert outcome(op)[1:4] == ([(1,)], "SELECT 1", None)
    assert is_idle(frontend)


def test_an_open_executemany_opens_the_gate_with_its_last_chunk():
    frontend = ready_frontend()
    op = ExecuteMany(statement(), iter([()] * 2), chunk=1)
    frontend.submit(op)
    gated = []
    while op.is_open:
        gated.append(frontend.is_gated)
        frontend.put_more(op)
    assert gated == [True, True]
    assert not frontend.is_gated
    assert kinds(frontend.take_output()) == "BEBES"
    frontend.put_more(op)
    assert frontend.take_output() == b""
    assert drive(frontend, [rows_answer(1) * 2 + ready()]) == [op]
    assert (op.n_done, op.n_written_elements, op.error, op.tags) == (2, 2, None, None)


# Preludes


@pytest.mark.parametrize("prelude", [("BEGIN",), ("BEGIN", "SAVEPOINT a")])
def test_a_prelude_and_its_operation_are_one_unit(prelude):
    makers = [
        lambda: execute(),
        lambda: Prepare("select 1"),
        lambda: ExecuteMany(statement(), [()], Records()),
        lambda: Execute(statement(name=""), (), Records(), with_parse=True),
    ]
    answers = [
        rows_answer(1),
        PARSED + message("t", b"\0\0") + NO_DATA,
        rows_answer(1),
        PARSED + BOUND + row_description(("a", INT4, 1)) + data_row(int4(1)) + complete(),
    ]
    for make, answer in zip(makers, answers):
        op = make()
        op.prelude = prelude
        frontend = ready_frontend()
        frontend.submit(op)
        assert kinds(frontend.take_output()).startswith("PBE" * len(prelude))
        assert op.debts_left[:3] == [owed.PARSE, owed.BIND, owed.EXECUTE]
        assert drive(frontend, [DONE * len(prelude) + answer + ready("T")]) == [op]
        assert (op.error, op.failed_in_prelude, frontend.transaction_status) == (None, False, "T")
        if not isinstance(op, Prepare):
            assert [tuple(row) for row in op.take_rows()] == [(1,)]


@pytest.mark.parametrize("n_answered", range(6))
def test_an_error_in_the_prelude_fails_the_operation_and_says_so(n_answered):
    steps = [PARSED, BOUND, complete("BEGIN")] * 2
    op = execute()
    op.prelude = ("BEGIN", "SAVEPOINT a")
    frontend = ready_frontend()
    frontend.submit(op)
    assert drive(frontend, [b"".join(steps[:n_answered]) + error("no") + ready()]) == [op]
    assert (op.error.args, op.failed_in_prelude, op.was_bound, op.tag) == (("no",), True, False, None)


@pytest.mark.parametrize("answer", [b"", BOUND, BOUND + complete()])
def test_an_error_behind_the_prelude_is_not_the_preludes(answer):
    op = execute()
    op.prelude = ("BEGIN",)
    frontend = ready_frontend()
    frontend.submit(op)
    assert drive(frontend, [DONE + answer + error("no") + ready()]) == [op]
    assert (op.error.args, op.failed_in_prelude) == (("no",), False)


def test_a_long_executemany_forgets_what_is_paid_and_keeps_its_prelude_apart():
    frontend = ready_frontend()
    op = ExecuteMany(statement(), [()] * 40, Records(), keep_tags=True)
    op.prelude = ("BEGIN",) * 5
    frontend.submit(op)
    assert drive(frontend, [DONE * 5 + rows_answer(7) * 39 + error("no") + ready()]) == [op]
    assert (op.n_done, op.failed_in_prelude, op.error.batch_index, len(op.tags)) == (39, False, 39, 39)
    frontend = ready_frontend()
    op = ExecuteMany(statement(), iter([()] * 60), Records(), chunk=40)
    op.prelude = ("BEGIN",) * 5
    frontend.submit(op)
    drive(frontend, [DONE * 2])
    for _ in range(8):
        frontend.put_more(op)
    assert len(op.debts_left) > 9 + 16
    assert drive(frontend, [DONE * 2 + error("no")]) == []
    assert op.failed_in_prelude
    assert op.n_done == 0


@pytest.mark.parametrize("prelude", [None, ("BEGIN",), ("BEGIN", "SAVEPOINT a")])
def test_a_position_in_a_simple_query_counts_from_the_callers_text(prelude):
    n = 0 if prelude is None else len("; ".join(prelude)) + 2
    for position, corrected in [(str(n + 1), "1"), (str(n + 8), "8"), (str(n), None if n else "0"), ("odd", "odd")]:
        frontend = ready_frontend()
        op = SimpleQuery("selec 1")
        op.prelude = prelude
        frontend.submit(op)
        answer = complete("BEGIN") * len(prelude or ()) + error("no", "42601", P=position) + ready("E")
        assert drive(frontend, [answer]) == [op]
        assert (op.error.position, op.failed_in_prelude, op.tag) == (corrected, False, None)


@pytest.mark.parametrize("n_answered", [0, 1])
def test_an_error_in_the_prefix_of_a_simple_query_says_so(n_answered):
    frontend = ready_frontend()
    op = SimpleQuery("select 1")
    op.prelude = ("BEGIN", "SAVEPOINT a")
    frontend.submit(op)
    assert drive(frontend, [complete("BEGIN") * n_answered + error("no", P="3") + ready()]) == [op]
    assert (op.error.args, op.error.position, op.failed_in_prelude) == (("no",), None, True)


def test_an_error_that_refuses_changes_still_gets_its_facts():
    frontend = ready_frontend()
    many, simple = ExecuteMany(statement(), [(), ()]), SimpleQuery("do $$ .. $$")
    simple.prelude = ("BEGIN",)
    submit_all(frontend, [many, simple])
    assert drive(
        frontend,
        [rows_answer(1) + error("w", "01000") + ready() + complete("BEGIN") + error("w", "01000", P="10") + ready()],
    ) == [many, simple]
    assert (many.error.batch_index, simple.error.position) == (1, "3")


# Scripts: the reset of a session, and what shares its Sync


def shared_script():
    script = Script(("ROLLBACK", "RESET ALL"))
    script.ends_group = False
    follower = execute()
    frontend = ready_frontend()
    sent = submit_all(frontend, [script, follower])
    assert kinds(sent) == "PBE" * 2 + "BES"
    return frontend, script, follower


@pytest.mark.parametrize("n_answered", range(6))
def test_a_failing_reset_aborts_the_statement_that_shares_its_sync(n_answered):
    frontend, script, follower = shared_script()
    steps = [PARSED, BOUND, complete("ROLLBACK")] * 2
    assert drive(frontend, [b"".join(steps[:n_answered]) + error("no") + ready()]) == [script, follower]
    assert (script.error.args, script.is_durable, script.answered) == (("no",), False, n_answered // 3)
    assert isinstance(follower.error, PipelineAborted) and follower.error.__cause__ is script.error
    assert is_idle(frontend)


def test_a_failing_statement_does_not_undo_the_reset_whose_sync_it_shares():
    frontend, script, follower = shared_script()
    assert drive(frontend, [DONE * 2 + error("no") + ready()]) == [script, follower]
    assert (script.error, script.is_durable, script.answered) == (None, True, 2)
    assert follower.error.args == ("no",)
    assert is_idle(frontend)


def test_an_empty_statement_of_a_script_is_answered_too():
    frontend = ready_frontend()
    script = Script(("", "RESET ALL"))
    frontend.submit(script)
    assert drive(frontend, [PARSED + BOUND + message("I") + DONE + ready()]) == [script]
    assert (script.error, script.answered, script.is_durable, script.statements) == (None, 2, True, ("", "RESET ALL"))


def test_a_script_that_fails_alone_gets_its_sync_from_the_frontend():
    frontend = ready_frontend()
    script = Script(("RESET ALL",))
    script.ends_group = False
    frontend.submit(script)
    frontend.take_output()
    assert drive(frontend, [error("no")]) == []
    assert frontend.take_output() == SYNC
    settled = drive(frontend, [ready()])
    assert settled[0] is script and len(settled) == 2 and script.error.args == ("no",)
    assert is_idle(frontend)


# ExecuteMany


def bad_at(n, frontend, **options):
    op = ExecuteMany(statement(parameters=[INT4]), iter([(i,) for i in range(n)] + [("x",)]), chunk=60, **options)
    return op


def test_a_bad_element_in_the_first_chunk_leaves_nothing_behind():
    frontend = ready_frontend()
    front = execute()
    frontend.submit(front)
    sent = frontend.take_output()
    op = bad_at(1, frontend)
    op.prelude = ("BEGIN",)
    with pytest.raises(
        DataError, match=r"\$1 in element #1 of executemany\(\) sequence: 'x' \(integer|\$1 in element #1"
    ) as caught:
        frontend.submit(op)
    assert (caught.value.element, caught.value.parameter) == (1, 1)
    assert (frontend.take_output(), frontend.pending(), frontend.is_gated) == (b"", [front], False)
    assert (op.is_open, op.debts_left, kinds(sent)) == (False, [], "BES")


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_bad_element_in_a_later_chunk_ends_the_operation(in_transaction):
    frontend = ready_frontend()
    op = bad_at(5, frontend)
    op.in_transaction = in_transaction
    frontend.submit(op)
    n = kinds(frontend.take_output()).count("E")
    assert 0 < n < 5
    sent = ""
    while op.is_open:
        frontend.put_more(op)
        sent += kinds(frontend.take_output())
    assert sent == "BE" * (5 - n) + ("S" if in_transaction else "PBES")
    assert (op.rolls_back, op.has_sync, frontend.is_gated) == (not in_transaction, True, False)
    answer = rows_answer(1) * 5 + (b"" if in_transaction else PARSED + BOUND + complete("ROLLBACK")) + ready("I")
    assert drive(frontend, [answer]) == [op]
    assert isinstance(op.error, DataError) and op.error.element == 5 and not hasattr(op.error, "batch_index")
    assert is_idle(frontend)


def test_an_iterator_that_fails_is_a_bad_element():
    class Interrupted(BaseException):
        pass

    for kind in (RuntimeError, Interrupted):

        def elements(kind=kind):
            yield ()
            raise kind("source")

        frontend = ready_frontend()
        op = ExecuteMany(statement(), elements(), chunk=1)
        frontend.submit(op)
        if kind is Interrupted:
            with pytest.raises(Interrupted):
                frontend.put_more(op)
            assert frontend.is_gated
            frontend.end_early(op, op.error)
        else:
            frontend.put_more(op)
        assert isinstance(op.error, kind)
        assert kinds(frontend.take_output()) == "BEPBES"
        assert not frontend.is_gated
        assert drive(frontend, [rows_answer(1) + DONE + ready()]) == [op]


def test_a_server_error_ends_an_executemany_that_is_still_being_written():
    frontend = ready_frontend()
    op = ExecuteMany(statement(), iter([()] * 9), chunk=1)
    frontend.submit(op)
    frontend.put_more(op)
    assert kinds(frontend.take_output()) == "BEBE"
    assert drive(frontend, [rows_answer(1) + error("no")]) == []
    assert (frontend.take_output(), op.is_open) == (SYNC, False)
    frontend.put_more(op)
    frontend.end_early(op, ValueError("late"))
    assert frontend.take_output() == b""
    assert drive(frontend, [ready()]) == [op]
    assert (op.error.args, op.error.batch_index, op.n_done) == (("no",), 1, 1)
    assert is_idle(frontend)


def test_an_executemany_that_nobody_wants_any_more_is_ended():
    frontend = ready_frontend()
    op = ExecuteMany(statement(), iter([()] * 9), Records(), chunk=1)
    frontend.submit(op)
    op.is_abandoned = True
    frontend.end_early(op, TimeoutError("over"))
    assert kinds(frontend.take_output()) == "BEPBES"
    assert drive(frontend, [rows_answer(1) + DONE + ready()]) == [op]
    assert (op.error.args, op.take_rows()) == (("over",), [])


def test_executemany_collects_rows_and_tags():
    frontend = ready_frontend()
    op = ExecuteMany(statement(parameters=[INT4]), [(1,), [2]], Records(), keep_tags=True)
    frontend.submit(op)
    assert drive(frontend, [rows_answer(1) + rows_answer(2, tag="INSERT 0 1") + ready()]) == [op]
    assert [tuple(row) for row in op.take_rows()] == [(1,), (2,)]
    assert (op.tags, op.n_done, op.was_bound) == (["SELECT 1", "INSERT 0 1"], 2, True)


@pytest.mark.parametrize("element", [{"a": 1}, 5, {1}, iter(()), object()])
def test_an_element_that_is_no_sequence_is_named(element):
    frontend = ready_frontend()
    with pytest.raises(DataError, match=f"element #1: expected a sequence, got {type(element).__name__}"):
        frontend.submit(ExecuteMany(statement(), [(), element]))
    assert frontend.take_output() == b""


def test_an_element_may_be_any_sequence():
    class Pair:
        def __init__(self, *items):
            self.items = items

        def __len__(self):
            return len(self.items)

        def __getitem__(self, i):
            return self.items[i]

    frontend = ready_frontend()
    frontend.submit(ExecuteMany(statement(parameters=[TEXT, TEXT]), [Pair("a", "b"), "ab", ["a", "b"]]))
    sent = frontend.take_output()
    assert kinds(sent) == "BEBEBES" and sent.count(b"\0\0\0\1a\0\0\0\1b") == 3


def test_abandoned_operations_are_read_and_thrown_away():
    frontend = ready_frontend()
    ops = [execute(), execute()]
    submit_all(frontend, ops)
    drive(frontend, [BOUND + data_row(int4(1))])
    ops[0].abandon()
    assert drive(frontend, [data_row(int4(2)) + complete() + ready() + rows_answer(3) + ready()]) == ops
    assert (ops[0].is_abandoned, ops[0].take_rows(), [tuple(r) for r in ops[1].take_rows()]) == (True, [], [(3,)])


def test_a_lost_connection_gives_back_all_operations_oldest_first():
    frontend = ready_frontend()
    group = Group()
    ops = [execute(group), execute(group), execute(group)]
    submit_all(frontend, ops)
    drive(frontend, [rows_answer(1)])
    assert frontend.lose() == ops
    assert is_idle(frontend)
    assert frontend.lose() == []


def test_a_close_is_answered():
    assert CLOSED == b"3\0\0\0\4"
    frontend = ready_frontend()
    op = Close("x")
    frontend.submit(op)
    assert op.debts_left == [owed.CLOSE, owed.SYNC]
    assert drive(frontend, [CLOSED + ready()]) == [op]
    assert (op.error, op.name) == (None, "x")
