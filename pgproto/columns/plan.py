"""What a column of each type becomes: which Arrow type, in which format the server sends it, what reads it.

Only the types' OIDs and the catalogue are looked at: codecs that a user has set make Python objects, and there are none
here. A type that has no form of its own arrives as its text, and so does an array or a composite with such a part.

https://arrow.apache.org/docs/format/CDataInterface.html#data-type-description-format-strings
"""
from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pgproto import oids
from pgproto.codecs.catalogue import ARRAY, COMPOSITE, DOMAIN, ENUM, TypeFacts
from pgproto.errors import InterfaceError
from pgproto.messages.backend import Column

# A column may have so many parts, and parts of parts; beyond that it is text. Composite types can be declared so that
# each doubles the number of the parts of the one before.
PARTS_MAX = 4096
DEPTH_MAX = 32
DECIMAL_DIGITS_MAX = 38
DECIMAL_SCALE_MAX = 38
CHOICES = ("error", "null")
NUMERIC_CHOICES = ("auto", "string", "float64")

# Type name -> kind (what reads it) and Arrow's format.
SIMPLE = {
    "bool": ("bool", "b"), "int2": ("2", "s"), "int4": ("4", "i"), "int8": ("8", "l"), "float4": ("4", "f"),
    "float8": ("8", "g"), "oid": ("4", "I"), "xid": ("4", "I"), "cid": ("4", "I"), "text": ("text", "u"),
    "varchar": ("text", "u"), "bpchar": ("text", "u"), "name": ("text", "u"), "xml": ("text", "u"),
    "json": ("text", "u"), "jsonb": ("versioned text", "u"), "jsonpath": ("versioned text", "u"), "char": ("char", "u"),
    "bytea": ("bytes", "z"), "uuid": ("16", "w:16"), "date": ("date", "tdD"), "time": ("time", "ttu"),
    "timestamp": ("timestamp", "tsu:"), "timestamptz": ("timestamp", "tsu:UTC"), "interval": ("interval", "tin"),
}
OF_OID = {oid: SIMPLE[name] for oid, name in oids.NAME_OF.items() if name in SIMPLE}
OID_NUMERIC = next(oid for oid, name in oids.NAME_OF.items() if name == "numeric")
OID_UUID = next(oid for oid, name in oids.NAME_OF.items() if name == "uuid")
UUID = {b"ARROW:extension:name": b"arrow.uuid", b"ARROW:extension:metadata": b""}
BINARY, TEXT = 1, 0


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What becomes of values that Arrow has no form for; `column_options` checks it.

    `numeric` is auto, string, float64, or precision and scale of a decimal128."""

    numeric: str | tuple[int, int] = "auto"
    infinity: str = "error"
    nan: str = "error"


@dataclass(frozen=True, slots=True)
class Field:
    """A column, an element or an attribute: its name, Arrow's `format`, and the `kind` of what reads it.

    `wire` is the format in which the server sends it, 0 text or 1 binary. A lenient field reads as NULL what Arrow
    cannot hold."""

    name: str
    oid: int
    kind: str
    format: str
    wire: int = BINARY
    children: tuple[Field, ...] = ()
    precision: int = 0
    scale: int = 0
    is_lenient: bool = False

    @property
    def metadata(self) -> bytes | None:
        """Arrow's key-value metadata, None where there is none."""
        return packed(UUID) if self.kind == "16" else None


class NoForm(Exception):
    """A part of a column has no form of its own."""


def column_options(numeric: object, infinity: object, nan: object) -> ColumnOptions:
    """Return checked options; InterfaceError for a value that is none."""
    for name, value in (("infinity", infinity), ("nan", nan)):
        if value not in CHOICES:
            raise InterfaceError(f"{name} is expected to be 'error' or 'null', got {value!r}")
    return ColumnOptions(numeric_option(numeric), str(infinity), str(nan))


def numeric_option(numeric: object) -> str | tuple[int, int]:
    if isinstance(numeric, str) and numeric in NUMERIC_CHOICES:
        return numeric
    precision_and_scale = numeric
    if isinstance(numeric, str) and numeric.startswith("decimal128(") and numeric.endswith(")"):
        precision_and_scale = tuple(part.strip() for part in numeric[11:-1].split(","))
    if isinstance(precision_and_scale, (tuple, list)) and len(precision_and_scale) == 2:
        try:
            precision, scale = int(precision_and_scale[0]), int(precision_and_scale[1])
        except (TypeError, ValueError):
            precision = scale = -1
        if 1 <= precision <= DECIMAL_DIGITS_MAX and 0 <= scale <= precision:
            return precision, scale
    raise InterfaceError("numeric is expected to be 'auto', 'string', 'float64' or a decimal's (precision, scale) with "
                         f"0 <= scale <= precision <= {DECIMAL_DIGITS_MAX}, got {numeric!r}")


