"""The public names of all errors, as asyncpg.exceptions has them, and ours.

The classes are pgproto's; what is added here are the timeouts, which callers catch as `asyncio.TimeoutError`.
"""
from __future__ import annotations

import asyncio
import sys

from pgproto import sqlstate as _sqlstate
from pgproto.error_base import VALUES_ARE_SHOWN
from pgproto.errors import (
    ClientConfigurationError,
    DecodeError,
    FatalPostgresError,
    InterfaceError,
    InterfaceWarning,
    InternalClientError,
    InvalidCachedStatementError,
    OutdatedSchemaCacheError,
    OutOfRange,
    PipelineAborted,
    PoolClosed,
    PostgresError,
    PostgresLogMessage,
    ProtocolError,
    TargetServerAttributeNotMatched,
    TooManyRequests,
    TransactionRolledBackError,
    UnknownPostgresError,
    UnsupportedClientFeatureError,
    UnsupportedServerFeatureError,
)
from pgproto.sqlstate import *  # noqa: F403  # 262 generated names
from pgproto.sqlstate import ConnectionDoesNotExistError, TransactionResolutionUnknownError

if sys.version_info >= (3, 11):
    class _TimedOut(TimeoutError):
        """asyncio's and the builtin TimeoutError are one class."""

        def __init__(self, *args: object, **facts: object) -> None:
            super().__init__(*args)
            self.__dict__.update(facts)
else:
    class _TimedOut(asyncio.TimeoutError, TimeoutError):
        """Caught under either name."""

        def __init__(self, *args: object, **facts: object) -> None:
            super().__init__(*args)
            self.__dict__.update(facts)


def show_values(is_wanted: bool) -> None:
    """Say whether the texts of errors, in this process, may show DETAIL and the values of arguments; True at first.

    For logs that must not hold what is in the tables. The attributes of an error keep everything.
    """
    VALUES_ARE_SHOWN[0] = bool(is_wanted)


class QueryTimeout(_TimedOut):
    """The time given for an operation is over; the text says what was waited for."""


class PoolTimeout(_TimedOut):
    """No connection of the pool became free in the time given."""


OUTCOME_UNKNOWN = "the outcome of the COMMIT is unknown"


class CommitTimeout(TransactionResolutionUnknownError, QueryTimeout):
    """COMMIT has not been answered in time: it may or may not have happened."""


class CommitConnectionLost(TransactionResolutionUnknownError, ConnectionDoesNotExistError):
    """The connection was lost after COMMIT was sent: it may or may not have happened."""


__all__ = [
    "ClientConfigurationError",
    "DecodeError",
    "FatalPostgresError",
    "InterfaceError",
    "InterfaceWarning",
    "InternalClientError",
    "InvalidCachedStatementError",
    "OutOfRange",
    "OutdatedSchemaCacheError",
    "PipelineAborted",
    "PoolClosed",
    "PoolTimeout",
    "PostgresError",
    "PostgresLogMessage",
    "ProtocolError",
    "QueryTimeout",
    "TargetServerAttributeNotMatched",
    "TooManyRequests",
    "TransactionRolledBackError",
    "UnknownPostgresError",
    "UnsupportedClientFeatureError",
    "UnsupportedServerFeatureError",
]
__all__ += _sqlstate.__all__
