"""What travels in front of an operation, the reset of a session, and executemany."""

import struct

import pytest

from pgproto import owed
from pgproto.errors import DataError, PipelineAborted, ProtocolError
from pgproto.operations.extended import Close, Execute, ExecuteMany, Prepare, Script, named_script
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
    data_row,
    drive,
    error,
    int4,
    kinds,
    message,
    ready,
    ready_frontend,
    row_description,
    rows_answer,
    statement,
)
from tests.unit.core.test_groups import DONE, execute, is_idle, submit_all

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
    for make, answer in zip(makers, answers, strict=True):
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


@pytest.mark.parametrize("sql", ["selec 1", "copy t"])
def test_an_error_of_a_simple_query_is_not_its_preludes(sql):
    frontend = ready_frontend()
    op, behind = SimpleQuery(sql), SimpleQuery("select 2")
    op.prelude = ("BEGIN", "SAVEPOINT a")
    frontend.submit(op)
    assert frontend.may_submit(behind) == (sql == "selec 1"), "the Sync of what may copy is not written yet"
    frontend.take_output()
    assert drive(frontend, [DONE * 2 + error("no", "42601", P="1") + ready("E")]) == []
    assert frontend.take_output() == (SYNC if sql == "copy t" else b"")
    assert (frontend.transaction_status, op.debts_left) == ("E", [owed.SYNC])
    assert drive(frontend, [ready("E")]) == [op]
    assert (op.error.args, op.error.position, op.failed_in_prelude, op.tag) == (("no",), "1", False, None)
    assert is_idle(frontend) and frontend.may_submit(behind)


@pytest.mark.parametrize("sql", ["select 1", "copy t"])
@pytest.mark.parametrize("n_answered", range(6))
def test_a_simple_query_whose_prelude_fails_is_skipped(sql, n_answered):
    frontend = ready_frontend()
    op = SimpleQuery(sql)
    op.prelude = ("BEGIN", "SAVEPOINT a")
    frontend.submit(op)
    frontend.take_output()
    steps = [PARSED, BOUND, complete("BEGIN")] * 2
    drive(frontend, [b"".join(steps[:n_answered]) + error("no")])
    assert frontend.take_output() == (SYNC if sql == "copy t" else b"")
    assert drive(frontend, [ready()]) == [op]
    assert (op.error.args, op.failed_in_prelude, op.was_bound, op.tag) == (("no",), True, False, None)
    assert is_idle(frontend)


def test_the_tag_of_a_simple_query_is_not_its_preludes():
    frontend = ready_frontend()
    op, behind = SimpleQuery("create table t (a int)"), SimpleQuery("select 2")
    op.prelude = ("BEGIN",)
    submit_all(frontend, [op, behind])
    assert drive(frontend, [DONE + complete("CREATE TABLE") + ready("T") + ready("T"), complete() + ready("T")]) == [
        op, behind]
    assert (op.tag, op.error, behind.tag, frontend.transaction_status) == ("CREATE TABLE", None, "SELECT 1", "T")


def test_an_error_that_refuses_changes_still_gets_its_facts():
    frontend = ready_frontend()
    many, simple = ExecuteMany(statement(), [(), ()]), SimpleQuery("do $$ .. $$")
    simple.prelude = ("BEGIN",)
    submit_all(frontend, [many, simple])
    assert drive(
        frontend,
        [rows_answer(1) + error("w", "01000") + ready() + DONE + error("w", "01000", P="3") + ready() * 2],
    ) == [many, simple]
    assert (many.error.batch_index, simple.error.position) == (1, "3")


# Scripts: the reset of a session, and what shares its Sync


def shared_script():
    script = Script(("ROLLBACK", "COMMIT"))
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
    script = Script(("", "COMMIT"))
    frontend.submit(script)
    assert drive(frontend, [PARSED + BOUND + message("I") + DONE + ready()]) == [script]
    assert (script.error, script.answered, script.is_durable, script.statements) == (None, 2, True, ("", "COMMIT"))


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


