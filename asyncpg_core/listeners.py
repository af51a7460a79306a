"""The listeners' side of Connection: notifications, log messages, queries, and the connection's end."""
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from asyncpg_core.identifiers import quote_ident
from asyncpg_core.watchers import Hearing, Watchers, check_callback

if TYPE_CHECKING:
    from asyncpg_core.query_log import LoggedQuery
    from asyncpg_core.session import Session
    from pgproto.errors import PostgresLogMessage

    # The first is the connection; what a coroutine function returns is awaited.
    OnNotification = Callable[[Any, int, str, str], object]
    OnLogMessage = Callable[[Any, PostgresLogMessage], object]
    OnTermination = Callable[[Any], object]
    OnQuery = Callable[[LoggedQuery], object]


class Listening:
    """The methods of a connection that add and remove callbacks.

    A callback is a plain function or a coroutine function. It is called from the event loop; what it raises goes to the
    loop's exception handler. The same callback added twice is called once.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _session: Session
        _loop: asyncio.AbstractEventLoop
        _addr: Any
        _params: Any

        def _check_open(self) -> None: ...
        def is_in_transaction(self) -> bool: ...
        def execute(self, query: str, *args: Any, timeout: float | None = None) -> Coroutine[Any, Any, str]: ...

    # Notifications

    async def add_listener(self, channel: str, callback: OnNotification) -> None:
        """Let `callback(connection, pid, channel, payload)` be called for each notification of a channel.

        The first callback of a channel sends LISTEN. Notifications come also while the connection is idle.
        """
        self._check_open()
        check_callback(callback)
        listen = f"LISTEN {quote_ident(channel)}"
        hearing = self._hearing()
        # First, because a notification may come in one piece with the answer to LISTEN.
        hearing.add(channel, callback)
        if channel in hearing.listened:
            return
        was_in_transaction = self.is_in_transaction()
        try:
            await self.execute(listen)
        except BaseException:
            hearing.remove(channel, callback)
            raise
        # A transaction that is rolled back takes its LISTEN with it: the next callback asks once more.
        if not was_in_transaction and channel in hearing.channels:
            hearing.listened.add(channel)

    async def remove_listener(self, channel: str, callback: OnNotification) -> None:
        """Remove a callback; the last one of a channel sends UNLISTEN. On a closed connection nothing happens."""
        session = self._session
        if session.is_closed or not isinstance(session.on_told, Hearing):
            return
        if session.on_told.remove(channel, callback):
            await self.execute(f"UNLISTEN {quote_ident(channel)}")

    def _forget_hearing(self) -> None:
        """Remove the callbacks of notifications and log messages, without UNLISTEN."""
        if isinstance(self._session.on_told, Hearing):
            self._session.on_told.clear()

    def _hearing(self) -> Hearing:
        session = self._session
        if not isinstance(session.on_told, Hearing):
            session.on_told = Hearing(self, self._loop)
        return session.on_told

    # Log messages

    def add_log_listener(self, callback: OnLogMessage) -> None:
        """Let `callback(connection, message)` be called for each NOTICE, WARNING and the like; a PostgresLogMessage."""
        self._check_open()
        check_callback(callback)
        self._hearing().log.add(callback)

    def remove_log_listener(self, callback: OnLogMessage) -> None:
        """Remove a callback of log messages."""
        if isinstance(self._session.on_told, Hearing):
            self._session.on_told.log.remove(callback)

    # Of the session, as long as it lives

    def _watchers(self) -> Watchers:
        session = self._session
        if session.watchers is None:
            session.watchers = Watchers(self, self._loop, self._addr, self._params)
        watchers: Watchers = session.watchers
        return watchers

    def add_termination_listener(self, callback: OnTermination) -> None:
        """Let `callback(connection)` be called once when the connection is closed or lost, whoever has it then."""
        self._watchers().termination.add(callback)

    def remove_termination_listener(self, callback: OnTermination) -> None:
        """Remove a callback of the connection's end."""
        watchers: Watchers | None = self._session.watchers
        if watchers is not None:
            watchers.termination.remove(callback)

    def add_query_logger(self, callback: OnQuery) -> None:
        """Let `callback(record)` be called after each query with a LoggedQuery, which holds no password.

        Not logged, as in asyncpg: prepared statements, cursors and COPY.
        """
        self._watchers().query_loggers.add(callback)

    def remove_query_logger(self, callback: OnQuery) -> None:
        """Remove a callback of queries."""
        watchers: Watchers | None = self._session.watchers
        if watchers is not None:
            watchers.query_loggers.remove(callback)

    @contextlib.contextmanager
    def query_logger(self, callback: OnQuery) -> Iterator[None]:
        """Log queries inside a `with` block."""
        self.add_query_logger(callback)
        try:
            yield
        finally:
            self.remove_query_logger(callback)
