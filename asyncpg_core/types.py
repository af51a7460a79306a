"""The public descriptions of types and columns, and the values of types that Python has none for."""
from __future__ import annotations

from typing import NamedTuple

from asyncpg_core.server_version import ServerVersion
from pgproto.codecs.infinity import DATE_INFINITY as DATE_INFINITY
from pgproto.codecs.infinity import DATE_NEGATIVE_INFINITY as DATE_NEGATIVE_INFINITY
from pgproto.codecs.infinity import DATETIME_INFINITY as DATETIME_INFINITY
from pgproto.codecs.infinity import DATETIME_NEGATIVE_INFINITY as DATETIME_NEGATIVE_INFINITY
from pgproto.codecs.infinity import DATETIMETZ_INFINITY as DATETIMETZ_INFINITY
from pgproto.codecs.infinity import DATETIMETZ_NEGATIVE_INFINITY as DATETIMETZ_NEGATIVE_INFINITY
from pgproto.codecs.infinity import INFINITY as INFINITY
from pgproto.codecs.infinity import NEGATIVE_INFINITY as NEGATIVE_INFINITY
from pgproto.types import Array as Array
from pgproto.types import BitString, Box, Circle, Line, LineSegment, Path, Point, Polygon, Range
from pgproto.types import Interval as Interval

__all__ = ("Type", "Attribute", "Range", "BitString", "Point", "Path", "Polygon", "Box", "Line", "LineSegment",
           "Circle", "ServerVersion")


class Type(NamedTuple):
    """A database type; `kind` is scalar, array, composite, range or multirange."""

    oid: int
    name: str
    kind: str
    schema: str


class Attribute(NamedTuple):
    """A column of a result."""

    name: str
    type: Type
