"""The codecs: what turns the body of a value into a Python value and back.

One file per family; it registers its codecs as it is imported, and importing the package imports them all.
"""
from pgproto.codecs import (
    boolean,
    bytea,
    dates,
    floats,
    integers,
    intervals,
    json,
    numeric,
    text,
    times,
    timestamps,
    uuid,
    void,
)

__all__ = [
    "boolean",
    "bytea",
    "dates",
    "floats",
    "integers",
    "intervals",
    "json",
    "numeric",
    "text",
    "times",
    "timestamps",
    "uuid",
    "void",
]
