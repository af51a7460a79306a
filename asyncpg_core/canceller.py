"""What becomes of an operation that is written and that nobody waits for any more.

Its replies are read and thrown away. When it is at the head and nobody waits for anything behind it, the server is
asked to cancel it; when somebody does, it gets a second to end by itself. From the moment a CancelRequest is under way
until its connection is closed and the operation is settled, writes are held: the request must not hit anything newer.
Every wait has a bound, and when one is over the connection is given up.
"""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pgproto.errors import ConnectionDoesNotExistError
from pgproto.operations.backend_pid import AskBackendPid

if TYPE_CHECKING:
    from asyncpg_core.session import Session

# Seconds: how long a CancelRequest and the replies behind it may take, and an abandoned head that others wait behind.
CANCEL_SECONDS = 5.0
STUCK_SECONDS = 1.0
# How long after a request the next one is sent if the operation goes on.
RESEND_SECONDS = 1.0


class Canceller:
    """Decides when a session's server is asked to cancel, and sees the request through."""

    __slots__ = (
        "drain_timer", "is_sent", "is_settled", "op", "send_request", "session", "stuck", "stuck_timer", "task")

    def __init__(self, session: Session) -> None:
        self.session = session
        # Coroutine function that sends a CancelRequest over the session's kind of path.
        self.send_request: Callable[[], Awaitable[None]] | None = None
        # The operation that a request is under way for, or None.
        self.op: Any = None
        self.task: asyncio.Task[None] | None = None
        self.is_sent = False
        self.is_settled = False
        self.drain_timer: asyncio.TimerHandle | None = None
        self.stuck: Any = None
        self.stuck_timer: asyncio.TimerHandle | None = None

    def consider(self) -> None:
        """If the head is abandoned, ask the server to cancel it, now or when it has kept others waiting for a while."""
        if self.op is not None or self.session.is_closed:
            return
        head, others = self.abandoned_head()
        if head is None:
            return
        if not any(op.waiter is not None and not op.is_abandoned for op in others):
            self.start(head)
        elif self.stuck is not head:
            self.stuck = head
            self.stuck_timer = self.session.loop.call_later(STUCK_SECONDS, self.on_stuck, head)

    def abandoned_head(self) -> tuple[Any, list[Any]]:
        """Return the abandoned operation that the server may be executing, and those that a cancel of it would concern;
        (None, []) if there is none.

        The server keeps the answers of a group until its Sync, so the members in front of one may have been executed;
        they would fail with it.
        """
        # Nobody loses by it if the cancel hits the session's own question, which may be in front.
        pending = [op for op in self.session.frontend.pending() if type(op) is not AskBackendPid]
        for at, op in enumerate(pending):
            if op.is_abandoned:
                return op, pending[:at] + pending[at + 1:]
            if op.group is None or op.group is not pending[0].group:
                break
        return None, []

    def on_stuck(self, op: Any) -> None:
        """An abandoned operation is still at the head although others wait for it."""
        if self.stuck is op:
            self.stuck = None
            if self.abandoned_head()[0] is op and self.op is None and not self.session.is_closed:
                self.start(op)

    def start(self, op: Any) -> None:
        """Hold all writes and send a CancelRequest for the operation at the head."""
        self.session.holds_writes = True
        self.op = op
        self.is_sent = self.is_settled = False
        self.drain_timer = self.session.loop.call_later(
            CANCEL_SECONDS, self.give_up, op,
            f"the server has not answered a cancelled statement within {CANCEL_SECONDS:g} s")
        self.task = self.session.loop.create_task(self.run(op))

    async def run(self, op: Any) -> None:
        """Send requests until the operation is settled: one that comes before the statement begins is lost on it."""
        while self.op is op:
            self.is_sent = False
            try:
                assert self.send_request is not None
                await asyncio.wait_for(self.send_request(), CANCEL_SECONDS)
            except (Exception, asyncio.CancelledError) as error:
                # Without the cancel nobody knows how long the statement runs.
                self.give_up(op, f"the cancel request failed: {error!r}")
                return
            if self.op is op:
                self.is_sent = True
                self.end_if_over()
            if self.op is op:
                await asyncio.sleep(RESEND_SECONDS)

    def give_up(self, op: Any, reason: str) -> None:
        if self.op is op and not self.session.is_closed:
            if not self.is_sent and self.task is not None and self.task is not asyncio.current_task(self.session.loop):
                self.task.cancel()
            self.session.transport.abort(ConnectionDoesNotExistError(f"connection was closed: {reason}"))

    def on_settled(self, op: Any) -> None:
        """An operation is settled while a request is under way."""
        if self.op is op:
            self.is_settled = True
            self.end_if_over()

    def end_if_over(self) -> None:
        """Let writes go on when the request is over and the operation that it was meant for is settled."""
        if self.is_sent and self.is_settled:
            self.forget()
            self.consider()
            self.session.tick_soon()
            self.session.wake_drainer()

    def forget(self) -> None:
        """No request is under way any more."""
        if self.drain_timer is not None:
            self.drain_timer.cancel()
            self.drain_timer = None
        if self.is_sent and self.task is not None and self.task is not asyncio.current_task(self.session.loop):
            self.task.cancel()      # It sleeps before the next request.
        self.op = None
        self.session.holds_writes = False

    def disown(self) -> None:
        """This is a forked child: what is under way is the parent's."""
        self.stop()
        if self.task is not None:
            self.task.cancel()

    def stop(self) -> None:
        """The connection is gone. A request that is under way goes on: the server may still be executing."""
        self.forget()
        if self.stuck_timer is not None:
            self.stuck_timer.cancel()
