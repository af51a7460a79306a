"""Arrow data made by hand: the structures of the C data interface, by ctypes, with no Arrow library.

`Node` is an array together with its type: buffers, children, dictionary, whatever a test wants them to be, right or
wrong. The functions below make the right ones. `Batches` is a stream of them, `Batch` one; both count what is released.

https://arrow.apache.org/docs/format/CDataInterface.html
"""
from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


RELEASE_SCHEMA = ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))
RELEASE_ARRAY = ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))
RELEASE_STREAM = ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))
GET_SCHEMA = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))
GET_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))
LAST_ERROR = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(Stream))

Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)), ("release", RELEASE_SCHEMA), ("private_data", ctypes.c_void_p)]
Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))), ("dictionary", ctypes.POINTER(Array)),
    ("release", RELEASE_ARRAY), ("private_data", ctypes.c_void_p)]
Stream._fields_ = [
    ("get_schema", GET_SCHEMA), ("get_next", GET_NEXT), ("get_last_error", LAST_ERROR), ("release", RELEASE_STREAM),
    ("private_data", ctypes.c_void_p)]

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


@dataclass
class Node:
    """An array and its type. `buffers` begin with the bitmap; None is a NULL pointer."""

    format: str
    length: int
    buffers: list[bytes | None]
    name: str = ""
    null_count: int = 0
    offset: int = 0
    children: list[Node] = field(default_factory=list)
    dictionary: Node | None = None
    # What the structures say although it is not so.
    lies: dict[str, int] = field(default_factory=dict)

    def named(self, name: str) -> Node:
        self.name = name
        return self


# What is right

CODES = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "l": "q", "L": "Q", "e": "e", "f": "f", "g": "d",
         "tdD": "i", "tdm": "q", "tts": "i", "ttm": "i", "ttu": "q", "ttn": "q", "tiM": "i", "tiD": "ii", "tin": "iiq"}


def code_of(format: str) -> str:
    return CODES.get(format, "q")


def bits(flags: Iterable[Any]) -> bytes:
    wanted = [bool(flag) for flag in flags]
    packed = bytearray((len(wanted) + 7) // 8 + 1)
    for i, flag in enumerate(wanted):
        packed[i // 8] |= flag << i % 8
    return bytes(packed)


def validity(values: Sequence[Any]) -> tuple[bytes | None, int]:
    n_null = sum(value is None for value in values)
    return (bits(value is not None for value in values) if n_null else None), n_null


def node(format: str, values: Sequence[Any], buffers: list[bytes | None], **more: Any) -> Node:
    bitmap, n_null = validity(values)
    return Node(format, len(values), [bitmap, *buffers], null_count=n_null, **more)


def numbers(format: str, values: Sequence[Any]) -> Node:
    """Numbers, times and intervals (the last as tuples); None is null."""
    code = "=" + code_of(format)
    empty = (0,) * len(code_of(format))
    packed = [struct.pack(code, *(empty if value is None else value if isinstance(value, tuple) else (value,)))
              for value in values]
    return node(format, values, [b"".join(packed) + b"\0"])


def booleans(values: Sequence[bool | None]) -> Node:
    return node("b", values, [bits(values)])


def nulls(n: int) -> Node:
    return Node("n", n, [], null_count=n)


def fixed(width: int, values: Sequence[bytes | None], format: str = "") -> Node:
    return node(format or f"w:{width}", values, [b"".join([value or bytes(width) for value in values]) + b"\0"])


def decimals(format: str, width: int, values: Sequence[int | None]) -> Node:
    return fixed(width, [None if value is None else value.to_bytes(width, "little", signed=True) for value in values],
                 format)


def texts(format: str, values: Sequence[str | bytes | None]) -> Node:
    """Text or binary with offsets: u, U, z, Z; as views: vu, vz."""
    parts = [(value.encode() if isinstance(value, str) else value) or b"" for value in values]
    if format.startswith("v"):
        return views(format, values, parts)
    code = "=i" if format in "uz" else "=q"
    at = 0
    offsets = struct.pack(code, 0)
    for part in parts:
        at += len(part)
        offsets += struct.pack(code, at)
    return node(format, values, [offsets, b"".join(parts) + b"\0"])


def views(format: str, values: Sequence[Any], parts: list[bytes]) -> Node:
    """Each long value has a buffer of its own."""
    packed, buffers = b"", []
    for part in parts:
        if len(part) <= 12:
            packed += struct.pack("=i12s", len(part), part)
        else:
            packed += struct.pack("=i4sii", len(part), part[:4], len(buffers), 1)
            buffers.append(b"\0" + part)
    lengths = struct.pack(f"={len(buffers)}q", *map(len, buffers))
    return node(format, values, [packed + b"\0", *buffers, lengths or None])


def lists(values: Sequence[Any], child: Node, format: str = "+l") -> Node:
    """Lists as long as those of `values`, whose elements are those of `child`, one after the other."""
    if format.startswith("+w"):
        return node(format, values, [], children=[child.named("item")])
    code = "=i" if format == "+l" else "=q"
    at = 0
    offsets = struct.pack(code, 0)
    for value in values:
        at += len(value or ())
        offsets += struct.pack(code, at)
    return node(format, values, [offsets], children=[child.named("item")])


def structs(values: Sequence[Any], **children: Node) -> Node:
    """Structs, null where `values` is None."""
    return node("+s", values, [], children=[child.named(name) for name, child in children.items()])


def dictionary(indexes: Sequence[int | None], values: Node, format: str = "c") -> Node:
    made = numbers(format, indexes)
    made.dictionary = values
    return made


def table(**columns: Node) -> Node:
    """One batch."""
    n = min([column.length - column.offset for column in columns.values()], default=0)
    return Node("+s", n, [None], children=[column.named(name) for name, column in columns.items()])


# The structures

# A producer's data live until they are released; these, which are small, for ever.
given_away: list[object] = []


class Kept:
    """What the structures point to, and how often which was released."""

    def __init__(self) -> None:
        given_away.append(self)
        self.alive: list[Any] = []
        self.n_released = {"schema": 0, "array": 0, "stream": 0}

    def release(self, kind: str, factory: Any) -> Any:
        def released(pointer: Any) -> None:
            self.n_released[kind] += 1
            pointer.contents.release = factory()

        self.alive.append(made := factory(released))
        return made

    def fill_schema(self, at: Schema, made: Node, *, is_top: bool = True) -> None:
        at.format, at.name = words = made.format.encode(), made.name.encode()
        self.alive.append(words)
        at.flags = 2
        at.n_children = made.lies.get("n_children_of_schema", len(made.children))
        pointers = (ctypes.POINTER(Schema) * max(len(made.children), 1))()
        for i, child in enumerate(made.children):
            self.fill_schema(inner := Schema(), child, is_top=False)
            pointers[i] = ctypes.pointer(inner)
            self.alive.append(inner)
        at.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(Schema)))
        if made.dictionary is not None:
            self.fill_schema(inner := Schema(), made.dictionary, is_top=False)
            at.dictionary = ctypes.pointer(inner)
            self.alive.append(inner)
        at.release = self.release("schema" if is_top else "part", RELEASE_SCHEMA)
        self.alive += [pointers, made]

    def fill_array(self, at: Array, made: Node, *, is_top: bool = True) -> None:
        at.length = made.lies.get("length", made.length - made.offset)
        at.null_count = made.lies.get("null_count", made.null_count)
        at.offset = made.lies.get("offset", made.offset)
        at.n_buffers = made.lies.get("n_buffers", len(made.buffers))
        at.n_children = made.lies.get("n_children", len(made.children))
        buffers = (ctypes.c_void_p * max(len(made.buffers), 1))()
        for i, data in enumerate(made.buffers):
            if data is not None:
                self.alive.append(kept := ctypes.create_string_buffer(data, max(len(data), 1)))
                buffers[i] = ctypes.addressof(kept)
        at.buffers = ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p)) if "no_buffers" not in made.lies else None
        pointers = (ctypes.POINTER(Array) * max(len(made.children), 1))()
        for i, child in enumerate(made.children):
            self.fill_array(inner := Array(), child, is_top=False)
            pointers[i] = ctypes.pointer(inner)
            self.alive.append(inner)
        at.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(Array)))
        if made.dictionary is not None and "no_dictionary" not in made.lies:
            self.fill_array(inner := Array(), made.dictionary, is_top=False)
            at.dictionary = ctypes.pointer(inner)
            self.alive.append(inner)
        at.release = self.release("array" if is_top else "part", RELEASE_ARRAY)
        self.alive += [buffers, pointers, made]


