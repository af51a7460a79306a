"""The codecs: what turns the body of a value into a Python value and back.

One file per family; it registers its codecs as it is imported, and importing the package imports them all.
"""
from importlib import import_module

from pgproto.codecs.registry import add_ranges

FAMILIES = (
    "bits",
    "boolean",
    "bytea",
    "dates",
    "floats",
    "geometry",
    "integers",
    "intervals",
    "json",
    "network",
    "numeric",
    "server_text",
    "system",
    "text",
    "times",
    "timestamps",
    "uuid",
    "void",
)

for _family in FAMILIES:
    import_module(f"pgproto.codecs.{_family}")
add_ranges()
