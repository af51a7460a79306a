"""Random values of every scalar type compared with the live server, both ways and in both formats.

    python -m tests.types.differential [--values 1200000] [--seed N] [--dsn URI]

A value goes out in the binary format, as an argument and in an array, and comes back; the server shows its text. Our
own text of it, and the text that the server has shown, are literals that the server reads. All of these must be the
value that was sent, of its type, and Python's own way to write it must be the server's text.
"""
from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import asyncpg_core
from pgproto.codecs.registry import builtin_codec, builtin_oids
from tests.types import SETTINGS
from tests.types.random_values import (
    CATALOGUE,
    KINDS,
    UNSENDABLE,
    Kind,
    ascii_byte,
    decimal_or_infinity,
    is_pseudo,
    shorter_timedelta,
)
from tests.types.same import same

BATCH = 100
N_SHOWN = 5     # disagreements that are shown of one type


class Disagreement(NamedTuple):
    """Where a value did not stay what it was."""

    type_name: str
    way: str
    value: object
    came: object

    def __str__(self) -> str:
        return f"{self.type_name}, {self.way}: {self.value!r} became {self.came!r}"


def scalar_names() -> set[str]:
    """Return the built-in scalar types of which values can be sent, as they are written after `::`."""
    codecs = [builtin_codec(oid) for oid in builtin_oids()]
    names = {codec.name for codec in codecs if codec is not None and codec.kind == "scalar"}
    names |= {"int2vector", "oidvector"}
    return {{"char": '"char"', "bit": '"bit"'}.get(name, name) for name in names - UNSENDABLE if not is_pseudo(name)}


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Comparison:
    """One type on one connection: batches of values go in, disagreements come out."""

    def __init__(self, connection: Any, type_name: str, kind: Kind, codec: Any) -> None:
        self.connection = connection
        self.type_name = type_name
        self.kind = kind
        self.codec = codec
        self.found: list[Disagreement] = []

    def check(self, way: str, values: Sequence[object], came: Sequence[object]) -> None:
        for value, one in zip(values, came, strict=True):
            if not same(one, value):
                self.found.append(Disagreement(self.type_name, way, value, one))

    async def compare(self, values: list[object]) -> None:
        """Send, show and read back a batch."""
        name = self.type_name
        columns = [f"${n + 1}::{name}" for n in range(len(values))]
        row = await self.connection.fetchrow(
            "select " + ", ".join(columns + [f"format('%s', {column})" for column in columns]), *values)
        shown = list(row)[len(values):]
        self.check("sent and read back", values, list(row)[:len(values)])
        self.check("the server's text decoded", values, [self.codec.decode_value(text.encode(), 0) for text in shown])
        if self.kind.plain is not None:
            self.check("as Python writes it", [self.kind.plain(value) for value in values], shown)
        if self.kind.has_array:
            back = await self.connection.fetchval(f"select $1::{name}[]", values)
            self.check("in an array", values, back)
        ours = [self.codec.encode_value(value, 0).decode() for value in values]
        for way, texts in (("the server's text as a literal", shown), ("our text as a literal", ours)):
            if way.startswith("our") and ours == shown:
                continue
            sql = ", ".join(f"({literal(text)}::{name})" for text in texts)
            rows = await self.connection.fetch(f"select x, format('%s', x) from (values {sql}) as v(x)")
            self.check(way, values, [row[0] for row in rows])
            self.check(way + ", shown", shown, [row[1] for row in rows])


async def kinds_of(connection: Any) -> dict[str, Kind]:
    """Return the kinds that this server has, those of its catalogue's names included."""
    kinds = dict(KINDS)
    major = connection.get_server_version().major
    if major < 16:
        kinds['"char"'] = kinds['"char"']._replace(make=ascii_byte)
    if major < 15:
        kinds["interval"] = kinds["interval"]._replace(make=shorter_timedelta)
    if major >= 14:
        kinds["numeric"] = kinds["numeric"]._replace(make=decimal_or_infinity)
    for name, sql in CATALOGUE.items():
        names = sorted(row[0] for row in await connection.fetch(sql))
        kinds[name] = Kind(lambda chance, names=names: chance.choice(names), str)  # type: ignore[misc]
    try:
        await connection.fetchval("select '<a/>'::xml")
    except asyncpg_core.FeatureNotSupportedError:
        del kinds["xml"]    # a server built without libxml
    return kinds


async def compare_type(connection: Any, type_name: str, kind: Kind, n_values: int, seed: int) -> list[Disagreement]:
    """Compare so many values of one type; return what did not agree."""
    chance = random.Random(f"{seed} {type_name}")
    oid = await connection.fetchval(f"select {literal(type_name)}::regtype::oid")
    comparison = Comparison(connection, type_name, kind, connection._session.registry.codec(oid))
    for n in batches(n_values):
        await comparison.compare([kind.make(chance) for _ in range(n)])
    return comparison.found


def batches(n_values: int) -> Iterator[int]:
    while n_values > 0:
        yield min(n_values, BATCH)
        n_values -= BATCH


async def compare_all(dsn: str, n_values: int, seed: int) -> int:
    """Print a line per type; return how many values did not agree."""
    # No statements are kept: the literals are different each time.
    connection = await asyncpg_core.connect(dsn, server_settings=SETTINGS, max_cacheable_statement_size=8000)
    n_wrong = n_all = 0
    try:
        kinds = await kinds_of(connection)
        for name in sorted(kinds):
            started = time.monotonic()
            share = -(-n_values // len(kinds))
            found = await compare_type(connection, name, kinds[name], share, seed)
            n_wrong += len(found)
            n_all += share
            seconds = time.monotonic() - started
            print(f"{name:16} {share:7} values  {len(found):4} disagree  {seconds:5.1f} s", flush=True)
            for one in found[:N_SHOWN]:
                print(f"    {one}")
    finally:
        await connection.close()
    print(f"{n_all} values of {len(kinds)} types, both ways in both formats: {n_wrong} disagreements (seed {seed})")
    return n_wrong


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.types.differential", description=__doc__)
    parser.add_argument("--values", type=int, default=1_200_000, help="over all types")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time; it is printed")
    parser.add_argument("--dsn", help="a running server's URI; default: the embedded one")
    chosen = parser.parse_args(arguments)
    seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
    with ExitStack() as stack:
        if chosen.dsn is None:
            # Imported where it is used: with --dsn no embedded server is needed.
            from tests.support.cluster import Cluster

            chosen.dsn = stack.enter_context(Cluster()).dsn()
        return 1 if asyncio.run(compare_all(chosen.dsn, chosen.values, seed)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
