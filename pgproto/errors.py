"""Every error that pgproto raises, named by whose fault it is.

The server's: PostgresError and the classes of sqlstate.py, re-exported here. The caller's: InterfaceError. The peer's,
who broke the protocol: ProtocolError. Ours: InternalClientError. Facts are attributes as well as text: the constructors
take them as keywords. What must be an asyncio timeout is in asyncpg_core.exceptions, since nothing here knows asyncio.
"""
from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice

from pgproto import sqlstate
from pgproto.error_base import (
    FIELD_ATTRIBUTES,
    VALUES_ARE_SHOWN,
    FatalPostgresError,
    PostgresError,
    PostgresLogMessage,
    PostgresMessage,
    UnknownPostgresError,
    class_of_sqlstate,
    text_with_detail_and_hint,
)
from pgproto.sqlstate import *  # noqa: F403  # 262 generated names
from pgproto.sqlstate import FeatureNotSupportedError, InFailedSQLTransactionError

if sys.version_info >= (3, 11):
    from typing import Self
else:
    from typing import Any as Self


class InterfaceMessage:
    """A text with an optional detail and hint, as the server's errors have them."""

    args: tuple[object, ...]
    detail: str | None
    hint: str | None

    def __str__(self) -> str:
        return text_with_detail_and_hint(self.args, self.detail, self.hint)


class InterfaceError(InterfaceMessage, Exception):
    """The API was used in a way that cannot work."""

    def __init__(self, msg: object, *, detail: str | None = None, hint: str | None = None, **facts: object) -> None:
        super().__init__(msg)
        self.detail = detail
        self.hint = hint
        self.__dict__.update(facts)

    def with_msg(self, msg: str) -> Self:
        """Return this error under another text, with its detail, hint, facts and traceback."""
        twin = type(self)(msg)
        twin.__dict__.update(self.__dict__)
        return twin.with_traceback(self.__traceback__)


class ClientConfigurationError(InterfaceError, ValueError):
    """Connection settings that contradict each other or have no meaning."""


class UnsupportedClientFeatureError(InterfaceError):
    """The server asks for something that this client does not do."""


class UnsupportedServerFeatureError(InterfaceError):
    """The caller asks for something that this server does not do."""


class PipelineAborted(InterfaceError):
    """Not executed: another operation of the same Sync group failed, and is the `__cause__`."""


class PoolClosed(InterfaceError):
    """The pool is closing or closed."""


class TooManyRequests(InterfaceError):
    """More callers wait for a connection than the pool lets wait."""


class DecodeError(InterfaceError, ValueError):
    """A value of the server's that its codec cannot read; names column and type."""


class OutOfRange(DecodeError, OverflowError):
    """A value that PostgreSQL can hold and the Python type cannot."""


