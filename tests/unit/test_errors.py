"""The exceptions: their tree against asyncpg's, and what a message of the server becomes."""
import asyncio
import copy
import pathlib
import pickle
import tracemalloc
import warnings

import pytest

from asyncpg_core import exceptions
from asyncpg_core.healing import POOLER_HINT, hint_at_poolers
from pgproto import errors
from tools import generate_sqlstate

FIELDS = {
    "S": "FEHLER", "V": "ERROR", "C": "23505", "M": "duplicate key", "D": "Key (a)=(1)", "H": "try 2", "P": "7",
    "p": "8", "q": "select 1", "W": "PL/pgSQL", "s": "public", "t": "t", "c": "a", "d": "int4", "n": "t_pkey",
    "F": "nbtinsert.c", "L": "666", "R": "_bt_check_unique",
}  # fmt: skip
NAMES = (pathlib.Path(__file__).parent / "exception_names.txt").read_text().splitlines()[1:]
OURS = {
    "PipelineAborted", "TransactionRolledBackError", "QueryTimeout", "PoolTimeout", "PoolClosed", "TooManyRequests",
    "DecodeError", "OutOfRange",
}  # fmt: skip


def test_all_names_are_asyncpgs_and_the_new_ones():
    assert set(exceptions.__all__) == {line.split()[0] for line in NAMES} | OURS
    assert len(NAMES) == 276
    assert len(exceptions.__all__) == len(set(exceptions.__all__))


@pytest.mark.parametrize("line", NAMES)
def test_class_has_asyncpgs_ancestors_and_sqlstate(line):
    name, ancestors, sqlstate = line.split()
    cls = getattr(exceptions, name)
    assert [base.__name__ for base in cls.__mro__[1:-1]] == ancestors.split(",")
    assert (cls.__dict__.get("sqlstate") or "-") == sqlstate
    assert getattr(errors, name) is cls


def test_generated_module_is_up_to_date():
    assert generate_sqlstate.generate(generate_sqlstate.SOURCE.read_text()) == generate_sqlstate.TARGET.read_text()


def test_new_classes_state_no_sqlstate_and_have_their_bases():
    for name in OURS:
        assert "sqlstate" not in getattr(exceptions, name).__dict__
    assert issubclass(exceptions.PipelineAborted, exceptions.InterfaceError)
    assert issubclass(exceptions.TransactionRolledBackError, exceptions.InFailedSQLTransactionError)
    for timeout in (exceptions.QueryTimeout, exceptions.PoolTimeout):
        assert issubclass(timeout, asyncio.TimeoutError)
        assert issubclass(timeout, TimeoutError)
    assert issubclass(exceptions.PoolClosed, exceptions.InterfaceError)
    assert issubclass(exceptions.TooManyRequests, exceptions.InterfaceError)
    assert exceptions.DecodeError.__bases__ == (exceptions.InterfaceError, ValueError)
    assert exceptions.OutOfRange.__bases__ == (exceptions.DecodeError, OverflowError)


def test_every_field_becomes_an_attribute():
    error = errors.PostgresError.new(FIELDS, query="insert")
    assert type(error) is errors.UniqueViolationError
    assert {code: getattr(error, name) for code, name in errors.FIELD_ATTRIBUTES.items()} == FIELDS
    assert error.query == "insert"
    assert error.args == ("duplicate key",)
    assert error.as_dict() == {name: FIELDS[code] for code, name in errors.FIELD_ATTRIBUTES.items()}
    assert str(error) == "duplicate key\nDETAIL:  Key (a)=(1)\nHINT:  try 2"


def test_absent_fields_are_none_and_absent_from_as_dict():
    error = errors.PostgresError.new({"C": "42P01", "M": "no table"})
    assert error.detail is None
    assert error.severity is None
    assert error.query is None
    assert error.as_dict() == {"sqlstate": "42P01", "message": "no table"}
    assert str(error) == "no table"


