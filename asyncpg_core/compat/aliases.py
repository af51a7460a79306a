"""asyncpg's private names for facts that our objects have under other names, or elsewhere.

Tests and programs that look behind asyncpg's API find here what they look for; nothing of ours reads it. Each is made
when it is asked for.
"""
from __future__ import annotations

from typing import Any

from asyncpg_core.compat import statements
from asyncpg_core.compat.pool import HolderQueue, PoolConnectionHolder, holders_of
from asyncpg_core.connection import Connection
from asyncpg_core.pool import Pool
from asyncpg_core.prepared_statement import PreparedStatement
from asyncpg_core.protocol.protocol import Protocol
from asyncpg_core.server_version import ServerCapabilities, capabilities
from asyncpg_core.transaction import Transaction


def stmt_cache(self: Connection[Any]) -> statements.StatementCacheView:
    """The statements that are remembered by their text."""
    return statements.StatementCacheView(self._protocol.session.statements)


def stmts_to_close(self: Connection[Any]) -> frozenset[str]:
    """The names that the server is to forget, with the next write."""
    return frozenset(self._protocol.session.statements.evicted)


def top_xact(self: Connection[Any]) -> Transaction | None:
    """The outermost open transaction; a pool's own connection has that of its borrower."""
    if self._top_transaction is None and self._pool is None and self._session.member is not None:
        borrower = self._session.member.face_alive()
        return None if borrower is None else borrower._top_transaction
    return self._top_transaction


def server_caps(self: Connection[Any]) -> ServerCapabilities:
    """What the server can do."""
    return capabilities(self.get_server_version(), self._session.frontend.parameters)


def cancellations(self: Connection[Any]) -> set[Any]:
    """The task of the CancelRequest that is under way."""
    canceller = self._protocol.session.canceller
    return {canceller.task} if canceller.op is not None else set()


def query_loggers(self: Connection[Any]) -> Any:
    """The callbacks that are told of queries; it has a length."""
    watchers = self._protocol.session.watchers
    return () if watchers is None else watchers.query_loggers


def pooled_connection(self: Connection[Any]) -> Any:
    """The connection of the pool behind one that is lent, None after the release."""
    if self._pool is None:
        raise AttributeError("_con: the connection is not one that a pool has lent")
    return None if self._lease is None else self._lease.connection


def holder(self: Connection[Any]) -> PoolConnectionHolder | None:
    """The place in the pool of a connection that is lent, None after the release."""
    if self._pool is None:
        raise AttributeError("_holder: the connection is not one that a pool has lent")
    return None if self._lease is None else PoolConnectionHolder(self._pool, self._lease)


def is_cancelling(self: Protocol) -> bool:
    """Whether a CancelRequest is under way."""
    return self.session.canceller.op is not None


PROPERTIES: dict[type, dict[str, Any]] = {
    Connection: {"_stmt_cache": stmt_cache, "_stmts_to_close": stmts_to_close, "_top_xact": top_xact,
                 "_server_caps": server_caps, "_cancellations": cancellations,
                 "_query_loggers": query_loggers, "_con": pooled_connection,
                 "_holder": holder},
    PreparedStatement: {"_state": lambda self: statements.state_of(self._statement)},
    Pool: {"_holders": holders_of, "_queue": HolderQueue},
}
METHODS: dict[type, dict[str, Any]] = {
    Connection: {"_prepare": statements.prepare},
    Protocol: {"_is_cancelling": is_cancelling},
}


def build() -> None:
    """Put the names into the classes."""
    for cls, names in PROPERTIES.items():
        for name, function in names.items():
            setattr(cls, name, property(function))
    for cls, names in METHODS.items():
        for name, function in names.items():
            setattr(cls, name, function)
    # The floor of a pool is kept by a timer, not by a task.
    setattr(Pool, "_maintenance_task", None)  # noqa: B010  # the name belongs to this package alone