class InterfaceWarning(InterfaceMessage, UserWarning):
    """The API was used in a way that is probably not what was meant."""

    def __init__(self, msg: object, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(msg)
        self.detail = detail
        self.hint = hint


class InternalClientError(Exception):
    """Two facts inside the client contradict each other, or the peer cannot be understood."""

    def __init__(self, *args: object, **facts: object) -> None:
        super().__init__(*args)
        self.__dict__.update(facts)


class ProtocolError(InternalClientError):
    """The peer sent what the protocol does not allow here; the connection is dead."""


class OutdatedSchemaCacheError(InternalClientError):
    """A value does not fit the description that was remembered of its type."""

    schema_name: str | None
    data_type_name: str | None
    position: str | None

    def __init__(
        self, msg: str, *, schema: str | None = None, data_type: str | None = None, position: str | None = None
    ) -> None:
        super().__init__(msg, schema_name=schema, data_type_name=data_type, position=position)


class TargetServerAttributeNotMatched(InternalClientError):
    """A server answered that is not of the kind `target_session_attrs` asks for."""


class InvalidCachedStatementError(FeatureNotSupportedError):
    """A prepared statement's result changed with the schema: 0A000 by its code, though not that code's class."""


class TransactionRolledBackError(InFailedSQLTransactionError):
    """The server answered COMMIT with ROLLBACK; the failure that broke the transaction is the `__cause__`."""


class MalformedBody(ValueError):
    """A message's or value's body is short, long or wrong inside its frame.

    Internal: who reads a message makes a ProtocolError of it, who decodes a value a DecodeError. Users never see it.
    """


# Characters of a value that an error's text has.
SHOWN = 40


def shown(value: object) -> str:
    """Return the repr of a value as an error's text has it: its beginning, whatever the value does."""
    try:
        text = beginning_of(value, 8)
    except Exception as error:  # a value that cannot even show itself must not hide which one it is
        text = f"<{type(value).__name__}: repr() raised {type(error).__name__}>"
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def beginning_of(value: object, level: int) -> str:
    """Return what the repr of a value begins with: that of a gigabyte would take four, and half a minute."""
    if isinstance(value, (str, bytes, bytearray)):
        # Of a subclass, only what it shows itself is known.
        return repr(value[:SHOWN + 1] if type(value) in (str, bytes, bytearray) else value)
    if type(value) not in (list, tuple, dict):
        return repr(value)
    if level == 0:
        return "..."
    if isinstance(value, dict):
        pairs = islice(value.items(), SHOWN)
        return "{" + ", ".join([f"{beginning_of(k, level - 1)}: {beginning_of(v, level - 1)}" for k, v in pairs]) + "}"
    assert isinstance(value, (list, tuple))
    inner = ", ".join([beginning_of(item, level - 1) for item in islice(value, SHOWN)])
    if isinstance(value, list):
        return f"[{inner}]"
    return f"({inner},)" if len(value) == 1 else f"({inner})"


def told_of(value: object, type_name: str, error: object) -> str:
    """Return what an error tells of a value that does not fit a type; the bracket is left open for the place in it."""
    if VALUES_ARE_SHOWN[0]:
        return f"{shown(value)} ({type_name}: {error}"
    return f"a value of type {type(value).__name__}, which is not shown ({type_name}"


def shown_cause(error: BaseException) -> BaseException | None:
    """Return what an error may name as its cause: nothing where a text could hold a value that is not to be shown."""
    return error if VALUES_ARE_SHOWN[0] else None


# The server's function that refuses a prepared statement whose result has changed; 0A000 has many other uses.
STALE_PLAN_FUNCTION = "RevalidateCachedQuery"
STALE_PLAN = "cached statement plan is invalid due to a database schema or configuration change"
_NOTICE_SEVERITIES = frozenset({"WARNING", "NOTICE", "DEBUG", "INFO", "LOG"})


def server_message(fields: Mapping[str, str], query: str | None = None) -> PostgresMessage:
    """Return the object for an ErrorResponse's or NoticeResponse's fields, told apart by their severity.

    `fields` is keyed by the one-letter codes of the protocol. Who knows the message's type asks `PostgresError.new` or
    `PostgresLogMessage.new` instead: there, the severity is the server's word alone. A severity in another language (a
    server before 9.6 sends no V) counts as an error.
    """
    severity = fields.get("V") or fields.get("S")
    if severity in _NOTICE_SEVERITIES:
        return PostgresLogMessage.new(fields, query)
    return server_error(fields, query)


def server_error(fields: Mapping[str, str], query: str | None = None) -> PostgresError:
    """Return the exception of an ErrorResponse; that of a plan which no longer fits is InvalidCachedStatementError."""
    if fields.get("C") == "0A000" and fields.get("R") == STALE_PLAN_FUNCTION:
        stale = InvalidCachedStatementError(f"{STALE_PLAN}: {fields.get('M', '')}")
        stale.hold(fields, query)
        return stale
    return PostgresError.new(fields, query)


__all__ = [
    "FIELD_ATTRIBUTES",
    "ClientConfigurationError",
    "DecodeError",
    "FatalPostgresError",
    "InterfaceError",
    "InterfaceMessage",
    "InterfaceWarning",
    "InternalClientError",
    "InvalidCachedStatementError",
    "MalformedBody",
    "OutOfRange",
    "OutdatedSchemaCacheError",
    "PipelineAborted",
    "PoolClosed",
    "PostgresError",
    "PostgresLogMessage",
    "PostgresMessage",
    "ProtocolError",
    "TargetServerAttributeNotMatched",
    "TooManyRequests",
    "TransactionRolledBackError",
    "UnknownPostgresError",
    "UnsupportedClientFeatureError",
    "UnsupportedServerFeatureError",
    "class_of_sqlstate",
    "server_error",
    "server_message",
]
__all__ += sqlstate.__all__
