"""The public descriptions of types and columns."""
from __future__ import annotations

from typing import NamedTuple

from asyncpg_core.server_version import ServerVersion

__all__ = ("Type", "Attribute", "ServerVersion")


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
