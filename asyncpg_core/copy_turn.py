"""Where the session and the coroutine that runs a COPY meet.

The session says that there is data, that the server wants data, that the send buffer has drained, or that the COPY is
over; the coroutine waits for whichever comes. While it waits for the user's own source or sink instead, a COPY that
fails interrupts that: a timeout is a timeout although the sink is slow, and a row that the server refuses is told
although the source would never end.
"""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from asyncpg_core.limit import within
from pgproto.errors import InterfaceError, PostgresError
from pgproto.operations.copy import CopyIn, CopyOut

if TYPE_CHECKING:
    from asyncpg_core.call import Call
    from asyncpg_core.session import Session

T = TypeVar("T")
# What the server may take to answer that the source has failed, before it is asked to cancel.
FAIL_SECONDS = 1.0


class CopyTurn:
    """One COPY: its operation, its call, and who waits for what."""

    __slots__ = ("call", "has_news", "is_interrupted", "n_cancels", "op", "reader_task", "session", "user_task",
                 "waiter")

    def __init__(self, op: CopyIn | CopyOut) -> None:
        self.op = op
        self.call: Any = None
        # That the COPY was written on; none before the server has answered.
        self.session: Session | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.has_news = False
        # The task that is inside the user's source or sink.
        self.user_task: asyncio.Task[Any] | None = None
        # The task that has rows and does something with them.
        self.reader_task: asyncio.Task[Any] | None = None
        self.n_cancels = 0
        self.is_interrupted = False

    def start(self, call: Call[str]) -> None:
        """Let the call begin; what becomes of it is looked at here."""
        self.call = call
        call.add_done_callback(self.on_done)

    # What the session says

    def __call__(self, op: CopyIn | CopyOut) -> str | None:
        """The value of the call."""
        return op.tag

    def on_ready(self, session: Session, op: CopyIn | CopyOut) -> None:
        """The server wants data, or as much has come as is kept."""
        self.session = session
        if type(op) is CopyOut:
            session.transport.pause_reading()
        self.wake()

    def on_flow(self) -> None:
        """Bytes have come or have left."""
        if type(self.op) is CopyIn or self.op.n_bytes:
            self.wake()

    def on_done(self, call: Call[str]) -> None:
        failure = None if call.cancelled() else call.exception()
        self.wake()
        if self.user_task is not None and failure is not None and not self.is_interrupted:
            self.is_interrupted = True
            self.user_task.cancel()

    def give_up(self, session: Session, op: CopyIn | CopyOut) -> None:
        """Nobody waits any more: the operation ends as soon as the server lets it, whatever is in the way."""
        op.give_up(session.frontend.out)
        session.transport.resume_reading()
        session.loop.call_soon(session.go_on)

    def refuse_own_task(self) -> None:
        """Refuse a call that the source, the sink or the body of a loop over rows makes on this connection: it would
        wait for itself."""
        if self.user_task is not None and self.user_task is asyncio.current_task():
            raise InterfaceError("a COPY is under way on this connection, and its own source or sink cannot use it; "
                                 "use another connection")
        if self.reader_task is not None and self.reader_task is asyncio.current_task():
            raise InterfaceError("a COPY is under way on this connection, and whoever uses its rows one by one cannot "
                                 "use it; use another connection, or leave copy_rows() by `async with` first")

    # What the coroutine does

    def wake(self) -> None:
        self.has_news = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until the session has said something since the last time."""
        if not self.has_news and not self.call.done():
            self.waiter = self.call.get_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        self.has_news = False

    def go_on(self) -> None:
        """Send what was put, and read on."""
        if self.session is not None:
            self.session.transport.resume_reading()
            self.session.go_on()

    async def outside(self, awaitable: Awaitable[T]) -> T:
        """Wait for the user's source or sink; if the COPY fails meanwhile, its error is raised."""
        with self:
            return await awaitable

    def __enter__(self) -> None:
        task = self.user_task = asyncio.current_task()
        self.n_cancels = task.cancelling() if task is not None and hasattr(task, "cancelling") else 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self.user_task = self.user_task, None
        if not self.is_interrupted:
            return
        self.is_interrupted = False
        # Python 3.10 cannot tell our cancel from another one that comes at the same time.
        was_cancelled = task is not None and hasattr(task, "uncancel") and task.uncancel() > self.n_cancels
        if isinstance(error, asyncio.CancelledError) and not was_cancelled:
            raise self.call.exception() from None

    def raise_failure(self) -> None:
        """Raise what the COPY has failed with, if it has."""
        if self.call.done():
            self.call.result()

    async def take(self) -> bytes:
        """Return the data that have come, b"" if none have.

        When the server has failed the COPY, its error is raised as soon as all is told, and what waits is dropped:
        whether the error and the end of the statement come in one piece does not decide who gets the last rows.
        """
        op = self.op
        assert type(op) is CopyOut
        if op.error is not None:
            op.discard()
            self.go_on()
            await self.until_done()
        self.raise_failure()
        return op.take()

    async def give_up_for(self, error: BaseException) -> None:
        """The source or the sink has failed, or nobody waits: end the COPY so that the connection can be used.

        A source that has failed is told to the server, which answers at once unless it is kept from reading.
        """
        if not self.call.done() and isinstance(error, Exception) and type(self.op) is CopyIn and self.op.wants_data:
            self.op.put_fail(self.session.frontend.out, error)  # type: ignore[union-attr]  # it wants data
            self.go_on()
            try:
                await within(FAIL_SECONDS, self.until_done())
            except asyncio.TimeoutError:
                pass    # It is cancelled like any other.
            except BaseException:
                self.call.cancel()
                raise
        self.call.cancel()

    async def until_done(self) -> None:
        while not self.call.done():
            await self.wait()


def explain(error: BaseException, sql: str) -> None:
    """Tell a server's error which statement it belongs to."""
    if isinstance(error, PostgresError) and error.query is None:
        # Past __setattr__: an error with a warning's SQLSTATE refuses changes.
        vars(error)["query"] = sql
