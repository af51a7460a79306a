"""Reads what the Arrow PyCapsule interface hands over, with ctypes alone: the tests' own second opinion.

`read(result)` takes a stream and gives a Table of plain Python values; it also checks what the specification asks of
the structures. Whatever it was given it releases.

https://arrow.apache.org/docs/format/CDataInterface.html
"""
from __future__ import annotations

import ctypes
import datetime
import decimal
import struct
import uuid
from dataclasses import dataclass
from typing import Any


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p)]
Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))), ("dictionary", ctypes.POINTER(Array)),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p)]
Stream._fields_ = [
    ("get_schema", ctypes.c_void_p), ("get_next", ctypes.c_void_p), ("get_last_error", ctypes.c_void_p),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p)]

capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype = ctypes.c_void_p
capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]

# Called without the GIL, as a consumer in another language would.
RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
GET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
FIXED = {"s": "h", "i": "i", "I": "I", "l": "q", "f": "f", "g": "d", "tdD": "i", "ttu": "q", "tin": "iiq"}
EPOCH = datetime.datetime(1970, 1, 1)


@dataclass
class Table:
    """`formats` are Arrow's, by column; `batches` have a list of values for each column."""

    names: list[str]
    formats: list[str]
    metadata: list[dict[bytes, bytes]]
    batches: list[list[list[Any]]]
    lengths: list[int]

    @property
    def columns(self) -> list[list[Any]]:
        return [[value for batch in self.batches for value in batch[number]] for number in range(len(self.names))]

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*self.columns, strict=True))


def release(struct_: Any) -> None:
    if struct_.release:
        RELEASE(struct_.release)(ctypes.addressof(struct_))
        assert not struct_.release


def read(result: Any) -> Table:
    capsule = result.__arrow_c_stream__()
    stream = Stream.from_address(capsule_pointer(capsule, b"arrow_array_stream"))
    schema = Schema()
    assert GET(stream.get_schema)(ctypes.addressof(stream), ctypes.addressof(schema)) == 0
    children = [schema.children[i].contents for i in range(schema.n_children)]
    assert schema.format == b"+s"
    table = Table([child.name.decode() for child in children], [child.format.decode() for child in children],
                  [metadata_of(child.metadata) for child in children], [], [])
    while True:
        array = Array()
        assert GET(stream.get_next)(ctypes.addressof(stream), ctypes.addressof(array)) == 0
        if not array.release:
            break
        table.batches.append([values_of(children[i], array.children[i].contents) for i in range(array.n_children)])
        table.lengths.append(array.length)
        assert all(array.children[i].contents.length == array.length for i in range(array.n_children))
        release(array)
    release(schema)
    return table


def metadata_of(address: int | None) -> dict[bytes, bytes]:
    if not address:
        return {}
    at = address

    def take_int() -> int:
        nonlocal at
        at += 4
        return ctypes.c_int32.from_address(at - 4).value

    def take_text() -> bytes:
        nonlocal at
        n = take_int()
        at += n
        return ctypes.string_at(at - n, n)

    return {take_text(): take_text() for _ in range(take_int())}


def bits(address: int | None, n: int) -> list[bool]:
    if not address:
        return [True] * n
    raw = ctypes.string_at(address, (n + 7) // 8)
    return [bool(raw[i // 8] >> i % 8 & 1) for i in range(n)]


def values_of(schema: Schema, array: Array) -> list[Any]:
    """Return the values of an array, None where one is NULL."""
    assert array.offset == 0
    n, format = array.length, schema.format.decode()
    buffers = [array.buffers[i] for i in range(array.n_buffers)]
    is_there = bits(buffers[0], n)
    assert is_there.count(False) == array.null_count
    if schema.dictionary:
        labels = values_of(schema.dictionary.contents, array.dictionary.contents)
        values = [labels[i] if is_there[at] else None for at, i in enumerate(fixed(buffers[1], n, "i"))]
    elif format == "+s":
        children = [values_of(schema.children[i].contents, array.children[i].contents)
                    for i in range(array.n_children)]
        assert all(len(child) == n for child in children)
        values = [tuple(child[i] for child in children) for i in range(n)]
    elif format == "+l":
        elements = values_of(schema.children[0].contents, array.children[0].contents)
        ends = fixed(buffers[1], n + 1, "i")
        assert ends[0] == 0
        assert ends[-1] == len(elements)
        values = [elements[ends[i]:ends[i + 1]] for i in range(n)]
    elif format in "uz":
        ends = fixed(buffers[1], n + 1, "i")
        raw = ctypes.string_at(buffers[2], ends[-1])
        values = [raw[ends[i]:ends[i + 1]] for i in range(n)]
        values = [value.decode() for value in values] if format == "u" else values
    elif format == "b":
        values = list(bits(buffers[1], n)) if n else []
    else:
        values = [plain(format, value) for value in fixed_values(format, buffers[1], n)]
    return [value if there else None for value, there in zip(values, is_there, strict=True)]


def fixed(address: int, n: int, code: str) -> list[Any]:
    size = struct.calcsize("=" + code)
    found = list(struct.iter_unpack("=" + code, ctypes.string_at(address, n * size)))
    return [values[0] if len(values) == 1 else values for values in found]


def fixed_values(format: str, address: int, n: int) -> list[Any]:
    if format == "w:16" or format.startswith("d:"):
        raw = ctypes.string_at(address, 16 * n)
        return [raw[16 * i:16 * i + 16] for i in range(n)]
    return fixed(address, n, "q" if format.startswith("ts") else FIXED[format])


def plain(format: str, value: Any) -> Any:
    """Return the Python value that a value of a fixed size stands for; the number where Python has no such day."""
    try:
        return plain_of(format, value)
    except OverflowError:
        return value


def plain_of(format: str, value: Any) -> Any:
    if format == "w:16":
        return uuid.UUID(bytes=value)
    if format.startswith("d:"):
        scale = int(format.partition(",")[2])
        digits = int.from_bytes(value, "little", signed=True)
        return decimal.Decimal(digits).scaleb(-scale, decimal.Context(prec=60))
    if format == "tdD":
        return EPOCH.date() + datetime.timedelta(value)
    if format == "ttu":
        return (EPOCH + datetime.timedelta(microseconds=value)).time()
    if format.startswith("ts"):
        moment = EPOCH + datetime.timedelta(microseconds=value)
        return moment.replace(tzinfo=datetime.timezone.utc) if format == "tsu:UTC" else moment
    return value
