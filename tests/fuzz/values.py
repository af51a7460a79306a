"""Values from the server: every codec in both formats, and the same bytes as columns of Arrow.

The bodies are those that PostgreSQL sends, bent; the types are the built-in ones, made of others, and a user's.
"""
from __future__ import annotations

import functools
import json
import random
from typing import Any

from pgproto.codecs.catalogue import TypeCache, TypeFacts
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.columns.plan import ColumnOptions
from pgproto.columns.sink import ColumnSink, columnar_statement
from pgproto.messages.backend import Column
from pgproto.record import Record
from pgproto.statement import Statement
from tests.fuzz.harness import ALLOCATED_PER_BYTE, PROMISED, Case, Target, insist, typed
from tests.fuzz.mutation import mutated
from tests.support.arrow_reader import read
from tests.support.backend_bytes import row_body
from tests.unit.codecs.golden import GOLDEN, READ_ONLY, TEXT_ONLY, TEXT_ONLY_READ
from tests.unit.columns.rows import array, composite, value

VALUES_PER_CASE = 12
# Twelve bytes may be a number of 131,072 digits, and have to be that number: the cost is bounded, not in proportion.
NUMERICS, ROOM_OF_NUMERIC = (1700, 1231), 400_000
MOOD, PAIR, PAIRS, POSITIVE, SPAN, SPANS, NESTED, HSTORE = 70001, 70003, 70004, 70005, 70006, 70007, 70008, 70009
FACTS = (
    TypeFacts(MOOD, "mood", "public", "e", 0, ",", True),
    TypeFacts(PAIR, "pair", "public", "c", 0, ",", True, ("a", "b"), (23, 25)),
    TypeFacts(PAIRS, "_pair", "public", "a", PAIR, ",", True),
    TypeFacts(POSITIVE, "positive", "public", "d", 23, ",", True),
    TypeFacts(SPAN, "span", "public", "r", 701, ",", True),
    TypeFacts(SPANS, "spans", "public", "m", SPAN, ",", True),
    TypeFacts(NESTED, "nested", "public", "c", 0, ",", True, ("p", "m", "s"), (PAIRS, MOOD, SPAN)),
)
PAIR_BODY = composite((23, b"\0\0\0\2"), (25, b"x"))
SPAN_BODY = b"\2" + value(b"\x3f\xf0" + bytes(6)) + value(b"\x40\0" + bytes(6))
RECORD_BODY = composite((23, b"\0\0\0\1"), (25, None), (2249, composite((25, b"in"))), (1007, array(23, b"\0\0\0\1")))
INT4RANGE_BODY = b"\2" + value(b"\0\0\0\1") + value(b"\0\0\0\5")

# (oid, format, body)
BODIES: list[tuple[int, int, bytes]] = [
    *[(oid, 1, bytes.fromhex(body)) for oid, body, _, _ in GOLDEN + READ_ONLY],
    *[(oid, 0, text.encode()) for oid, _, text, _ in GOLDEN + READ_ONLY],
    *[(oid, 0, text.encode()) for oid, text in TEXT_ONLY + TEXT_ONLY_READ],
    (MOOD, 1, b"sad"), (PAIR, 1, PAIR_BODY), (PAIR, 0, b'(2,"x ""y""")'), (PAIRS, 1, array(PAIR, PAIR_BODY, None)),
    (PAIRS, 0, b'{"(2,x)",NULL}'), (POSITIVE, 1, b"\0\0\0\1"), (SPAN, 1, SPAN_BODY), (SPAN, 0, b"[1,2)"),
    (SPANS, 1, b"\0\0\0\1" + value(SPAN_BODY)), (SPANS, 0, b'{[1,2),["3",)}'), (3904, 1, INT4RANGE_BODY),
    (4451, 1, b"\0\0\0\1" + value(INT4RANGE_BODY)), (3904, 0, b"empty"), (2249, 1, RECORD_BODY),
    (2249, 0, b'(1,,"(in)","{1}")'), (2287, 1, array(2249, RECORD_BODY)),
    (NESTED, 1, composite((PAIRS, array(PAIR, PAIR_BODY)), (MOOD, b"sad"), (SPAN, SPAN_BODY))),
    (1231, 1, array(1700, bytes.fromhex("000200000000000200011388"), None)), (1185, 1, array(1184, bytes(8))),
]
WITH_USERS_CODECS = (114, 3802, 1082, 1186, 1700, 25)