def packed(metadata: Mapping[bytes, bytes]) -> bytes:
    """Return metadata as Arrow's schema has it: counts and lengths of 32 bits in the machine's order."""
    parts = [struct.pack("=i", len(metadata))]
    for pair in metadata.items():
        for text in pair:
            parts += [struct.pack("=i", len(text)), text]
    return b"".join(parts)


def plan(columns: Iterable[Column], facts: Mapping[int, TypeFacts], options: ColumnOptions) -> tuple[Field, ...]:
    """Return the fields of a result: `columns` of a RowDescription, `facts` of the types that are not built in."""
    return tuple([Planner(facts, options).column(column) for column in columns])


def bound(columns: Iterable[Column], fields: Iterable[Field]) -> tuple[Field, ...]:
    """Return the fields of rows that came in the formats of `columns`: what came as text is read as text."""
    return tuple([field if column.format == field.wire else text(field.name, field.oid)
                  for column, field in zip(columns, fields, strict=True)])


def text(name: str, oid: int) -> Field:
    """Return the field of a type that comes as its text."""
    return Field(name, oid, "text", "u", TEXT)


class Planner:
    """Plans one column; counts its parts."""

    __slots__ = ("facts", "n_parts", "options")

    def __init__(self, facts: Mapping[int, TypeFacts], options: ColumnOptions) -> None:
        self.facts = facts
        self.options = options
        self.n_parts = 0

    def column(self, column: Column) -> Field:
        try:
            return self.part(column.name, column.type_oid, column.typmod, 0)
        except NoForm:
            return text(column.name, column.type_oid)

    def part(self, name: str, oid: int, typmod: int, depth: int) -> Field:
        self.n_parts += 1
        if self.n_parts > PARTS_MAX or depth > DEPTH_MAX:
            raise NoForm
        simple = OF_OID.get(oid)
        if simple is not None:
            kind, format = simple
            return Field(name, oid, kind, format, is_lenient=self.options.infinity == "null")
        if oid == OID_NUMERIC:
            return self.numeric(name, oid, typmod)
        if oid in oids.ELEMENT_OF and oid in oids.ARRAY_OF.values():
            return self.list_of(name, oid, oids.ELEMENT_OF[oid], typmod, depth)
        facts = self.facts.get(oid)
        if facts is None:
            raise NoForm
        return self.derived(name, facts, typmod, depth)

    def derived(self, name: str, facts: TypeFacts, typmod: int, depth: int) -> Field:
        """The field of a type that the catalogue has told of."""
        if facts.typtype == DOMAIN:
            return replace(self.part(name, facts.inner, typmod, depth + 1), oid=facts.oid)
        if facts.typtype == ARRAY:
            return self.list_of(name, facts.oid, facts.inner, typmod, depth)
        if facts.typtype == ENUM:
            return Field(name, facts.oid, "label", "i", children=(Field("", 0, "text", "u"),))
        if facts.typtype == COMPOSITE:
            return Field(name, facts.oid, "struct", "+s", children=tuple([
                self.part(attribute, oid, -1, depth + 1)
                for attribute, oid in zip(facts.names, facts.oids, strict=True)]))
        raise NoForm

    def list_of(self, name: str, oid: int, element: int, typmod: int, depth: int) -> Field:
        return Field(name, oid, "list", "+l", children=(self.part("item", element, typmod, depth + 1),))

    def numeric(self, name: str, oid: int, typmod: int) -> Field:
        wanted = self.options.numeric
        size = precision_and_scale(typmod) if isinstance(wanted, str) else wanted
        if wanted == "float64":
            return Field(name, oid, "double", "g")
        if wanted == "string" or size is None:
            return Field(name, oid, "digits", "u")
        precision, scale = size
        return Field(name, oid, "decimal", f"d:{precision},{scale}", precision=precision, scale=scale,
                     is_lenient=self.options.nan == "null")


def precision_and_scale(typmod: int) -> tuple[int, int] | None:
    """Return what a numeric's type modifier says, as a decimal that all readers of Arrow know: 0 <= scale <= precision.

    None if it says nothing, or more digits than a decimal128 has."""
    if typmod < 4:
        return None
    precision, scale = (typmod - 4) >> 16 & 0xFFFF, ((typmod - 4 & 0x7FF) ^ 1024) - 1024
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    return (precision, scale) if precision <= DECIMAL_DIGITS_MAX else None
