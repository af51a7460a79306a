"""What a user can map a type to: functions of his own, the codec of another type, an Enum class.

The label of an Enum's member is its value if that is a str, else its name.
"""
from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from pgproto.codecs.codec import Codec


class UserFunctions(NamedTuple):
    """An encoder and a decoder of the user's, in the exchange format text, binary or tuple."""

    format: str
    encoder: Callable[[Any], Any]
    decoder: Callable[[Any], Any]


class Alias(NamedTuple):
    """The codec of another type, None for hstore, which has no OID of its own; in a format (0 text, 1 binary) that is
    not the codec's first choice if one is given."""

    codec: Codec | None
    format: int | None = None


def label_of(member: Enum) -> str:
    """Return the label that PostgreSQL has for a member."""
    return member.value if isinstance(member.value, str) else member.name


def functions_of(enum_class: type[Enum]) -> tuple[Callable[[Any], str], Callable[[str], Enum]]:
    """Return an encoder, which takes members and labels, and a decoder, which gives members."""
    members = {label_of(member): member for member in enum_class}

    def encode(value: Any) -> str:
        if isinstance(value, enum_class):
            return label_of(value)
        if isinstance(value, str):
            return value
        raise TypeError(f"a member of {enum_class.__name__} or a label was expected, got {type(value).__name__}")

    def decode(label: str) -> Enum:
        found = members.get(label)
        # A class may know what to do with a label that it does not have (`_missing_`); the others raise ValueError.
        return enum_class(label) if found is None else found

    return encode, decode
