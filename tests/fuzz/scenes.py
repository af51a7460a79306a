"""Operations of every kind, each with what a good server answers: the material of whole sessions.

A `Unit` is what a client writes at once and what comes back for it. `members` makes the operations anew, so that one
plan can be played several times.
"""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pgproto.codecs.registry import CodecRegistry
from pgproto.columns.sink import ColumnSink, columnar_statement
from pgproto.operations.copy import CopyIn, CopyOut
from pgproto.operations.extended import Close, Execute, ExecuteMany, FetchPortal, Prepare, Script, Stream
from pgproto.operations.operation import Group, Operation
from pgproto.operations.simple import SimpleQuery
from pgproto.row_sinks import RawRows, Records, RowSink
from pgproto.statement import Statement
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    COPY_DONE,
    EMPTY,
    NO_DATA,
    PARSED,
    SUSPENDED,
    complete,
    copy_response,
    data_row,
    error,
    message,
    notice,
    notification,
    parameter_description,
    parameter_status,
    ready,
    row_description,
    statement,
)
from tests.unit.codecs.golden import GOLDEN

Answer = list[bytes]
Member = Callable[[], Operation]

REGISTRY = CodecRegistry()
BODIES = [(oid, bytes.fromhex(body)) for oid, body, _, _ in GOLDEN if REGISTRY.codec_or_text(oid).preferred == 1]
# What every sink takes; Arrow, for one, has no infinite dates.
PLAIN_BODIES = [(oid, body) for oid, body in BODIES if oid in (16, 20, 21, 23, 25, 17)]
BEGIN = [PARSED, BOUND, complete("BEGIN")]
ASYNCHRONOUS = (notice(), notice("x" * 300, "01000"), notification(7, "channel", "payload"),
                parameter_status("TimeZone", "UTC"), parameter_status("application_name", "\N{SNOWMAN}"))


@dataclass(frozen=True, slots=True)
class Unit:
    """`members` are written together; with a group they share its Sync, which `end` says when to write."""

    members: tuple[Member, ...]
    answer: Answer
    is_group: bool = False


def rows_of(rng: random.Random, bodies: list[tuple[int, bytes]] = BODIES) -> tuple[list[tuple[str, int]], Answer]:
    """Some columns, and rows of them."""
    picked = [rng.choice(bodies) for _ in range(rng.choice((0, 1, 1, 2, 5)))]
    columns = [(f"c{i}", oid) for i, (oid, _) in enumerate(picked)]
    rows = [data_row(*[None if rng.random() < 0.2 else body for _, body in picked]) for _ in range(rng.choice((0, 1,
                                                                                                               3)))]
    return columns, rows


def described(columns: list[tuple[str, int]]) -> bytes:
    return row_description(*[(name, oid, 1) for name, oid in columns])


def sink_of(rng: random.Random) -> tuple[Callable[[], RowSink], bool]:
    """What becomes of rows, and whether its statement is one for columns."""
    way = rng.randrange(4)
    if way == 0:
        return RawRows, False
    if way == 1:
        return (lambda: ColumnSink(bytes_max=200)), True
    return Records, False


def statement_of(columns: list[tuple[str, int]], *, is_columnar: bool = False, sql: str = "select 1",
                 name: str = "s") -> Statement:
    made = statement(sql, name, (), columns, REGISTRY)
    return columnar_statement(made) if is_columnar else made


def prepare(rng: random.Random) -> Unit:
    columns, _ = rows_of(rng)
    oids = [rng.choice((23, 25, 1700, 99999)) for _ in range(rng.randrange(3))]
    answer = [PARSED, parameter_description(*oids), row_description(*columns) if columns else NO_DATA, ready()]
    return Unit((lambda: Prepare("select $1", "name"),), answer)


def execute(rng: random.Random) -> Unit:
    columns, rows = rows_of(rng)
    make_sink, is_columnar = sink_of(rng)
    with_parse, limit = rng.random() < 0.4, rng.choice((0, 0, 1))
    head = [PARSED, BOUND, described(columns)] if with_parse else [BOUND]
    end = [SUSPENDED] if limit and rows else [complete(f"SELECT {len(rows)}")]

    def make() -> Operation:
        return Execute(statement_of(columns, is_columnar=is_columnar, name="" if with_parse else "s"), (), make_sink(),
                       row_limit=limit, with_parse=with_parse)

    return Unit((make,), [*head, *rows, *end, ready(rng.choice("IT"))])


def copy_by_execute(rng: random.Random) -> Unit:
    if rng.random() < 0.5:
        answer = [BOUND, copy_response("G", 0), error("COPY from stdin failed", "57014"), ready()]
    else:
        answer = [BOUND, copy_response("H", 0), message("d", b"x"), COPY_DONE, complete("COPY 1"), ready()]
    return Unit((lambda: Execute(statement_of([], sql="copy t"), (), Records()),), answer)


def executemany(rng: random.Random) -> Unit:
    columns, rows = rows_of(rng)
    n, chunk, keeps_tags = rng.randrange(1, 6), rng.choice((20, 65536)), rng.random() < 0.5
    each = [BOUND, *rows, complete("INSERT 0 1")]

    def make() -> Operation:
        return ExecuteMany(statement_of(columns), iter([()] * n), Records(), chunk=chunk, keep_tags=keeps_tags)

    return Unit((make,), [*(each * n), ready()])