class Batch(Kept):
    """One batch, with `__arrow_c_array__`."""

    def __init__(self, made: Node) -> None:
        super().__init__()
        self.n_released["part"] = 0
        self.schema, self.array = Schema(), Array()
        self.fill_schema(self.schema, made)
        self.fill_array(self.array, made)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return (new_capsule(ctypes.addressof(self.schema), b"arrow_schema", None),
                new_capsule(ctypes.addressof(self.array), b"arrow_array", None))


class Batches(Kept):
    """A stream of batches, with `__arrow_c_stream__`; after `fail_after` of them it fails with `text`."""

    def __init__(self, batches: Sequence[Node], *, fail_after: int = -1, text: bytes | None = b"the disk is gone",
                 schema: Node | None = None) -> None:
        super().__init__()
        self.n_released["part"] = 0
        self.batches = list(batches)
        self.schema_node = schema or self.batches[0]
        self.n_given = 0
        self.fail_after = fail_after
        self.text = ctypes.create_string_buffer(text) if text is not None else None
        self.stream = Stream(
            GET_SCHEMA(self.get_schema), GET_NEXT(self.get_next), LAST_ERROR(self.last_error),
            self.release("stream", RELEASE_STREAM), None)

    def get_schema(self, stream: Any, out: Any) -> int:
        if self.fail_after == -2:
            return 5
        self.fill_schema(out.contents, self.schema_node)
        return 0

    def get_next(self, stream: Any, out: Any) -> int:
        if self.n_given == self.fail_after:
            return 5
        if self.n_given == len(self.batches):
            out.contents.release = RELEASE_ARRAY()
            return 0
        self.fill_array(out.contents, self.batches[self.n_given])
        self.n_given += 1
        return 0

    def last_error(self, stream: Any) -> int | None:
        return None if self.text is None else ctypes.addressof(self.text)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return new_capsule(ctypes.addressof(self.stream), b"arrow_array_stream", None)

    @property
    def is_released_once(self) -> bool:
        """Whether the stream, its schema and every batch that it gave was released, and none twice."""
        return (self.n_released["stream"], self.n_released["array"]) == (1, self.n_given)
