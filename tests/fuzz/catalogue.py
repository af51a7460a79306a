"""Answers of the catalogue that lie: types that contain themselves, parts that are not there, names without types.

Whatever is believed of them, building codecs, planning columns, reading and writing must end in a value or in an error.
"""
from __future__ import annotations

import random
from typing import Any

from pgproto.codecs.catalogue import TypeCache, read_facts
from pgproto.codecs.registry import CodecRegistry
from pgproto.columns.plan import ColumnOptions, plan
from pgproto.errors import DataError
from pgproto.messages.backend import Column
from pgproto.statement import Statement
from tests.fuzz.harness import PROMISED, Case, Target, insist, typed
from tests.support.backend_bytes import row_body
from tests.unit.columns.rows import array, composite, value

OIDS = (70001, 70002, 70003, 70004, 70005, 70006)
BUILT_IN = (23, 25, 1007, 1700, 2249, 3904, 4451, 16, 0, 2**32 - 1, 99999)
# What the columns' types can hold, and what no catalogue says.
NO_TEXT, NO_NUMBER = (None, "", "long", "\0", "é"), (None, 0, 2**32 - 1)
WRONG: dict[str, tuple[Any, ...]] = {
    "oid": NO_NUMBER, "name": NO_TEXT, "schema": NO_TEXT, "typtype": NO_TEXT, "inner": NO_NUMBER, "delimiter": NO_TEXT,
    "is_visible": (None,), "names": ([None], ["a", None], [["a"], ["b"]]), "oids": ([None], [23, None], [[23], [25]])}
ROOM = 32 * 1024
VALUES = (None, 1, "a", [1, 2], [[1], [2]], (1, "x"), {"a": 1}, {"b": 2, "a": 1}, (), [(1,), None], [[[[[[[1]]]]]]],
          object())


def fact(rng: random.Random, oid: int) -> dict[str, Any]:
    """A row of the catalogue query, right or not."""
    n = rng.choice((0, 1, 2, 2, 5))
    row: dict[str, Any] = {
        "oid": oid, "name": rng.choice(("t", "", "_t", "x" * 63)), "schema": rng.choice(("public", "pg_catalog", "")),
        "typtype": rng.choice("ecdrmabpx"), "inner": rng.choice((*OIDS, *BUILT_IN)), "delimiter": rng.choice(",;"),
        "is_visible": rng.random() < 0.5, "names": rng.choice((None, [], list("abcde"[:n]), ["a"] * n)),
        "oids": rng.choice((None, [], [rng.choice((*OIDS, *BUILT_IN)) for _ in range(n)]))}
    if rng.random() < 0.7:
        row["names"], row["oids"] = list("abcde"[:n]), [rng.choice((*OIDS, *BUILT_IN)) for _ in range(n)]
    if rng.random() < 0.1:
        column = rng.choice(list(row))
        row[column] = rng.choice(WRONG[column])
    return row


def body_for(rng: random.Random, depth: int = 0) -> bytes:
    """A body that may fit a type made of others."""
    if depth == 4 or rng.random() < 0.3:
        return rng.choice((b"", b"\0\0\0\1", b"x", b"{}", b"(,)", b"{1,2}", b"[1,2]", rng.randbytes(6)))
    parts = [None if rng.random() < 0.2 else body_for(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 2)))]
    way = rng.randrange(3)
    if way == 0:
        return composite(*[(rng.choice((*OIDS, *BUILT_IN)), part) for part in parts])
    if way == 1:
        return array(rng.choice((*OIDS, *BUILT_IN)), *parts)
    return b"\2" + b"".join([value(part) for part in parts[:2]])


def make(rng: random.Random) -> Case:
    facts = [fact(rng, rng.choice(OIDS)) for _ in range(rng.randrange(1, 8))]
    columns = (*[Column(f"c{i}", 0, 0, oid, 0, -1, 0) for i, oid in enumerate(OIDS)],)
    bodies = [body_for(rng) for _ in range(8)]
    given = [rng.choice(VALUES) for _ in range(8)]

    def run() -> object:
        types = TypeCache()
        try:
            types.learn(read_facts(facts))
        except PROMISED as error:
            return typed(error)
        registry = CodecRegistry(types)
        for oid in OIDS:
            use(registry, types, Column("c", 0, 0, oid, 0, -1, 0), bodies, given)
        return plan(columns, types.facts, ColumnOptions())

    def check(planned: object) -> None:
        insist(isinstance(planned, BaseException) or len(planned) == len(OIDS),
               "a column has no plan")  # type: ignore[arg-type]

    # A type that contains itself is followed 512 levels down, and the traceback of its refusal has as many.
    return Case(ROOM + sum(map(len, bodies)), run, check)


def use(registry: CodecRegistry, types: TypeCache, column: Column, bodies: list[bytes], given: list[Any]) -> None:
    """Read and write values of a type, whatever it is."""
    try:
        statement = Statement("select", "", (column.type_oid,), (column,), registry)
        registry.unknown([column.type_oid])
    except PROMISED as error:
        typed(error)
        return
    for body in bodies:
        try:
            statement.decode(row_body(body))
        except PROMISED as error:
            typed(error)
    for one in given:
        try:
            statement.encode_bind((one,))
        except PROMISED as error:
            insist(isinstance(error, DataError) or one is not None, f"NULL was refused: {error!r}")
            typed(error)


TARGET = Target("types", make, short=500)
