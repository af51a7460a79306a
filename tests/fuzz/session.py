"""Whole sessions: operations of every kind against a stream that is right, cut, or wrong somewhere.

A plan is made once and played twice, with the stream cut in two ways: everything that can be seen must come out the
same. A stream that nobody has bent must be taken to its end; one that was only cut must never be refused.
"""
from __future__ import annotations

import io
import random
from dataclasses import dataclass, field
from typing import Any

from pgproto.columns.result import ColumnBatch
from pgproto.errors import ProtocolError
from pgproto.frontend import Frontend
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Execute, ExecuteMany, Stream
from pgproto.operations.startup import Startup
from pgproto.trace import Tracer
from tests.fuzz.harness import PROMISED, Case, Target, chunks, insist, typed
from tests.fuzz.mutation import shuffled
from tests.fuzz.scenes import Unit, joined, random_unit
from tests.support.arrow_reader import read
from tests.support.backend_bytes import (
    authentication,
    backend_key_data,
    negotiate,
    new_startup,
    notice,
    parameter_status,
    ready,
    split_messages,
)

START = [negotiate(0x30000), authentication(), notice(), parameter_status("server_version", "17"), backend_key_data(),
         ready()]
RIGHT, CUT, BENT = "right", "cut", "bent"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the client does, and the stream it gets for each unit; `decisions` is the seed of what it does besides."""

    units: list[Unit]
    streams: list[bytes]
    how: str
    decisions: int
    is_traced: bool

    @property
    def n_bytes(self) -> int:
        return sum(map(len, self.streams))


def random_plan(rng: random.Random) -> Plan:
    units = [Unit((), START), *[random_unit(rng) for _ in range(rng.randrange(1, 5))]]
    how = rng.choices((RIGHT, CUT, BENT), (1, 1, 6))[0]
    streams = [b"".join(unit.answer) for unit in units]
    if how == CUT:
        last = rng.randrange(len(units))
        units, streams = units[:last + 1], streams[:last + 1]
        streams[last] = streams[last][:rng.randrange(len(streams[last]) + 1)]
    elif how == BENT:
        which = rng.choice((rng.randrange(len(units)), rng.randrange(1, len(units))))
        streams[which] = b"".join(shuffled(rng, units[which].answer))
    return Plan(units, streams, how, rng.randrange(2**32), rng.random() < 0.1)


@dataclass(slots=True)
class Player:
    """One playing of a plan."""

    plan: Plan
    frontend: Frontend = field(default_factory=Frontend)
    submitted: list[Any] = field(default_factory=list)
    settled: list[Any] = field(default_factory=list)
    waiting: list[Any] = field(default_factory=list)
    decide: random.Random = field(default_factory=random.Random)
    members: list[tuple[list[Any], Any]] = field(default_factory=list)
    rows: dict[int, list[Any]] = field(default_factory=dict)
    sent: bytes = b""

    def __post_init__(self) -> None:
        self.decide.seed(self.plan.decisions)
        if self.plan.is_traced:
            self.frontend.tracer = Tracer(io.StringIO())
        for unit in self.plan.units:
            ops = [make() for make in unit.members]
            self.members.append((ops, joined(ops, unit)))
        self.submit(new_startup(allow_cleartext_password=True))

    def submit(self, op: Any) -> None:
        self.submitted.append(op)
        self.frontend.submit(op)

    def play(self, cuts: list[list[bytes]]) -> None:
        """Feed the stream of each unit in its pieces, then let the connection end."""
        try:
            for (ops, group), pieces in zip(self.members, cuts, strict=True):
                self.write(ops, group)
                for piece in pieces:
                    self.take(self.frontend.receive(piece))
            self.take(self.frontend.resume())
        except ProtocolError as refused:
            insist(self.frontend.dead is refused, f"the session goes on after {refused!r}")
            typed(refused)
        self.sent += self.frontend.take_output()

    def write(self, ops: list[Any], group: Any) -> None:
        """Write what may be written of a unit, and of what has waited; now and then give something up."""
        self.waiting += ops
        if not self.frontend.is_ready:
            return
        while self.waiting and self.frontend.may_submit(self.waiting[0]):
            op = self.waiting.pop(0)
            try:
                self.submit(op)
            except PROMISED as refused:
                # A member of a group that has failed, or of one that is over.
                if isinstance(refused, ProtocolError):
                    raise
                typed(refused)
                self.submitted.pop()
        if group is not None and not self.waiting and (point := self.frontend.end_group(group)) is not None:
            self.submitted.append(point)
        for op in self.frontend.pending():
            # The answers of a right stream are to somebody who stays.
            if self.plan.how == BENT and self.decide.random() < 0.05:
                self.give_up(op)
            if type(op) is ExecuteMany:
                self.put_all(op)

    def put_all(self, op: ExecuteMany) -> None:
        while op.is_open:
            self.frontend.put_more(op)

    def give_up(self, op: Any) -> None:
        """Do what the session does when nobody waits any more."""
        if isinstance(op, Startup):
            return
        op.is_abandoned = True
        if type(op) is Execute:
            op.abandon()
        elif type(op) in (CopyIn, CopyOut):
            op.give_up(self.frontend.out)
        elif type(op) is ExecuteMany and op.is_open:
            self.frontend.end_early(op, ValueError("nobody waits"))
        elif type(op) is Stream:
            op.finish(self.frontend.out)

    def take(self, events: list[Any]) -> None:
        while events:
            for op in events:
                if op.is_settled:
                    self.settled.append(op)
                else:
                    self.serve(op)
            events = self.frontend.resume()

    def serve(self, op: Any) -> None:
        """Do what the outside does for an operation that is READY or asks."""
        if type(op) is CopyIn:
            self.give_data(op)
        elif type(op) is CopyOut:
            op.discard() if self.decide.random() < 0.2 else self.rows.setdefault(id(op), []).append(op.take())
        elif type(op) is Stream:
            self.rows.setdefault(id(op), []).append(shown(op.take_rows()))
            leaves = self.plan.how == BENT and self.decide.random() < 0.2
            op.finish(self.frontend.out) if leaves else op.go_on(self.frontend.out)
        else:
            op.answer("a password")

    def give_data(self, op: CopyIn) -> None:
        op.start()
        way = self.decide.randrange(3)
        if op.wants_data and way < 2:
            op.put_data(self.frontend.out, b"x" * 50)
            op.put_done(self.frontend.out)
        elif way == 2:
            op.put_fail(self.frontend.out, ValueError("the source is broken"))

    def lose(self) -> tuple[object, ...]:
        """End the connection; insist that every operation is accounted for once; return all that can be seen."""
        lost = self.frontend.lose()
        ended = [id(op) for op in (*self.settled, *lost)]
        # A Sync of the frontend's own, for a group that had failed, is nobody's.
        missing = [op for op in self.submitted if id(op) not in ended]
        insist(not missing, f"{missing} were written and neither settled nor lost")
        insist(len(set(ended)) == len(ended), "an operation has ended twice")
        insist((self.frontend.pending(), self.frontend.n_pending, self.frontend.is_gated) == ([], 0, False),
               "something is left of a session that is lost")
        # Every message that was sent is whole.
        n_startup = int.from_bytes(self.sent[:4], "big")
        split_messages(self.sent[n_startup:])
        return (self.sent, type(self.frontend.dead), self.frontend.transaction_status, dict(self.frontend.parameters),
                self.frontend.notices, self.frontend.notifications, repr(self.frontend.farewell),
                [self.seen_of(op) for op in self.submitted])

    def seen_of(self, op: Any) -> tuple[object, ...]:
        if op.error is not None and not (type(op.error) is ValueError and op.error.args[0] in GIVEN_UP):
            typed(op.error)
        rows = shown(op.take_rows()) if op.is_settled and hasattr(op, "take_rows") else None
        return (type(op).__name__, op.is_settled, repr(op.error), getattr(op, "tag", None), rows,
                self.rows.get(id(op)))


GIVEN_UP = ("nobody waits", "the source is broken")


def shown(rows: list[Any]) -> str:
    """Return rows in a form that can be compared: nan is nan, and of a batch what it reads as."""
    return repr([read(row).rows if isinstance(row, ColumnBatch) else row for row in rows])


def make(rng: random.Random) -> Case:
    plan = random_plan(rng)
    first, second = Player(plan), Player(plan)
    cuts = [chunks(rng, stream) for stream in plan.streams]
    others = [chunks(rng, stream) for stream in plan.streams]

    def check(_: object) -> None:
        second.play(others)
        seen, again = first.lose(), second.lose()
        if seen != again:
            parts = [(one, other) for one, other in zip(seen, again, strict=True) if one != other]
            insist(False, f"another way of cutting the stream has another outcome: {parts}")
        if plan.how == CUT:
            insist(first.frontend.dead is None, f"the beginning of a right stream was refused: {first.frontend.dead}")
        elif plan.how == RIGHT:
            insist(first.frontend.dead is None, f"a right stream was refused: {first.frontend.dead}")
            left = [op for op in first.submitted if not op.is_settled]
            insist(not left and not first.waiting, f"a right stream has left {left or first.waiting}")

    return Case(plan.n_bytes, lambda: first.play(cuts), check)


TARGET = Target("session", make, short=1500)
