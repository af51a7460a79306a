"""Pipelines: whose error it is, what a group's Sync does, who may write, and what travels in front."""

import pytest

from pgproto.errors import DataError, InterfaceError, PipelineAborted, PostgresError
from pgproto.operations.extended import Close, Execute, ExecuteMany, Stream
from pgproto.operations.operation import Group
from pgproto.operations.simple import SimpleQuery
from pgproto.row_sinks import Records
from tests.support.backend_bytes import (
    BOUND,
    INT4,
    PARSED,
    SYNC,
    complete,
    copy_response,
    data_row,
    drive,
    error,
    int4,
    kinds,
    pieces,
    ready,
    ready_frontend,
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


@pytest.mark.parametrize(("value", "says"), [
    (b"12345678", "4 bytes are left over"), (b"123", "4 bytes were expected, 3 are left")])
def test_a_number_of_another_length_says_by_how_much(value, says):
    frontend = ready_frontend()
    op = execute()
    submit_all(frontend, [op])
    drive(frontend, [BOUND + data_row(value) + complete("SELECT 1") + ready()])
    assert says in f"{op.error} {op.error.__cause__}"


def test_rows_behind_one_that_cannot_be_read_are_not_kept():
    frontend = ready_frontend()
    op, behind = execute(), execute()
    submit_all(frontend, [op, behind])
    answer = BOUND + data_row(b"too long") + data_row(int4(2)) + complete("SELECT 2") + ready()
    assert drive(frontend, [answer, rows_answer(3) + ready()]) == [op, behind]
    assert op.take_rows() == [] and outcome(op)[3] is not None
    assert outcome(behind)[1:4] == ([(3,)], "SELECT 1", None)
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


def test_a_chunk_of_executemany_that_is_just_full_takes_no_more_elements():
    whole = submit_all(ready_frontend(), [ExecuteMany(statement(), iter([()]))])
    n_bytes = len(whole) - len(SYNC)
    for chunk, expected in ((n_bytes - 1, "BE"), (n_bytes, "BE"), (n_bytes + 1, "BEBE")):
        frontend = ready_frontend()
        assert kinds(submit_all(frontend, [ExecuteMany(statement(), iter([()] * 3), chunk=chunk)])) == expected


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


def test_a_member_that_is_not_wholly_written_when_its_group_fails_writes_no_more():
    frontend = ready_frontend()
    group = Group()
    many = ExecuteMany(statement(), iter([()] * 9), chunk=1)
    many.group = group
    many.ends_group = False
    submit_all(frontend, [execute(group), many])
    assert drive(frontend, [rows_answer(1) + error("no")]) == []
    assert (frontend.take_output(), many.is_open, frontend.is_gated) == (SYNC, False, False)
    frontend.put_more(many)
    assert (frontend.take_output(), frontend.may_submit(execute())) == (b"", True)
    assert len(drive(frontend, [ready()])) == 3
    assert is_idle(frontend)


def test_the_first_error_of_a_group_stays_its_error():
    frontend = ready_frontend()
    group = Group()
    first = execute(group)
    many = ExecuteMany(statement(parameters=[INT4]), iter([(1,), (2,), ("x",)]), chunk=1)
    many.group = group
    many.ends_group = False
    submit_all(frontend, [first, many])
    frontend.take_output()
    drive(frontend, [error("22012")])
    reported = group.error
    assert isinstance(reported, PostgresError) and reported is first.error
    while many.is_open:
        frontend.put_more(many)
    frontend.put_more(many)
    assert group.error is reported


def test_an_executemany_that_goes_well_leaves_its_group_without_an_error():
    frontend = ready_frontend()
    group = Group()
    many = ExecuteMany(statement(parameters=[INT4]), iter([(1,), (2,)]), chunk=1)
    many.group = group
    many.ends_group = False
    submit_all(frontend, [many])
    while many.is_open:
        frontend.put_more(many)
        assert group.error is None
    frontend.end_group(group)
    drive(frontend, [rows_answer(1) + rows_answer(2) + ready()])
    assert group.error is None and many.error is None


def test_a_bad_element_outside_a_group_is_that_operations_own_error():
    frontend = ready_frontend()
    many = ExecuteMany(statement(parameters=[INT4]), iter([(1,), ("x",)]), chunk=1)
    submit_all(frontend, [many])
    frontend.put_more(many)
    assert isinstance(many.error, DataError) and many.group is None
