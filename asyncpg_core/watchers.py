"""Callbacks: how they are kept and called, and the two sets of them that a session has.

`Hearing` belongs to whoever has the connection now: notifications and log messages; a pool ends it at the release.
`Watchers` belongs to the session for as long as it lives: query loggers and termination listeners, as in asyncpg. A
callback is called from the loop, never from inside the driver; a coroutine function gets a task.
"""
from __future__ import annotations

import asyncio
import dataclasses
import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncpg_core.query_log import LoggedQuery
from pgproto.errors import InterfaceError, InterfaceWarning, PostgresLogMessage

if TYPE_CHECKING:
    from asyncpg_core.options import ConnectOptions
    from asyncpg_core.session import Session

Callback = Callable[..., Any]


def check_callback(callback: Any) -> None:
    """Refuse what cannot be called."""
    if not callable(callback):
        raise InterfaceError(f"expected a callable or an `async def` function, got {callback!r}")


class Callbacks:
    """Callbacks in the order in which they were added, each once; equal ones are one."""

    __slots__ = ("_added", "_loop", "_tasks")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._added: dict[Callback, None] = {}
        # The loop itself keeps tasks by weak references.
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._added)

    def add(self, callback: Callback) -> None:
        check_callback(callback)
        self._added[callback] = None

    def remove(self, callback: Callback) -> None:
        """Remove a callback; one that is not there is nothing to complain about."""
        self._added.pop(callback, None)

    def call(self, *args: Any) -> None:
        """Let the loop call all of them; what they raise goes to the loop's exception handler."""
        for callback in tuple(self._added):     # an eager task may add and remove
            if is_coroutine_function(callback):
                task = self._loop.create_task(callback(*args))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._loop.call_soon(callback, *args)


def is_coroutine_function(callback: Callback) -> bool:
    """Whether calling it gives a coroutine: `async def`, a partial of one, or an object with such a `__call__`."""
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__)


class Hearing:
    """What a connection's user hears of the server beside the answers to his queries."""

    __slots__ = ("_connection", "_loop", "channels", "listened", "log")

    def __init__(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = weakref.ref(connection)
        self._loop = loop
        self.channels: dict[str, Callbacks] = {}
        # Channels whose LISTEN no transaction can take back any more.
        self.listened: set[str] = set()
        self.log = Callbacks(loop)

    def __call__(
        self, session: Session, notices: list[dict[str, str]], notifications: list[tuple[int, str, str]]
    ) -> None:
        """The session has been told something."""
        connection = self._connection()
        for pid, channel, payload in notifications:
            if channel in self.channels:
                self.channels[channel].call(connection, pid, channel, payload)
        if self.log:
            for fields in notices:
                self.log.call(connection, PostgresLogMessage.new(fields))

    def add(self, channel: str, callback: Callback) -> None:
        callbacks = self.channels.get(channel) or Callbacks(self._loop)
        callbacks.add(callback)
        self.channels[channel] = callbacks

    def remove(self, channel: str, callback: Callback) -> bool:
        """Remove a callback; True if it was the channel's last."""
        callbacks = self.channels.get(channel)
        if callbacks is None:
            return False
        callbacks.remove(callback)
        if callbacks:
            return False
        del self.channels[channel]
        self.listened.discard(channel)
        return True

    def clear(self) -> None:
        """Forget all of them."""
        self.channels.clear()
        self.listened.clear()
        self.log = Callbacks(self._loop)

    def warn_of_rest(self) -> None:
        """Warn of listeners that a connection still has when it is given back to its pool."""
        for n, kind in ((sum(map(len, self.channels.values())), "notification"), (len(self.log), "log")):
            if n:
                text = (f"{self._connection()!r} is being released to the pool but has {n} active {kind} "
                        f"{'listener' if n == 1 else 'listeners'}")
                try:
                    warnings.warn(text, InterfaceWarning, stacklevel=2)
                except InterfaceWarning as error:
                    # Whoever makes errors of warnings must not lose the connection to its pool by that.
                    self._loop.call_exception_handler({"message": text, "exception": error})


class Watchers:
    """What is told of a session whoever uses it: the end of each query, and its own."""

    __slots__ = ("_address", "_connection", "_params", "query_loggers", "termination")

    def __init__(self, connection: Any, loop: asyncio.AbstractEventLoop, address: Any, params: ConnectOptions) -> None:
        self._connection = weakref.ref(connection)
        self._address = address
        self._params = without_secrets(params)
        self.query_loggers = Callbacks(loop)
        self.termination = Callbacks(loop)

    def tell_query(
        self, query: str, args: Any, timeout: float | None, elapsed: float, exception: BaseException | None
    ) -> None:
        """A query is over."""
        self.query_loggers.call(
            LoggedQuery(query, args, timeout, elapsed, exception, self._address, self._params))

    def tell_end(self, session: Session) -> None:
        """The session is over; told once."""
        connection = self._connection()
        if connection is None and session.member is not None:
            connection = session.member.connection
        termination, self.termination = self.termination, Callbacks(session.loop)
        termination.call(connection)


def without_secrets(params: ConnectOptions) -> ConnectOptions:
    """Return the settings of a connection as loggers may see them: without passwords."""
    tls = dataclasses.replace(params.tls, key_password=None)
    return dataclasses.replace(params, passwords=(None,) * len(params.passwords), tls=tls)


def move_hearing(old: Session, new: Session) -> None:
    """A borrower goes on with another session: what he hears comes from there."""
    if old.on_told is not None:
        new.on_told, old.on_told = old.on_told, None


def end_hearing(session: Session) -> None:
    """A borrower gives his connection back: warn of listeners that he has left behind, and forget them.

    One that is closed has none: nobody could remove them any more.
    """
    hearing, session.on_told = session.on_told, None
    if isinstance(hearing, Hearing) and not session.is_closed:
        hearing.warn_of_rest()

