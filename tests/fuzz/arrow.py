"""Arrow data of a producer that lies as far as the C interface lets one see: counts, offsets, indexes, missing buffers.

How long a buffer is it does not say, so no length here reaches beyond what is there.
"""
from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from pgproto.arrow_in.stream import ArrowSource
from pgproto.arrow_in.writer import ArrowWriter
from pgproto.codecs.registry import builtin_codec
from pgproto.errors import DataError, InterfaceError
from tests.fuzz.harness import Case, Target, insist, typed
from tests.fuzz.mutation import EDGES_32
from tests.support.arrow_data import (
    Batch,
    Batches,
    Node,
    booleans,
    decimals,
    dictionary,
    fixed,
    given_away,
    lists,
    nulls,
    numbers,
    structs,
    table,
    texts,
)

OIDS = (16, 17, 20, 21, 23, 25, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1700, 2950, 114, 3802, 1043, 1007, 1009,
        1231,
        869, 2249, 19)
FORMATS = ("c", "C", "s", "S", "i", "I", "l", "L", "e", "f", "g", "tdD", "tdm", "tts", "ttm", "ttu", "ttn", "tss:",
           "tsm:",
           "tsu:UTC", "tsn:x", "tDs", "tDm", "tDu", "tDn", "tiM", "x", "", "tx", "w", "d:", "+")


def column(rng: random.Random, n: int, depth: int = 0) -> Node:
    """A column of n values, right in itself."""
    def some(make: Callable[[], Any]) -> list[Any]:
        return [None if rng.random() < 0.2 else make() for _ in range(n)]

    way = rng.randrange(12 if depth < 3 else 8)
    if way < 3:
        format = rng.choice(FORMATS)
        top = {"e": 100, "f": 100, "g": 100, "C": 255, "S": 2**16 - 1, "I": 2**32 - 1, "L": 2**63}.get(format, 127)
        bottom = 0 if top > 127 or format == "C" else -128
        return numbers(format, some(lambda: rng.choice((bottom, top, 0, 1))))
    if way == 3:
        return booleans(some(lambda: rng.random() < 0.5))
    if way == 4:
        return texts(rng.choice(("u", "U", "z", "Z", "vu", "vz")), some(lambda: rng.choice(
            (b"", b"x", b"{}", b"\0", b"\xff", b"twelve bytes", b"more than twelve bytes", "é".encode()))))
    if way == 5:
        width = rng.choice((0, 1, 3, 16))
        return fixed(width, some(lambda: rng.randbytes(width)))
    if way == 6:
        width, format = rng.choice(((16, "d:38,2"), (4, "d:9,4,32"), (8, "d:18,5,64"), (32, "d:76,3,256"), (16, "d:x"),
                                    (16, "d:38,2,77"), (16, "d:5,-3"), (16, "d:2000000000,1")))
        return decimals(format, width, some(lambda: rng.choice((0, -1, 2**(8 * width - 1) - 1, -2**(8 * width - 1)))))
    if way == 7:
        return nulls(n)
    if way == 8:
        values = some(lambda: [0] * rng.randrange(3))
        n_items = sum(len(value or ()) for value in values)
        return lists(values, column(rng, n_items, depth + 1), rng.choice(("+l", "+L")))
    if way == 9:
        return structs(some(lambda: ()), a=column(rng, n, depth + 1), b=column(rng, n, depth + 1))
    if way == 10:
        words = column(rng, 3, depth + 1)
        return dictionary([None if rng.random() < 0.2 else rng.choice((0, 1, 2)) for _ in range(n)], words,
                          rng.choice("csilCSIL"))
    return lists(some(lambda: [0, 0]), column(rng, 2 * n, depth + 1), "+w:2")


