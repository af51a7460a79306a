"""Transactions and savepoints.

BEGIN and SAVEPOINT have no flight of their own: `start()` leaves them with the session and the next operation that is
written carries them, as one unit with it. A block in which nothing was written sends nothing at all. COMMIT that the
server answered with ROLLBACK raises, and leaving a block never hides the error that left it.
"""
from __future__ import annotations

import asyncio
import enum
import math
from types import TracebackType
from typing import TYPE_CHECKING, Any

from asyncpg_core import naming
from asyncpg_core.endings import leave_ending
from asyncpg_core.exceptions import OUTCOME_UNKNOWN, CommitTimeout, QueryTimeout
from asyncpg_core.healing import add_note
from asyncpg_core.statement_cache import new_name
from pgproto.errors import InterfaceError, TransactionRolledBackError

if TYPE_CHECKING:
    from asyncpg_core.connection import Connection
    from asyncpg_core.session import Session

ISOLATION_LEVELS = {"read_committed", "read_uncommitted", "repeatable_read", "serializable"}
# Leaving a block waits this long for its ROLLBACK.
ROLLBACK_SECONDS = 5.0


class State(enum.Enum):
    NEW = 0
    STARTED = 1
    COMMITTED = 2
    ROLLEDBACK = 3
    FAILED = 4