def fetch_portal(rng: random.Random) -> Unit:
    columns, rows = rows_of(rng)
    binds, make_sink = rng.random() < 0.5, rng.choice((Records, RawRows))

    def make() -> Operation:
        return FetchPortal(statement_of(columns), "portal", make_sink(), row_limit=10, arguments=() if binds else None)

    end = SUSPENDED if rng.random() < 0.5 else complete("SELECT 0")
    return Unit((make,), [*([BOUND] if binds else []), *rows, end, ready("T")])


def stream(rng: random.Random) -> Unit:
    # A row that fails ends the stream from our side.
    columns, rows = rows_of(rng, PLAIN_BODIES)
    make_sink, is_columnar = sink_of(rng)

    def make() -> Operation:
        return Stream(statement_of(columns, is_columnar=is_columnar), (), make_sink(), batch=2)

    answer = [BOUND]
    for _ in range(rng.randrange(4)):
        answer += [*rows, SUSPENDED]
    return Unit((make,), [*answer, *rows, complete("SELECT 9"), ready()])


def close(rng: random.Random) -> Unit:
    is_portal = rng.random() < 0.5
    return Unit((lambda: Close("x", is_portal=is_portal),), [CLOSED, ready()])


def simple(rng: random.Random) -> Unit:
    answer: Answer = []
    for _ in range(rng.randrange(1, 4)):
        columns, rows = rows_of(rng)
        answer += rng.choice(([EMPTY], [complete("SET")], [described(columns), *rows, complete("SELECT 3")]))
    return Unit((lambda: SimpleQuery("a; b"),), [*answer, ready()])


def simple_copy(rng: random.Random) -> Unit:
    answer = rng.choice(([copy_response("G"), error("no", "57014"), ready()],
                         [copy_response("H"), message("d", b"x"), COPY_DONE, complete("COPY 1"), ready()],
                         [copy_response("W"), COPY_DONE, complete("COPY 0"), ready()]))
    return Unit((lambda: SimpleQuery("copy t"),), answer)


def copy_in(rng: random.Random) -> Unit:
    return Unit((lambda: CopyIn("copy t from stdin"),), [copy_response("G", 0, 1), complete("COPY 1"), ready()])


def copy_out(rng: random.Random) -> Unit:
    chunk = message("d", rng.randbytes(rng.randrange(60)))
    answer = [copy_response("H", 1), *[chunk] * rng.randrange(5), COPY_DONE, complete("COPY 5"), ready()]
    return Unit((lambda: CopyOut("copy t to stdout", high_water=50),), answer)


def script(rng: random.Random) -> Unit:
    statements = ("BEGIN", "RESET ALL", "COMMIT")[:rng.randrange(1, 4)]
    return Unit((lambda: Script(statements),), [*([PARSED, BOUND, complete("RESET")] * len(statements)), ready()])


KINDS = (prepare, execute, execute, execute, copy_by_execute, executemany, fetch_portal, stream, close, simple,
         simple_copy, copy_in, copy_out, script)
# What carries a prelude; what may stand behind each other without waiting; what may be in a group.
CARRYING = (prepare, execute, copy_by_execute, executemany, fetch_portal, stream, simple, copy_in, copy_out)
PIPELINED = (prepare, execute, fetch_portal, close, script)
GROUPED = (execute, fetch_portal, close)


def with_prelude(unit: Unit) -> Unit:
    """The same behind a BEGIN of its own."""
    (make,) = unit.members

    def begun() -> Operation:
        op = make()
        op.prelude = ("BEGIN",)
        return op

    is_simple = type(make()) in (SimpleQuery, CopyIn, CopyOut)
    return Unit((begun,), [*BEGIN, *unit.answer, *([ready("T")] if is_simple else [])])


def pipeline(rng: random.Random) -> Unit:
    """Several operations in flight, each with its Sync."""
    units = [rng.choice(PIPELINED)(rng) for _ in range(rng.randrange(2, 5))]
    return Unit(tuple([unit.members[0] for unit in units]), [part for unit in units for part in unit.answer])


def group(rng: random.Random) -> Unit:
    """Several operations that share one Sync."""
    units = [rng.choice(GROUPED)(rng) for _ in range(rng.randrange(1, 5))]
    answer = [part for unit in units for part in unit.answer[:-1]]
    return Unit(tuple([unit.members[0] for unit in units]), [*answer, ready(rng.choice("IT"))], is_group=True)


def with_error(rng: random.Random, unit: Unit) -> Unit:
    """The same, but the server fails somewhere: of what follows only the last ReadyForQuery is left."""
    at = rng.randrange(len(unit.answer))
    return Unit(unit.members, [*unit.answer[:at], error(code=rng.choice(("23505", "57014", "25P02"))), ready("E")],
                unit.is_group)


def random_unit(rng: random.Random) -> Unit:
    way = rng.random()
    if way < 0.12:
        unit = pipeline(rng)
    elif way < 0.24:
        unit = with_prelude(rng.choice(CARRYING)(rng))
    else:
        unit = group(rng) if way < 0.36 else rng.choice(KINDS)(rng)
        if rng.random() < 0.2:
            unit = with_error(rng, unit)
    if rng.random() < 0.2:
        at = rng.randrange(len(unit.answer) + 1)
        unit = Unit(unit.members, [*unit.answer[:at], rng.choice(ASYNCHRONOUS), *unit.answer[at:]], unit.is_group)
    return unit


def joined(members: list[Any], unit: Unit) -> Group | None:
    """Put the members of a unit into a group, if they are one."""
    if not unit.is_group:
        return None
    made = Group()
    for op in members:
        op.group = made
        op.ends_group = False
    return made