def test_field_codes_of_a_later_version_are_dropped():
    error = errors.PostgresError.new({"C": "42P01", "M": "x", "Z": "?"})
    assert error.as_dict() == {"sqlstate": "42P01", "message": "x"}


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("23505", errors.UniqueViolationError),
        ("22999", errors.DataError),
        ("08ZZZ", errors.PostgresConnectionError),
        ("0A000", errors.FeatureNotSupportedError),
        ("25P02", errors.InFailedSQLTransactionError),
        ("10999", errors.UnknownPostgresError),
        ("ZX999", errors.UnknownPostgresError),
        ("01999", errors.UnknownPostgresError),
        ("01004", errors.StringDataRightTruncation),
        ("", errors.UnknownPostgresError),
        ("22", errors.DataError),
        ("\u1234", errors.UnknownPostgresError),
    ],
)
def test_sqlstate_of_an_error_decides_its_class(sqlstate, expected):
    error = errors.PostgresError.new({"S": "ERROR", "C": sqlstate, "M": "x"})
    assert type(error) is expected
    assert error.sqlstate == sqlstate
    assert isinstance(error, Exception)


def test_error_without_any_field_is_unknown():
    error = errors.PostgresError.new({})
    assert type(error) is errors.UnknownPostgresError
    assert (error.sqlstate, error.message, str(error)) == (None, None, "")


def test_user_class_is_used_for_its_sqlstate_and_a_taken_code_is_refused():
    class OutOfCoffee(errors.PostgresError):
        sqlstate = "ZC001"

    assert type(errors.PostgresError.new({"C": "ZC001"})) is OutOfCoffee
    with pytest.raises(TypeError, match="'ZC001', which is already defined by OutOfCoffee"):

        class OutOfTea(errors.PostgresError):
            sqlstate = "ZC001"

    with pytest.raises(TypeError, match="UniqueViolationError"):

        class Mine(errors.UniqueViolationError):
            sqlstate = "23505"


def test_subclass_without_own_sqlstate_shadows_nobody():
    class Mine(errors.UniqueViolationError):
        pass

    assert Mine("x").sqlstate == "23505"
    assert type(errors.PostgresError.new({"C": "23505"})) is errors.UniqueViolationError
    assert errors.InvalidCachedStatementError("x").sqlstate == "0A000"
    assert errors.TransactionRolledBackError("x").sqlstate == "25P02"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"S": "NOTICE", "V": "NOTICE", "C": "00000"}, errors.PostgresLogMessage),
        ({"S": "WARNING", "V": "WARNING", "C": "00999"}, errors.PostgresWarning),
        ({"S": "WARNUNG", "V": "WARNING", "C": "99999"}, errors.PostgresWarning),
        ({"S": "WARNING", "C": "99999"}, errors.PostgresWarning),
        ({"S": "WARNING", "V": "WARNING", "C": "01003"}, errors.NullValueEliminatedInSetFunction),
        ({"S": "NOTICE", "V": "NOTICE", "C": "02000"}, errors.NoData),
        ({"S": "NOTICE", "V": "NOTICE", "C": "42P07"}, errors.DuplicateTableError),
        ({"S": "NOTICE", "V": "NOTICE", "C": "22999"}, errors.PostgresLogMessage),
        ({"S": "LOG", "V": "LOG"}, errors.PostgresLogMessage),
    ],
)
def test_notice_class_is_of_its_sqlstate_or_severity(fields, expected):
    notice = errors.server_message({**fields, "M": "x", "D": "d"}, "q")
    assert type(notice) is expected
    assert (notice.message, notice.detail, notice.query, notice.severity) == ("x", "d", "q", fields["S"])


def test_server_message_tells_errors_from_notices_by_severity():
    assert type(errors.server_message({"V": "FATAL", "C": "57P01"})) is errors.AdminShutdownError
    assert type(errors.server_message({"S": "ПАНИКА"})) is errors.UnknownPostgresError
    assert type(errors.server_message({})) is errors.UnknownPostgresError


@pytest.mark.parametrize("sqlstate", ["00000", "01000"])
def test_log_message_is_immutable(sqlstate):
    notice = errors.PostgresLogMessage.new({"V": "NOTICE", "C": sqlstate, "M": "x"})
    with pytest.raises(TypeError, match=f"instances of {type(notice).__name__} are immutable"):
        notice.message = "y"
    assert str(notice) == f"{type(notice).__name__}: x"


def test_postgres_warning_can_be_issued_and_raised():
    warning = errors.PostgresLogMessage.new({"V": "WARNING", "C": "01000", "M": "x"})
    with warnings.catch_warnings(), pytest.raises(errors.PostgresWarning) as caught:
        warnings.simplefilter("error")
        warnings.warn(warning, stacklevel=1)
    assert caught.value is warning
    warning.__traceback__ = None


