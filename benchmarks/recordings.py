"""What the replayed server has been asked and what it answered: statements, their columns and their rows as bytes.

The bytes are those that PostgreSQL 18 sends for the SQL beside them, in binary.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.backend_bytes import complete, data_row, parameter_description, row_description

BOOL, INT8, INT4, TEXT, FLOAT8, TIMESTAMPTZ, NUMERIC, UUID = 16, 20, 23, 25, 701, 1184, 1700, 2950
BATCH = "batch "
COPY_IN = "COPY "

VALUES = {
    INT8: bytes.fromhex("000000000012d687"),                                    # 1234567
    TEXT: b"name of 1234567",
    TIMESTAMPTZ: bytes.fromhex("00024e9cfc2ba3c0"),                             # 2020-07-12 ..
    FLOAT8: bytes.fromhex("4122d68700000000"),                                  # 617283.5
    NUMERIC: bytes.fromhex("0003 0001 0000 0004 0098 2491 0bb8".replace(" ", "")),      # 1529361.3000
    UUID: bytes.fromhex("0123456789abcdef0123456789abcdef"),
    BOOL: b"\1",
}
NAMES = {INT8: "id", TEXT: "name", TIMESTAMPTZ: "at", FLOAT8: "ratio", NUMERIC: "amount", UUID: "token", BOOL: "flag"}


@dataclass(frozen=True, slots=True)
class Recording:
    """One statement: the types of its parameters, its columns by name and type, and the rows it gives, each a body."""

    parameters: Sequence[int]
    columns: Sequence[tuple[str, int]]
    rows: Sequence[tuple[bytes, ...]]

    @property
    def parameter_description(self) -> bytes:
        return parameter_description(*self.parameters)

    @property
    def row_description(self) -> bytes:
        return row_description(*[(name, oid, 1) for name, oid in self.columns]) if self.columns else b""

    @property
    def executed(self) -> bytes:
        """What comes between BindComplete and ReadyForQuery."""
        tag = f"SELECT {len(self.rows)}" if self.columns else "INSERT 0 1"
        return b"".join(data_row(*row) for row in self.rows) + complete(tag)


def row_of(oids: Sequence[int]) -> Recording:
    """Return a statement with one row of these types."""
    return Recording((), [(NAMES[oid], oid) for oid in oids], [tuple(VALUES[oid] for oid in oids)])


BY_KEY = "SELECT id, name, ratio, at FROM account WHERE id = $1"
INSERT = "INSERT INTO sink VALUES ($1, $2, $3, $4, $5, $6, $7)"
SINK = (("a", INT4), ("b", INT4), ("c", INT4), ("d", INT4), ("e", TEXT), ("f", TEXT), ("g", FLOAT8))

RECORDINGS = {
    BY_KEY: Recording((INT4,), row_of((INT8, TEXT, FLOAT8, TIMESTAMPTZ)).columns,
                      row_of((INT8, TEXT, FLOAT8, TIMESTAMPTZ)).rows),
    INSERT: Recording([oid for _, oid in SINK], (), ()),
    # What is described to know the columns of a COPY.
    'SELECT * FROM "sink"': Recording((), SINK, ()),
}