class Transaction:
    """A transaction block or, inside another one, a savepoint; made by `Connection.transaction`."""

    __slots__ = (
        "_connection", "_session", "_isolation", "_readonly", "_deferrable", "_state", "_name", "_managed", "_outer",
        "carrier", "__weakref__",
    )

    def __init__(self, connection: Connection[Any], isolation: str | None, readonly: bool, deferrable: bool) -> None:
        if isolation is not None and isolation not in ISOLATION_LEVELS:
            raise ValueError(f"isolation is expected to be either of {', '.join(sorted(ISOLATION_LEVELS))}, "
                             f"got {isolation!r}")
        self._connection = connection
        self._session = connection._session
        self._isolation = isolation
        self._readonly = readonly
        self._deferrable = deferrable
        self._state = State.NEW
        self._name: str | None = None
        self._managed = False
        self._outer: Transaction | None = None
        # The operation that carried BEGIN or SAVEPOINT; set by the session.
        self.carrier: Any = None

    def __repr__(self) -> str:
        words = [f"state:{self._state.name.lower()}"]
        if self._isolation is not None:
            words.append(self._isolation)
        if self._readonly:
            words.append("readonly")
        if self._deferrable:
            words.append("deferrable")
        return f"<{naming.package}.Transaction {' '.join(words)} {id(self):#x}>"

    # As a context manager

    async def __aenter__(self) -> None:
        if self._managed:
            raise InterfaceError("cannot enter context: already in an `async with` block")
        await self.start()
        self._managed = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._managed = False
        if self._state is not State.STARTED:
            return
        if error is None:
            await self._commit()
            return
        if self._could_not_start():
            self._end(State.FAILED)
            return
        if isinstance(error, (asyncio.CancelledError, asyncio.TimeoutError, GeneratorExit)):
            # The block is left because time is up: ROLLBACK is queued, and if it fails the connection is closed.
            await self._rollback_unattended()
            return
        try:
            await self._rollback(ROLLBACK_SECONDS)
        except Exception as failure:
            # The block's own error is the one that counts; a connection whose ROLLBACK failed is of no use.
            self._session.abort(failure)

    # By hand

    async def start(self) -> None:
        """Enter the transaction or savepoint block; the server hears of it with the next statement."""
        self._check_state_base("start")
        if self._state is State.STARTED:
            raise InterfaceError("cannot start; the transaction is already started")
        session = self._connection._session
        self._session = session
        if session.is_closed:
            raise InterfaceError("connection is closed")
        outer = self._connection._top_transaction
        if outer is None:
            if session.is_known_in_transaction:
                raise InterfaceError("cannot use Connection.transaction() in a manually started transaction")
            session.has_begun = True
            session.transaction_failure = None
            self._connection._top_transaction = self
            text = self._begin_text()
        else:
            await self._check_isolation(outer)
            self._outer = outer
            text = self._savepoint_text()
        session.preludes.owe(text, self)
        if session.watchers is not None:
            session.watchers.tell_query(text, (), None, 0.0, None)
        self._state = State.STARTED

    def move_to(self, session: Session) -> None:
        """Begin on another session: the server of the first has not executed anything of it."""
        self._session = session
        self.carrier = None
        session.has_begun = True
        session.preludes.owe(self._begin_text(), self)

    async def commit(self) -> None:
        """Exit the block and make its changes permanent; raises TransactionRolledBackError if the server did not."""
        if self._managed:
            raise InterfaceError("cannot manually commit from within an `async with` block")
        await self._commit()

    async def rollback(self) -> None:
        """Exit the block and undo its changes."""
        if self._managed:
            raise InterfaceError("cannot manually rollback from within an `async with` block")
        await self._rollback(None)

    # What they share

    def _begin_text(self) -> str:
        text = "BEGIN"
        if self._isolation is not None:
            text += f" ISOLATION LEVEL {self._isolation.replace('_', ' ').upper()}"
        if self._readonly:
            text += " READ ONLY"
        if self._deferrable:
            text += " DEFERRABLE"
        return text

    def _savepoint_text(self) -> str:
        if self._name is None:
            self._name = new_name()
        return f'SAVEPOINT "{self._name}"'

    async def _check_isolation(self, outer: Transaction) -> None:
        if self._isolation is None:
            return
        level = outer._isolation
        if level is None:
            shown: str = await self._session.calls.fetchval("SHOW transaction_isolation", (), 0, None)
            level = outer._isolation = shown.replace(" ", "_")
        if level != self._isolation:
            raise InterfaceError(f"nested transaction has a different isolation level: current {self._isolation!r} != "
                                 f"outer {level!r}")

    def _check_state_base(self, verb: str) -> None:
        if self._state is State.COMMITTED:
            raise InterfaceError(f"cannot {verb}; the transaction is already committed")
        if self._state is State.ROLLEDBACK:
            raise InterfaceError(f"cannot {verb}; the transaction is already rolled back")
        if self._state is State.FAILED:
            raise InterfaceError(f"cannot {verb}; the transaction is in error state")

    def _check_state(self, verb: str) -> None:
        if self._state is not State.STARTED:
            if self._state is State.NEW:
                raise InterfaceError(f"cannot {verb}; the transaction is not yet started")
            self._check_state_base(verb)
        self._connection._check_open()
        if self._could_not_start():
            self._end(State.FAILED)
            raise InterfaceError(f"cannot {verb}; the transaction is in error state: it could not be started")

    def _could_not_start(self) -> bool:
        """Whether the server has refused BEGIN or SAVEPOINT, so that there is nothing to end."""
        return self.carrier is not None and bool(self.carrier.failed_in_prelude)

    def _end(self, state: State) -> None:
        self._state = state
        if self._outer is None:
            self._session.has_begun = False
            self._session.ended_unsurely = state is State.FAILED
            if self._connection._top_transaction is self:
                self._connection._top_transaction = None

    async def _commit(self) -> None:
        self._check_state("commit")
        if self._session.preludes.drop(self):
            self._end(State.COMMITTED)
            return
        if self._outer is not None:
            await self._finish(f'RELEASE SAVEPOINT "{self._name}"', State.COMMITTED, None)
            return
        failure = self._session.transaction_failure
        try:
            tag = await self._finish("COMMIT", State.COMMITTED, None)
        except QueryTimeout as error:
            raise CommitTimeout(f"{OUTCOME_UNKNOWN}: {error}") from error
        except asyncio.CancelledError as error:
            add_note(error, OUTCOME_UNKNOWN)
            raise
        if tag == "ROLLBACK":
            self._state = State.ROLLEDBACK
            raise TransactionRolledBackError(
                "the transaction was rolled back instead of committed, because a statement in it had failed"
            ) from (failure or self._session.transaction_failure)

    async def _rollback(self, seconds: float | None) -> None:
        self._check_state("rollback")
        if self._session.preludes.drop(self):
            self._end(State.ROLLEDBACK)
            return
        await self._finish(self._rollback_text(), State.ROLLEDBACK, seconds)

    def _rollback_text(self) -> str:
        return "ROLLBACK" if self._outer is None else f'ROLLBACK TO SAVEPOINT "{self._name}"'

    async def _finish(self, sql: str, state: State, seconds: float | None) -> str:
        """Send what ends the block and return its tag; afterwards the block is over, one way or the other."""
        session = self._session
        is_top = self._outer is None
        session.n_ending += is_top
        call = self._ending(sql, seconds)
        try:
            tag: str = await call
        except (asyncio.CancelledError, asyncio.TimeoutError):
            self._end(State.FAILED)
            leave_ending(session, call, self._rollback_text(), is_top)
            raise
        except BaseException:
            session.n_ending -= is_top
            self._end(State.FAILED)
            raise
        session.n_ending -= is_top
        self._end(state)
        return tag

    def _ending(self, sql: str, seconds: float | None) -> Any:
        """Return the call that ends the block."""
        call = self._session.calls.execute(sql, (), seconds)
        if self._outer is None:
            call.mark_end_of_transaction()
        return call

    async def _rollback_unattended(self) -> None:
        """Queue the ROLLBACK without waiting for it."""
        session = self._session
        is_top = self._outer is None
        if session.is_closed or session.preludes.drop(self):
            self._end(State.ROLLEDBACK)
            return
        call = self._ending(self._rollback_text(), math.inf)
        call.mark_unattended()
        session.n_ending += is_top

        def done(call: Any) -> None:
            session.n_ending -= is_top
            if not call.cancelled() and call.exception() is not None and not session.is_closed:
                session.abort(call.exception())

        call.add_done_callback(done)
        self._end(State.ROLLEDBACK)