def test_facts_become_attributes():
    error = errors.DataError("bad $2", parameter=2, type_name="numeric")
    assert (error.args, error.parameter, error.type_name, error.sqlstate) == (("bad $2",), 2, "numeric", "22000")
    assert errors.DecodeError("bad", column="a", type_name="int4").column == "a"
    assert errors.ProtocolError("bad", message_type=b"D").message_type == b"D"
    assert exceptions.QueryTimeout("late", timeout_seconds=1.5).timeout_seconds == 1.5


def test_interface_error_has_detail_hint_and_another_text():
    error = errors.OutOfRange("a", detail="d", hint="h", column="c")
    assert str(error) == "a\nDETAIL:  d\nHINT:  h"
    other = error.with_msg("b")
    assert type(other) is errors.OutOfRange
    assert (other.args, other.detail, other.hint, other.column) == (("b",), "d", "h", "c")
    assert str(errors.InterfaceWarning("w", hint="h")) == "w\nHINT:  h"


def test_outdated_schema_cache_error_names_the_type():
    error = errors.OutdatedSchemaCacheError("m", schema="s", data_type="t", position="1")
    assert (error.schema_name, error.data_type_name, error.position, str(error)) == ("s", "t", "1", "m")


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize(
    "original",
    [
        errors.PostgresError.new(FIELDS, "q"),
        errors.PostgresError.new({"C": "22999", "M": "x"}),
        errors.PostgresLogMessage.new({"V": "NOTICE", "C": "00000", "M": "x"}),
        errors.PostgresLogMessage.new({"V": "WARNING", "C": "01000", "M": "x"}),
        errors.DataError("x", parameter=1),
        errors.OutOfRange("x", detail="d", column="c"),
        errors.InterfaceWarning("x", detail="d"),
        errors.OutdatedSchemaCacheError("x", schema="s"),
        errors.MalformedBody("x"),
        exceptions.PoolTimeout("x", waiting=3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_pickle_and_copy_with_their_attributes(original, twin):
    copied = twin(original)
    assert type(copied) is type(original)
    assert copied.__dict__ == original.__dict__
    assert str(copied) == str(original)


def test_a_stale_plan_is_told_from_other_features_that_are_not_supported():
    fields = {"S": "ERROR", "V": "ERROR", "C": "0A000", "M": "cached plan must not change result type"}
    stale = errors.server_message({**fields, "R": "RevalidateCachedQuery"})
    assert type(stale) is errors.InvalidCachedStatementError
    assert (stale.sqlstate, str(stale)) == ("0A000", f"{errors.STALE_PLAN}: cached plan must not change result type")
    assert stale.message == "cached plan must not change result type"
    assert type(errors.server_message(fields)) is exceptions.FeatureNotSupportedError


@pytest.mark.parametrize("sqlstate", ["26000", "42P05"])
def test_an_error_about_a_statements_name_hints_at_poolers_behind_the_servers_own_hint(sqlstate):
    alone = errors.server_error({"C": sqlstate, "M": "no"})
    hint_at_poolers(alone)
    assert alone.hint == POOLER_HINT
    for word in ("pgbouncer", "statement_cache_size=0"):
        assert word in alone.hint
    hinted = errors.server_error({"C": sqlstate, "M": "no", "H": "the server's"})
    hint_at_poolers(hinted)
    assert hinted.hint == f"the server's\n{POOLER_HINT}"
    other = errors.server_error({"C": "22012", "M": "division by zero"})
    hint_at_poolers(other)
    assert other.hint is None


@pytest.mark.parametrize("value", [
    5, "x", "it's", b"\0", [], (), {}, (1,), [1, "a", None], {"a": [1], 2: (3,)}, bytearray(b"x"), {1, 2}, "x" * 38,
    "x" * 39, "x" * 100, b"\0" * 100, ["x" * 100, 5], [[1, 2]] * 30, {"k" * 50: 1}, tuple(range(100)), [[[1, [2]]]]])
def test_a_value_is_shown_by_the_beginning_of_its_repr(value):
    assert errors.shown(value) == (repr(value) if len(repr(value)) <= 40 else repr(value)[:40] + "...")


def test_a_huge_value_is_shown_without_its_whole_repr():
    huge = bytes(1 << 30)       # zeros that nobody has touched take no memory
    tracemalloc.start()
    for value in (huge, [huge], {"a": huge}, [[huge, huge]] * 3, (huge,) * 10_000, [0] * 1_000_000):
        assert len(errors.shown(value)) <= 43
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    nested = []
    nested.append(nested)
    assert errors.shown(nested) == "[[[[[[[[...]]]]]]]]"