def test_a_script_that_shares_a_sync_which_fails_was_not_executed():
    frontend = ready_frontend()
    script, op = Script(("RESET ALL",)), Execute(statement(), (), Records())
    script.ends_group = False
    submit_all(frontend, [script, op])
    answer = PARSED + BOUND + complete("RESET") + rows_answer(1) + error("deferred") + ready()
    assert drive(frontend, [answer]) == [script, op]
    assert op.error.args == ("deferred",) and isinstance(script.error, PipelineAborted)
    assert script.error.__cause__ is op.error


def test_a_script_with_names_is_parsed_once():
    frontend, statements = ready_frontend(), ("RESET ALL", "COMMIT")
    first, again = named_script(statements, "reset")
    assert (kinds(first), kinds(again)) == ("PBEPBE", "BEBE")
    assert [name in again and name in first for name in (b"reset_0\0", b"reset_1\0")] == [True, True]
    assert again.endswith(message("E", struct.pack("!xi", 0))) and again.count(message("E", struct.pack("!xi", 0))) == 2
    script = Script(statements, first)
    assert submit_all(frontend, [script]) == first + SYNC
    assert drive(frontend, [DONE * 2 + ready()]) == [script] and script.is_durable
    for _ in range(2):
        script = Script(statements, again, parses=False)
        assert submit_all(frontend, [script]) == again + SYNC
        assert drive(frontend, [(BOUND + complete("COMMIT")) * 2 + ready()]) == [script]
        assert (script.error, script.answered, script.is_durable) == (None, 2, True) and is_idle(frontend)


def test_a_script_with_names_is_not_answered_with_a_parse():
    frontend = ready_frontend()
    frontend.submit(Script(("COMMIT",), named_script(("COMMIT",), "reset")[1], parses=False))
    with pytest.raises(ProtocolError):
        drive(frontend, [PARSED])


@pytest.mark.parametrize(("tags", "n"), [
    (["DISCARD ALL"], (1, 1)), (["DEALLOCATE ALL"], (1, 1)), (["SELECT 1", "DEALLOCATE ALL", "DISCARD ALL"], (2, 2)),
    (["DEALLOCATE"], (0, 1)), (["DISCARD TEMP"], (0, 0)), (["DELETE 1234567890"], (0, 0)), (["DISCARD"], (0, 0)),
    (["D"], (0, 0)), ([""], (0, 0))])
def test_commands_that_drop_prepared_statements_are_counted(tags, n):
    frontend = ready_frontend()
    op = SimpleQuery("; ".join(tags))
    frontend.submit(op)
    assert drive(frontend, [b"".join(map(complete, tags)) + ready()]) == [op] and op.error is None
    assert (frontend.n_deallocations_of_all, frontend.n_deallocations) == n


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


def test_an_executemany_that_grows_knows_where_its_prelude_ended():
    def grown(n_answered):
        frontend = ready_frontend()
        op = ExecuteMany(statement(), iter([()] * 40), Records(), chunk=1)
        op.prelude = ("BEGIN", "SAVEPOINT a")
        frontend.submit(op)
        steps = [PARSED, BOUND, complete("BEGIN")] * 2
        drive(frontend, steps[:n_answered])
        for _ in range(12):
            frontend.put_more(op)
        return frontend, op, b"".join(steps[n_answered:])

    for n_answered in range(7):
        frontend, op, rest = grown(n_answered)
        assert drive(frontend, [rest + error("no") + ready()]) == [op]
        assert (op.failed_in_prelude, op.was_bound, op.error.args) == (False, False, ("no",))
        frontend, op, rest = grown(n_answered)
        drive(frontend, [rest + rows_answer(1) + rows_answer(2)])
        assert ([tuple(row) for row in op.take_rows()], op.n_done, op.was_bound) == ([(1,), (2,)], 2, True)
        if n_answered < 6:
            frontend, op, _ = grown(n_answered)
            assert drive(frontend, [error("no") + ready()]) == [op]
            assert op.failed_in_prelude


def test_an_executemany_of_one_element_says_that_it_was_bound():
    frontend = ready_frontend()
    op = ExecuteMany(statement(), [()])
    frontend.submit(op)
    assert drive(frontend, [rows_answer(1) + ready()]) == [op]
    assert op.was_bound
