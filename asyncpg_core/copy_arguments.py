"""What the steps of a COPY share: the time that they may take together, and the text that arguments are put into."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncpg_core.placeholders import fill
from pgproto.operations.extended import Execute, Prepare
from pgproto.row_sinks import Records
from pgproto.statement import Statement

if TYPE_CHECKING:
    from asyncpg_core.session import Session

# All by qualified names, and without an operator: whatever schema comes first in search_path is not asked.
LITERAL = "pg_catalog.quote_nullable(${n})"
TYPED_LITERAL = f"pg_catalog.concat('(', {LITERAL}, '::', pg_catalog.format_type({{oid}}, -1), ')')"


class Budget:
    """The time that several calls may take together."""

    __slots__ = ("deadline", "loop", "seconds")

    def __init__(self, session: Session, timeout: float | None) -> None:
        self.loop = session.loop
        self.seconds = session.calls.seconds(timeout)
        self.deadline = self.loop.time() + self.seconds

    def left(self) -> float:
        """Return the seconds that are left, for a call's timeout."""
        return float("inf") if self.seconds == 0 else self.deadline - self.loop.time()


async def filled_in(connection: Any, query: str, args: tuple[Any, ...], budget: Budget,
                    literal: str = TYPED_LITERAL) -> str:
    """Return a query with literals in the place of its parameters: quoted by the server, typed unless `literal`, the
    SQL that makes the one of ${n}, says otherwise."""
    make: Callable[[Prepare], tuple[int, ...]] = parameter_oids
    oids = await connection._session.calls.prepare(query, "", budget.left(), make)
    session = connection._session
    quoting = ", ".join([literal.format(n=n, oid=oid) for n, oid in enumerate(oids, 1)])
    # Its columns are described by the flight itself: only what the arguments are is known beforehand.
    statement = Statement(f"SELECT {quoting}", "", oids, (), session.registry)
    op = Execute(statement, args, Records(session.calls.record_class), with_parse=True)
    literals = await session.calls.run("copy_from_query", op, budget.left(), literals_of)
    standard = session.frontend.parameters.get("standard_conforming_strings") != "off"
    return fill(query, literals, standard_strings=standard)


def parameter_oids(op: Prepare) -> tuple[int, ...]:
    return op.parameter_oids or ()


def literals_of(op: Execute) -> tuple[str, ...]:
    return tuple(op.take_rows()[0])