def registry(*, has_users_codecs: bool) -> CodecRegistry:
    """The codecs of a session that knows the types above; with the user's, some are his."""
    types = TypeCache()
    types.learn(FACTS)
    made = CodecRegistry(types)
    if has_users_codecs:
        for oid, format, decoder in ((114, "text", json.loads), (3802, "text", json.loads), (1082, "tuple", tuple),
                                     (1186, "tuple", tuple), (1700, "text", float), (25, "binary", bytes)):
            base = builtin_codec(oid)
            assert base is not None
            made.set(oid, custom_codec(base, format, str, decoder))
    return made


@functools.cache
def statement_of(oid: int, format: int, has_users_codecs: bool) -> Statement:
    return Statement("select", "", (), (Column("c", 0, 0, oid, 0, -1, format),),
                     registry(has_users_codecs=has_users_codecs), is_bound=True)


@functools.cache
def columnar(oid: int, typmod: int) -> Statement:
    return columnar_statement(Statement("select", "", (), (Column("c", 0, 0, oid, 0, typmod, 0),),
                                        registry(has_users_codecs=False)))


def hostile(rng: random.Random) -> tuple[int, int, bytes]:
    """A body of some type; now and then one that belongs to another type."""
    oid, format, body = rng.choice(BODIES)
    if rng.random() < 0.1:
        oid, format, _ = rng.choice(BODIES)
    return oid, format, mutated(rng, body) if rng.random() < 0.95 else body


def make_decode(rng: random.Random) -> Case:
    wanted: list[tuple[Statement, bytes, bool]] = []
    for _ in range(VALUES_PER_CASE):
        oid, format, body = hostile(rng)
        is_users = rng.random() < 0.1
        wanted.append((statement_of(oid, format, is_users), row_body(body), is_users))

    def run() -> list[Record]:
        found = []
        for statement, row, is_users in wanted:
            try:
                found.append(statement.decode(row))
            except PROMISED as error:
                typed(error)
            except ValueError:
                # The user's decoder's own, which surfaces as it is.
                if not is_users:
                    raise
        return found

    def check(found: Any) -> None:
        for record in found:
            insist(len(record) == 1 and repr(record), "a record cannot be shown")

    n_numerics = sum(statement.columns[0].type_oid in NUMERICS for statement, _, _ in wanted)
    return Case(sum(len(row) for _, row, _ in wanted) + n_numerics * ROOM_OF_NUMERIC // ALLOCATED_PER_BYTE, run, check)


def make_columns(rng: random.Random) -> Case:
    """Rows of one type into columns: those that are refused leave nothing, the others can be read."""
    oid, _, body = rng.choice(BODIES)
    statement = columnar(oid, rng.choice((-1, -1, ((18 << 16) | 4) + 4, rng.randrange(-2, 2**31))))
    options = ColumnOptions(numeric=rng.choice(("auto", "string", "float64", (10, 2))),
                            infinity=rng.choice(("error", "null")), nan=rng.choice(("error", "null")))
    rows = [row_body(None if rng.random() < 0.1 else mutated(rng, body)) for _ in range(VALUES_PER_CASE)]
    rows = [mutated(rng, row) if rng.random() < 0.1 else row for row in rows]
    sink = ColumnSink(options, bytes_max=rng.choice((0, 1, 40, 1000)))

    def run() -> int:
        n_taken = 0
        for row in rows:
            try:
                sink.feed(statement, row)
                n_taken += 1
            except PROMISED as error:
                typed(error)
        return n_taken

    def check(n_taken: object) -> None:
        columns = sink.columns(statement)
        insist(columns.num_rows == n_taken, f"{n_taken} rows were taken, {columns.num_rows} are there")
        try:
            table = read(columns)
        except (OverflowError, ValueError):
            return  # a date or an interval that Arrow holds and the reader's Python does not
        insist(len(table.rows) == n_taken, f"{n_taken} rows were taken, {table.lengths} are read")

    n_numerics = len(rows) if oid in NUMERICS else 0
    return Case(sum(map(len, rows)) + n_numerics * ROOM_OF_NUMERIC // ALLOCATED_PER_BYTE, run, check)


DECODE = Target("decode", make_decode, short=3000)
COLUMNS = Target("columns", make_columns, short=1500)
