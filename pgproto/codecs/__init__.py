"""The codecs: what turns the body of a value into a Python value and back.

One file per family; it registers its codecs as it is imported, and importing the package imports them all.
"""
from importlib import import_module

FAMILIES = (
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
)

for _family in FAMILIES:
    import_module(f"pgproto.codecs.{_family}")
