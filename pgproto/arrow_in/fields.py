"""The types of Arrow columns: the format strings of the C data interface, read into something that can be compared.

https://arrow.apache.org/docs/format/CDataInterface.html#data-type-description-format-strings
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from pgproto.errors import InterfaceError

# format -> what Arrow calls the type
SIMPLE = {
    "n": "null", "b": "bool", "c": "int8", "C": "uint8", "s": "int16", "S": "uint16", "i": "int32", "I": "uint32",
    "l": "int64", "L": "uint64", "e": "float16", "f": "float32", "g": "float64", "z": "binary", "Z": "large_binary",
    "vz": "binary_view", "u": "utf8", "U": "large_utf8", "vu": "utf8_view", "tdD": "date32", "tdm": "date64",
    "tts": "time32[s]", "ttm": "time32[ms]", "ttu": "time64[us]", "ttn": "time64[ns]",
    "tDs": "duration[s]", "tDm": "duration[ms]", "tDu": "duration[us]", "tDn": "duration[ns]",
    "tiM": "interval[year_month]", "tiD": "interval[day_time]", "tin": "interval[month_day_nano]",
    "+l": "list", "+L": "large_list", "+vl": "list_view", "+vL": "large_list_view", "+s": "struct", "+m": "map",
    "+r": "run_end_encoded",
}
# An int8 is wide enough to be an index, and so on.
INDEX_FORMATS = frozenset("cCsSiIlL")
TIMESTAMP_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
# How many buffers an array of the type has; views have at least three.
N_BUFFERS = {"null": 0, "struct": 1, "fixed_size_list": 1,
             "utf8": 3, "large_utf8": 3, "binary": 3, "large_binary": 3, "utf8_view": 3, "binary_view": 3}
# A decimal's exponent beyond this is no decimal that anybody has; PostgreSQL's own limit is 16383.
SCALE_MAX = 1000

decimal_of = re.compile(r"d:(\d{1,9}),(-?\d{1,9})(?:,(\d{1,9}))?").fullmatch
width_of = re.compile(r"(w|\+w):(\d{1,9})").fullmatch


@dataclass(frozen=True, slots=True)
class ArrowField:
    """A column, or a part of one. `kind` is the type without its parameters, `unit` s, ms, us or ns, `width` the bytes
    of a fixed_size_binary or decimal, or the length of a fixed_size_list."""

    name: str
    format: str
    kind: str
    unit: str = ""
    zone: str = ""
    width: int = 0
    scale: int = 0
    children: tuple[ArrowField, ...] = ()
    dictionary: ArrowField | None = None

    @property
    def n_buffers(self) -> int:
        """How many buffers its arrays have, the bitmap of nulls included."""
        return 2 if self.dictionary is not None else N_BUFFERS.get(self.kind, 2)

    def __str__(self) -> str:
        """Return the type as Arrow writes it."""
        if self.dictionary is not None:
            return f"dictionary<{self.dictionary}, {SIMPLE.get(self.format, self.format)}>"
        if self.kind == "struct":
            return "struct<" + ", ".join([f"{child.name}: {child}" for child in self.children]) + ">"
        if self.children:
            size = f"[{self.width}]" if self.kind == "fixed_size_list" else ""
            return f"{self.kind}<{', '.join([str(child) for child in self.children])}>{size}"
        if self.kind == "timestamp":
            return f"timestamp[{self.unit}{f', {self.zone}' if self.zone else ''}]"
        if self.kind == "decimal":
            return f"decimal{self.width * 8}({self.format[2:].split(',')[0]}, {self.scale})"
        if self.kind == "fixed_size_binary":
            return f"fixed_size_binary[{self.width}]"
        return SIMPLE.get(self.format, self.format)


def new_field(
    name: str, format: str, children: tuple[ArrowField, ...] = (), dictionary: ArrowField | None = None,
) -> ArrowField:
    """Return the field that a format string describes; InterfaceError if its parts do not fit together.

    A format that is not known is a kind of its own: it is refused when a column is to be made of it.
    """
    kind, unit, zone, width, scale = format, "", "", 0, 0
    if not format:
        raise InterfaceError(f"column {name!r}: an Arrow type without a format was given")
    if format in SIMPLE:
        kind, _, unit = SIMPLE[format].rstrip("]").partition("[")
    elif format.startswith("ts") and format[2:3] in TIMESTAMP_UNITS and format[3:4] == ":":
        kind, unit, zone = "timestamp", TIMESTAMP_UNITS[format[2]], format[4:]
    elif (found := width_of(format)) is not None:
        kind, width = "fixed_size_binary" if found[1] == "w" else "fixed_size_list", int(found[2])
    elif (found := decimal_of(format)) is not None:
        kind, width, scale = "decimal", decimal_width(name, format, found[3]), int(found[2])
        if abs(scale) > SCALE_MAX:
            raise InterfaceError(f"column {name!r}: an Arrow decimal of scale {scale} was given")
    check_parts(name, format, kind, len(children), dictionary)
    return ArrowField(name, format, kind, unit, zone, width, scale, children, dictionary)


def decimal_width(name: str, format: str, bits: str | None) -> int:
    """Return the bytes of a decimal."""
    n_bits = 128 if bits is None else int(bits)
    if n_bits not in (32, 64, 128, 256):
        raise InterfaceError(f"column {name!r}: an Arrow decimal of {n_bits} bits was given ({format!r})")
    return n_bits // 8


def check_parts(name: str, format: str, kind: str, n_children: int, dictionary: ArrowField | None) -> None:
    """Refuse a field with more or fewer parts than its type has."""
    if dictionary is not None and format not in INDEX_FORMATS:
        raise InterfaceError(f"column {name!r}: the index of an Arrow dictionary is an integer, {format!r} was given")
    if kind == "struct" or kind not in KNOWN:
        return
    expected = 1 if kind in LISTS else 0
    if n_children != expected:
        raise InterfaceError(f"column {name!r}: Arrow's {kind} has {expected} children, {n_children} were given")


LISTS = frozenset({"list", "large_list", "fixed_size_list", "list_view", "large_list_view", "map"})
KNOWN = frozenset({*(name.partition("[")[0] for name in SIMPLE.values()), *LISTS, "timestamp", "decimal",
                   "fixed_size_binary"}) - {"run_end_encoded"}
