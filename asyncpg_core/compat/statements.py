"""The statements of a connection as asyncpg shows them: the cache, and the state of one statement."""
from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from asyncpg_core.prepared_statement import PreparedStatement, named_if_safe
from asyncpg_core.statement_cache import CachedStatement, StatementCache
from pgproto.statement import Statement


class StatementState:
    """What a prepared statement is to the server: one object for each, whoever refers to it."""

    __slots__ = ("__weakref__", "_statement")

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    @property
    def name(self) -> str:
        """The name that the server knows it by."""
        return self._statement.name

    @property
    def query(self) -> str:
        return self._statement.sql

    @property
    def closed(self) -> bool:
        """Whether it cannot be executed any more."""
        return self._statement.is_closed

    def mark_closed(self) -> None:
        """Let nobody execute it any more; the server is not told."""
        self._statement.is_closed = True


_states: weakref.WeakValueDictionary[int, StatementState] = weakref.WeakValueDictionary()


def state_of(statement: Statement) -> StatementState:
    """Return the state of a statement, the same one as long as somebody has it."""
    # A state holds its statement, so the id is not another's while the state is here.
    state = _states.get(id(statement))
    if state is None:
        state = _states[id(statement)] = StatementState(statement)
    return state


class StatementCacheView:
    """asyncpg's face of a StatementCache: what has a name on the server, which is nothing without a cache."""

    __slots__ = ("_cache",)

    def __init__(self, cache: StatementCache) -> None:
        self._cache = cache

    def __len__(self) -> int:
        return sum(1 for _ in self.iter_statements())

    def get_max_size(self) -> int:
        return self._cache.max_size

    def set_max_size(self, new_size: int) -> None:
        if new_size < 0:
            raise ValueError("the size of the cache is expected to be greater or equal to zero")
        self._cache.resize(new_size)

    def get_max_lifetime(self) -> float:
        return self._cache.lifetime

    def set_max_lifetime(self, new_lifetime: float) -> None:
        if new_lifetime < 0:
            raise ValueError("the lifetime of statements is expected to be greater or equal to zero")
        self._cache.limit_lifetime(new_lifetime)

    def get(self, query: Any, *, promote: bool = True) -> StatementState | None:
        """Return the statement of a text, or of a key that begins with it; None if it is not cached."""
        sql = query if isinstance(query, str) else query[0]
        for entry in self._described():
            if entry.sql == sql:
                return state_of(entry.statement)
        return None

    def has(self, query: Any) -> bool:
        return self.get(query) is not None

    def clear(self) -> None:
        self._cache.clear()

    def iter_statements(self) -> Iterator[StatementState]:
        """Yield the state of each statement."""
        for entry in self._described():
            yield state_of(entry.statement)

    def _described(self) -> list[Any]:
        return [entry for entry in self._cache.listed() if entry.name and entry.statement is not None]


class CachedPreparedStatement(PreparedStatement[Any]):
    """A face of a statement of the cache, which keeps it when nobody refers to this any more."""

    def __init__(self, connection: Any, entry: CachedStatement, record_class: Any) -> None:
        assert entry.statement is not None
        super().__init__(connection, entry.statement, record_class)

    def __del__(self) -> None:
        pass    # the cache knows when the server is to forget it


async def prepare(
    connection: Any, query: str, *, name: str | None = None, timeout: float | None = None, use_cache: bool = False,
    record_class: Any = None,
) -> Any:
    """Return a prepared statement; with `use_cache` one of the connection's cache."""
    if not use_cache or name:
        return await connection.prepare(query, name=name, timeout=timeout, record_class=record_class)
    entry = await connection._calls.describe("prepare", query, timeout)
    session = connection._session
    if not entry.name and session.statements.may_name:
        # It was described before anybody knew who answers.
        entry.learn(named_if_safe(session, entry.statement))
    return CachedPreparedStatement(connection, entry, record_class)
