"""asyncpg.introspection: facts about types, asked of the catalogue by name, and what kind of type they tell of."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgproto.record import Record, RowShape, make_record

# pg_type.typtype of base types, domains and enums.
SCALAR_TYPE_KINDS = (b"b", b"d", b"e")
TYPE_BY_NAME = (
    "SELECT type.oid, type.typelem AS elemtype, type.typtype AS kind FROM pg_catalog.pg_type AS type "
    "JOIN pg_catalog.pg_namespace AS schema ON schema.oid = type.typnamespace "
    "WHERE type.typname = $1 AND schema.nspname = $2")
_FIELDS = """
    type.oid, schema.nspname AS ns, type.typname AS name, type.typtype AS kind,
    CASE WHEN type.typtype = 'd' THEN type.typbasetype END AS basetype, type.typelem AS elemtype,
    element.typdelim AS elemdelim,
    {range_subtype} AS range_subtype,
    (SELECT array_agg(field.atttypid ORDER BY field.attnum) FROM pg_catalog.pg_attribute AS field
        WHERE field.attrelid = type.typrelid AND type.typtype = 'c' AND field.attnum > 0
        AND NOT field.attisdropped) AS attrtypoids,
    (SELECT array_agg(field.attname::text ORDER BY field.attnum) FROM pg_catalog.pg_attribute AS field
        WHERE field.attrelid = type.typrelid AND type.typtype = 'c' AND field.attnum > 0
        AND NOT field.attisdropped) AS attrnames"""
_LOOKUP = f"""
SELECT {_FIELDS}
FROM pg_catalog.pg_type AS type
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = type.typnamespace
LEFT JOIN pg_catalog.pg_type AS element ON element.oid = type.typelem
WHERE type.oid = any($1::oid[])"""
_RANGE = "(SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngtypid = type.oid{multirange})"
# The catalogue knows multiranges from PostgreSQL 14 on.
INTRO_LOOKUP_TYPES = _LOOKUP.format(range_subtype=_RANGE.format(multirange=" OR rngmultitypid = type.oid"))
INTRO_LOOKUP_TYPES_13 = _LOOKUP.format(range_subtype=_RANGE.format(multirange=""))
_TYPE_SHAPE = RowShape(("oid", "elemtype", "kind"))

__all__ = ("INTRO_LOOKUP_TYPES", "INTRO_LOOKUP_TYPES_13", "SCALAR_TYPE_KINDS", "TYPE_BY_NAME", "TypeRecord",
           "is_composite_type", "is_domain_type", "is_scalar_type")


def TypeRecord(rec: tuple[int, int | None, bytes]) -> Record:
    """Return a record with `oid`, `elemtype` and `kind`."""
    return make_record(_TYPE_SHAPE, rec)


def is_scalar_type(typeinfo: Mapping[str, Any] | Record) -> bool:
    """Whether values of the type are no arrays, ranges or composites."""
    return typeinfo["kind"] in SCALAR_TYPE_KINDS and not typeinfo["elemtype"]


def is_domain_type(typeinfo: Mapping[str, Any] | Record) -> bool:
    return bool(typeinfo["kind"] == b"d")


def is_composite_type(typeinfo: Mapping[str, Any] | Record) -> bool:
    return bool(typeinfo["kind"] == b"c")
