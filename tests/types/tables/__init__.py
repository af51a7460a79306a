"""What every type's values look like: one table per family, used as scalars, in arrays, in composites, in ranges.

`ALL_ROWS` has the rows of all tables, `ALL_REFUSED` what must not be sent, `FAMILIES` both by the name of the family.
A row is read and written unless it says otherwise. Its literal stands between quotes in SQL: `'literal'::type`.

The server's settings are those of `tests.types.SETTINGS`.
"""
from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One value of one type."""

    type: str               # as it is written after `::`
    value: Any              # what reading gives, with its exact type
    literal: str            # what is between the quotes of the literal
    text: str | None = None  # what the server shows, where that is not the literal
    also: tuple[Any, ...] = ()  # other Python values that are written as the same
    writes: bool = True     # whether the value can be sent, and then gives the text
    in_array: bool = True   # whether there is an array type
    since: int = 13         # the first server that has it

    @property
    def shown(self) -> str:
        return self.literal if self.text is None else self.text

    @property
    def sql(self) -> str:
        """The literal as SQL."""
        return f"""'{self.literal.replace("'", "''")}'::{self.type}"""


class Refused(NamedTuple):
    """A Python value that is no value of a type: a DataError whose text has `says`."""

    type: str
    value: Any
    says: str


NAMES = ("bits", "boolean", "bytea", "dates", "floats", "geometry", "integers", "intervals", "json", "names", "network",
         "numeric", "system", "text", "times", "timestamps", "uuid", "vectors")

FAMILIES: dict[str, tuple[list[Row], list[Refused]]] = {}
for _name in NAMES:
    _module = import_module(f"tests.types.tables.{_name}")
    FAMILIES[_name] = (_module.ROWS, _module.REFUSED)
ALL_ROWS = [row for rows, _ in FAMILIES.values() for row in rows]
ALL_REFUSED = [refused for _, many in FAMILIES.values() for refused in many]
