"""When a failed call may be executed once more, and what a lost one is told: pure decisions.

The rule of every transparent retry: at most once, and only if the server provably kept no effect: its error came before
BindComplete, or it is a single SELECT, INSERT, UPDATE, DELETE or MERGE outside a transaction whose error says that it
was rolled back. Whether it is outside a transaction is the session's knowledge.
"""
from __future__ import annotations

import re

from asyncpg_core.exceptions import OUTCOME_UNKNOWN, CommitConnectionLost
from pgproto.errors import (
    ConnectionDoesNotExistError,
    DecodeError,
    InvalidCachedStatementError,
    OutdatedSchemaCacheError,
    PostgresError,
)

# A description remembered by the client may be out of date in any of these ways; Parse with it is refused by class 42.
STALE_NAMED = {"26000", "42P05"}
# "cached plan must not change result type"
OUTDATED_PLAN = "0A000"
# Syntax error, undefined column, undefined operator: what the server makes of `= %s`.
PLACEHOLDER_ERRORS = {"42601", "42703", "42883"}
PLACEHOLDER_HINT = "Parameters are written $1, $2, .. in PostgreSQL; %s is not known to it."
POOLER_HINT = (
    "A pooler such as pgbouncer that hands the server's processes around by transaction or statement loses track of "
    "prepared statements: connect with prepare='never' (or statement_cache_size=0), or let it keep track of them "
    "(max_prepared_statements of pgbouncer 1.21 and later).")
# "unsupported startup parameter: jit", and newer "unsupported startup parameter in options: jit"
refused_parameter = re.compile(r"unsupported startup parameter(?: in options)?: (\S+)").search
# The server's functions that refuse a composite, or an array of one, with other attributes than it has.
LAYOUT_ERRORS = {"42804", "22P02"}
LAYOUT_FUNCTIONS = {"record_recv", "array_recv", "record_in"}
# What makes a transaction durable, and what may: a text with one of these words somewhere ends it, or may.
is_commit = re.compile(r"\s*(?:commit|end)\b", re.IGNORECASE).match
may_end_transaction = re.compile(
    r"\b(?:commit|end|rollback|abort|prepare\s+transaction)\b", re.IGNORECASE).search
plain_dml = re.compile(r"\s*(?:select|insert|update|delete|merge)\b", re.IGNORECASE).match


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, on Python 3.10 too."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]


def hint_at_placeholders(error: PostgresError, sql: str) -> None:
    """Say how parameters are written, to somebody whose error comes from %s or %(name)s."""
    if error.sqlstate in PLACEHOLDER_ERRORS and error.hint is None and ("%s" in sql or "%(" in sql):
        error.hint = PLACEHOLDER_HINT


def hint_at_poolers(error: PostgresError) -> None:
    """Say what most often makes a server forget a name, or know it already: that it is not the same server process."""
    if error.sqlstate in STALE_NAMED:
        error.hint = f"{error.hint}\n{POOLER_HINT}" if error.hint else POOLER_HINT


def hint_at_refused_parameter(error: PostgresError) -> None:
    """Say where a parameter comes from that a pooler does not take at the start of a session, and what else to do."""
    found = refused_parameter(error.message or "")
    if found is not None and error.hint is None:
        name = found[1].strip("\"'")
        error.hint = (
            f"A pooler takes only the parameters that it knows. {name!r} comes from server_settings, from the DSN or "
            f"from the environment: leave it out and SET {name} after connecting (a pool: in `init`), or let the "
            f"pooler ignore it (ignore_startup_parameters = {name} of pgbouncer).")


def heals(error: BaseException, *, is_named: bool, is_explicit: bool) -> bool:
    """Whether a new description of the statement is likely to cure `error`, which came before BindComplete."""
    if isinstance(error, DecodeError):
        # The rows may have come by a newer description, of types that nobody has asked about.
        return not is_named and not is_explicit
    if not isinstance(error, PostgresError):
        return False
    sqlstate = error.sqlstate or ""
    if sqlstate in STALE_NAMED:
        return True
    if is_explicit:
        return False
    if isinstance(error, InvalidCachedStatementError):
        return True
    if is_outdated_type(error):
        return True
    # Parse with remembered parameter types, after the columns have changed theirs, or Bind with formats for columns
    # that are more or fewer now.
    return not is_named and (sqlstate.startswith("42") or (
        sqlstate == "08P01" and (error.message or "").startswith("bind message has")))


def is_outdated_type(error: BaseException) -> bool:
    """Whether an error says that a type is not what we remember of it."""
    if not isinstance(error, PostgresError):
        return isinstance(error, OutdatedSchemaCacheError)
    if error.sqlstate == "XX000":
        return (error.message or "").startswith("cache lookup failed for type")
    return error.sqlstate in LAYOUT_ERRORS and error.server_source_function in LAYOUT_FUNCTIONS


def can_retry_after_cancel(error: BaseException, sql: str) -> bool:
    """Whether a neighbour of a cancelled statement was hit by the CancelRequest and can simply run again."""
    return isinstance(error, PostgresError) and error.sqlstate == "57014" and plain_dml(sql) is not None


def lost_error(
    error: BaseException | None, farewell: PostgresError | None, reason: BaseException | None, *, safe: bool,
    rolled_back: bool = False, sql: str | None = None,
) -> BaseException:
    """Return what an operation, of the text `sql`, is told whose connection is gone.

    `safe_to_retry` is True if the server cannot have executed it, and then its `outcome` is "not executed"; else that
    is "rolled back", or "unknown". The server's last words end the text and are the cause.
    """
    if isinstance(error, ConnectionDoesNotExistError):
        text = str(error)
    else:
        text = "connection was closed in the middle of operation"
    cause: BaseException | None = farewell or reason or error
    if farewell is not None:
        text += f": {farewell.message}"
    elif error is not None and not isinstance(error, ConnectionDoesNotExistError):
        text += f": {error}"
    is_unknown = not (safe or rolled_back)
    if is_unknown and sql is not None and is_commit(sql):
        lost: ConnectionDoesNotExistError = CommitConnectionLost(f"{OUTCOME_UNKNOWN}: {text}")
    else:
        lost = ConnectionDoesNotExistError(text)
    lost.safe_to_retry = safe
    lost.outcome = "not executed" if safe else "rolled back" if rolled_back else "unknown"
    lost.sqlstate_of_cause = farewell.sqlstate if farewell is not None else None
    if cause is not error or not isinstance(error, ConnectionDoesNotExistError):
        lost.__cause__ = cause
    return lost
