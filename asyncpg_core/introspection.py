"""Finding out about the types that a session does not know.

A description that mentions an unknown type is held here until the catalogue has told; the calls that wait for it keep
their place in the session's queue. What several descriptions of one read ask for goes out together, and nothing is
asked twice while it is under way. The answers go to the session's TypeCache, which the sessions of a pool share.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncpg_core.exceptions import QueryTimeout
from asyncpg_core.healing import add_note, is_outdated_type
from asyncpg_core.type_query import by_oid
from pgproto.codecs.catalogue import read_facts
from pgproto.errors import ProtocolError
from pgproto.operations.extended import Execute
from pgproto.operations.operation import Operation

if TYPE_CHECKING:
    from asyncpg_core.session import Session

# How long the catalogue may take to answer once it is its turn.
ANSWER_SECONDS = 5.0


@dataclass(slots=True)
class Held:
    """An operation, most often a settled Prepare, and the OIDs that its waiter cannot go on without."""

    waiter: Any
    op: Any
    oids: set[int]


class Introspector:
    """A session's questions to the catalogue."""

    __slots__ = ("held", "in_flight", "is_retried", "paths", "session", "wanted")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.held: list[Held] = []
        # What is to be asked with the next write; the session looks whether there is something.
        self.wanted: set[int] = set()
        self.in_flight: dict[Execute, set[int]] = {}
        self.is_retried = False
        # The module `held`, which stands above the session: how it goes on.
        self.paths: Any = None

    def holds(self, waiter: Any, op: Operation) -> bool:
        """Whether the answer mentions unknown types; if so they are asked for, and `waiter` goes on later."""
        if op.error is not None:
            return False
        described: Any = op.kept or op      # KeptRows, or what was only prepared
        try:
            unknown = set(self.session.registry.unknown(described.type_oids()))
        except ProtocolError:
            # A type that contains itself: whoever makes a statement of the description is told.
            return False
        if not unknown:
            return False
        self.hold(waiter, op, unknown)
        return True

    def hold(self, waiter: Any, op: Any, oids: set[int]) -> None:
        """Keep an operation until the catalogue has told of `oids`; `held.go_on` gets it back."""
        self.held.append(Held(waiter, op, oids))
        self.want(oids)

    def want(self, oids: Iterable[int]) -> None:
        """Ask for types with the next write, but for those that are asked for already."""
        self.wanted |= set(oids).difference(*self.in_flight.values())
        if self.wanted:
            self.session.tick_soon()

    def holds_failed(self, waiter: Any, op: Any) -> bool:
        """Whether an operation that failed for its types is kept; a `record` has named one that nobody knew.

        Its caller is told when the catalogue has been asked, so that the next one can be read.
        """
        registry = self.session.registry
        if is_outdated_type(op.error):
            registry.types.forget()
        if not registry.missing:
            return False
        oids = set(registry.missing)
        registry.missing.clear()
        self.hold(waiter, op, oids)
        return True

    def asks_again(self, waiter: Any, op: Any, error: BaseException) -> bool:
        """Whether a call whose argument does not fit begins again when the catalogue has told of its type."""
        oids = self.paths.types_to_ask_again(self.session, waiter, op, error) if self.paths is not None else None
        if oids:
            self.hold(waiter, op, oids)
        return bool(oids)

    def held_calls(self) -> list[Any]:
        """Return what waits here and nowhere else: calls that have left the queue."""
        return [held.waiter for held in self.held if not hasattr(held.waiter, "waiting")]

    def write(self) -> None:
        """Put the questions into the send buffer."""
        wanted, self.wanted = self.wanted, set()
        for oids, op in by_oid(wanted, self.session.frontend.parameters.get("server_version", "")):
            op.waiter = self
            self.in_flight[op] = set(oids)
            self.session.frontend.submit(op)
            self.watch(op)

    def watch(self, op: Execute) -> None:
        """Look after the answer when it may have come."""
        self.session.loop.call_later(ANSWER_SECONDS, self.on_late, op)

    def on_late(self, op: Execute) -> None:
        """The time of an answer is over: give it up, unless the server is still at what was written in front of it."""
        oids = self.in_flight.get(op)
        if oids is None or self.session.is_closed:
            return
        if self.session.frontend.pending()[0] is not op:
            self.watch(op)
            return
        del self.in_flight[op]
        op.waiter = None
        op.abandon()
        self.fail(oids, QueryTimeout(f"the server's catalogue has not answered within {ANSWER_SECONDS:g} s"))
        self.session.canceller.consider()

    def on_settled(self, op: Execute) -> None:
        """An answer is there: whoever has waited for it goes on."""
        oids = self.in_flight.pop(op)
        error = op.error
        if error is None:
            try:
                self.session.registry.types.learn(read_facts(op.take_rows()))
            except Exception as malformed:
                error = malformed
        elif not self.is_retried and self.session.holds_writes and getattr(error, "sqlstate", None) == "57014":
            # The CancelRequest was meant for somebody else, and it comes once.
            self.is_retried = True
            self.want(oids)
            return
        self.is_retried = False
        if error is not None:
            add_note(error, "while asking the catalogue about the types of the statement")
            self.fail(oids, error)
        self.release()

    def on_lost(self, error: BaseException) -> None:
        """The connection is gone; the session tells those who wait."""
        self.wanted.clear()
        self.in_flight.clear()

    def release(self) -> None:
        """Let those go on whose types are all answered for; what the catalogue does not know is exchanged as text."""
        pending = self.wanted.union(*self.in_flight.values())
        ready = [held for held in self.held if held.oids.isdisjoint(pending)]
        self.held = [held for held in self.held if not held.oids.isdisjoint(pending)]
        for held in ready:
            self.paths.go_on(self.session, held.waiter, held.op)

    def fail(self, oids: Iterable[int], error: BaseException) -> None:
        """Fail those who wait for `oids`."""
        failed = [held for held in self.held if not held.oids.isdisjoint(oids)]
        self.held = [held for held in self.held if held.oids.isdisjoint(oids)]
        for held in failed:
            held.op.error = error
            self.paths.go_on(self.session, held.waiter, held.op)
