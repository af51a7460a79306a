"""Columns as numpy arrays, without copying where numpy has the same layout. numpy is imported when it is needed."""
from __future__ import annotations

import importlib
from collections import Counter
from typing import Any

from pgproto.columns.plan import ColumnOptions, Field, plan
from pgproto.columns.result import ColumnBatch, Columns
from pgproto.errors import DataError, InterfaceError
from pgproto.statement import Statement

# Arrow's format -> numpy's dtype
DTYPES = {
    "b": "bool", "s": "int16", "i": "int32", "I": "uint32", "l": "int64", "f": "float32", "g": "float64",
    "tdD": "datetime64[D]", "tsu:": "datetime64[us]", "tsu:UTC": "datetime64[us]",
}
NULLS = ("mask", "error")


class Numbers:
    """Makes arrays of columns; `nulls` says what a NULL is."""

    __slots__ = ("np", "nulls")

    def __init__(self, nulls: str) -> None:
        if nulls not in NULLS:
            raise InterfaceError(f"nulls is expected to be 'mask' or 'error', got {nulls!r}")
        self.nulls = nulls
        try:
            self.np: Any = importlib.import_module("numpy")
        except ImportError as error:
            raise InterfaceError(
                "fetch_numpy needs numpy, which cannot be imported", hint="pip install numpy") from error

    def check(self, statement: Statement) -> None:
        """Refuse a statement whose columns are not numbers before it is executed."""
        fields = plan(statement.columns, statement.registry.types.facts, ColumnOptions("float64"))
        for number, field in enumerate(fields):
            if field.kind == "label" or field.format not in DTYPES:
                raise InterfaceError(
                    f"fetch_numpy reads numbers, booleans, dates and timestamps: column {field.name!r} is of type "
                    f"{statement.column_codecs[number].name}")
        name, n = Counter([field.name for field in fields]).most_common(1)[0] if fields else ("", 1)
        if n > 1:
            raise InterfaceError(f"{n} columns have the name {name!r}: a dict can have it once")

    def arrays(self, columns: Columns) -> dict[str, Any]:
        """Return an array for each column, by its name."""
        return {field.name: self.joined(columns, number, field) for number, field in enumerate(columns.schema.fields)}

    def joined(self, columns: Columns, number: int, field: Field) -> Any:
        np = self.np
        parts = [self.array(batch, number, field) for batch in columns.batches]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return np.empty(0, DTYPES[field.format])
        is_masked = any(isinstance(part, np.ma.MaskedArray) for part in parts)
        return np.ma.concatenate(parts) if is_masked else np.concatenate(parts)

    def array(self, batch: ColumnBatch, number: int, field: Field) -> Any:
        """Return the values of a column in one batch."""
        np = self.np
        n = batch.num_rows
        values = np.frombuffer(batch.values(number), "uint8" if field.format == "b" else element_of(field.format))
        if field.format == "b":
            values = np.unpackbits(values, count=n, bitorder="little").view("bool")
        elif field.format == "tdD":
            values = values.astype("int64").view("datetime64[D]")
        elif field.format.startswith("ts"):
            values = values.view("datetime64[us]")
        bits = batch.validity(number)
        if bits is None:
            return values
        if self.nulls == "error":
            raise DataError(f"column {field.name!r} has NULLs, which a numpy array without a mask cannot hold",
                            column=field.name)
        is_there = np.unpackbits(np.frombuffer(bits, "uint8"), count=n, bitorder="little").view("bool")
        return np.ma.MaskedArray(values, ~is_there)


def element_of(format: str) -> str:
    """Return the dtype in which Arrow has the values."""
    return "int32" if format == "tdD" else "int64" if format.startswith("ts") else DTYPES[format]