def lie(rng: random.Random, node: Node) -> None:
    """Make something of a column wrong that can be seen."""
    inner = node
    while rng.random() < 0.5 and (inner.children or inner.dictionary):
        inner = rng.choice(inner.children) if inner.children else inner.dictionary  # type: ignore[assignment]
    way = rng.randrange(9)
    if way == 0:
        inner.lies["null_count"] = rng.choice((-1, 0, 1, -2, 2**40))
    elif way == 1:
        # Of views there may be any number, and the last one is looked at.
        many = (0, -1) if inner.format.startswith("v") else (2**40, len(inner.buffers) + 1)
        inner.lies["n_buffers"] = rng.choice((0, 1, -1, *many))
    elif way == 2:
        inner.lies["n_children"] = rng.choice((0, -1, 2**40, len(inner.children) + 1))
    elif way == 3:
        inner.lies["length"] = rng.choice((-1, 0, -2**63, max(inner.length - 1, 0)))
    elif way == 4:
        inner.lies["offset"] = rng.choice((-1, 2**62, -2**63, 2**63 - 1))
    elif way == 5:
        inner.lies[rng.choice(("no_buffers", "no_dictionary"))] = 1
    elif way == 6 and inner.buffers:
        inner.buffers[rng.randrange(len(inner.buffers))] = None
    elif way == 7:
        break_offsets(rng, inner)
    elif inner.dictionary is not None:
        break_indexes(rng, inner)


def break_offsets(rng: random.Random, node: Node) -> None:
    """Offsets that decrease or are negative; of lists and of views also such as lie beyond what they point to."""
    if node.format in ("u", "z", "+l", "U", "Z", "+L") and len(node.buffers) > 1 and node.buffers[1]:
        code = "=q" if node.format in ("U", "Z", "+L") else "=i"
        size = struct.calcsize(code)
        at = rng.randrange(len(node.buffers[1]) // size)
        wrong = rng.choice((-1, -2**31, 2**31 - 1)) if node.format.startswith("+") else rng.choice((-1, -2**31))
        node.buffers[1] = node.buffers[1][:at * size] + struct.pack(code, wrong) + node.buffers[1][(at + 1) * size:]
    elif node.format in ("vu", "vz") and node.buffers[1] and len(node.buffers[1]) > 16:
        at = 16 * rng.randrange(len(node.buffers[1]) // 16) + rng.choice((0, 8, 12))
        (length,) = struct.unpack_from("=i", node.buffers[1], at - at % 16)
        if length > 12 or at % 16 == 0:
            wrong = struct.pack("=I", rng.choice(EDGES_32))
            node.buffers[1] = node.buffers[1][:at] + wrong + node.buffers[1][at + 4:]


def break_indexes(rng: random.Random, node: Node) -> None:
    buffer = bytearray(node.buffers[1] or b"")
    if buffer:
        buffer[rng.randrange(len(buffer))] = rng.choice((3, 127, 128, 255))
    node.buffers[1] = bytes(buffer)


def make(rng: random.Random) -> Case:
    # The data of the case before were released, and are not looked at any more.
    given_away.clear()
    n = rng.choice((0, 1, 3, 9))
    made = table(**{name: column(rng, n) for name in "abc"[:rng.choice((1, 1, 2, 3))]})
    if rng.random() < 0.7:
        lie(rng, made)
    codecs = tuple([builtin_codec(rng.choice(OIDS)) or builtin_codec(25) for _ in made.children])
    batches = [made] * rng.choice((1, 2))
    data = Batch(made) if rng.random() < 0.4 else Batches(batches)

    def run() -> object:
        try:
            source = ArrowSource(data)
        except (InterfaceError, DataError) as error:
            return typed(error)
        try:
            rows = ArrowWriter(source, tuple("abc"[:len(codecs)]), codecs)  # type: ignore[arg-type]
            while rows.fill():
                rows.take()
            rows.end()
            return rows
        except (InterfaceError, DataError) as error:
            return typed(error)
        finally:
            source.close()

    def check(outcome: object) -> None:
        if isinstance(data, Batches):
            insist(data.n_released["stream"] == 1 and data.n_released["array"] == data.n_given,
                   f"{data.n_released} were released, {data.n_given} batches were given")
        elif not isinstance(outcome, InterfaceError):
            insist(data.n_released["array"] == 1, f"{data.n_released} were released")

    return Case(4096 + 200 * n, run, check)


TARGET = Target("arrow-in", make, short=600)
