"""A value together with the place that gave it, and the checks that turn its text into something typed.

Every source (argument, DSN, service, environment) becomes a dict of keyword → `Given`; errors can then name both the
keyword and the place. The value stays out of the repr, because it may be a password.
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pgproto.errors import ClientConfigurationError

from .keywords import REFUSED, SECRET_KEYWORDS


@dataclass(frozen=True, slots=True)
class Given:
    value: str = field(repr=False)
    origin: str


Source: TypeAlias = dict[str, Given]


def plain_text(name: str, value: object) -> str:
    """Return `value` as an exact str; refuse what is no str, has a NUL, or cannot be written as UTF-8.

    A StrEnum or any other str subclass counts as its text, not as what its `__str__` says.
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ClientConfigurationError(f"invalid {name}: a str was expected, got {type(value).__name__}")
    text = str.__str__(value)
    if "\0" in text:
        raise ClientConfigurationError(f"invalid {name}: it contains a NUL byte")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # The codec's error holds the whole text, which may be a password.
        raise ClientConfigurationError(f"invalid {name}: it contains a lone surrogate") from None
    return text


def source(values: Mapping[str, str], origin: str) -> Source:
    """Return the values that are not blank, each checked; a blank value counts as not given."""
    return {name: Given(plain_text(name, value), origin) for name, value in values.items() if value != ""}


def merge(sources: Iterable[Source]) -> Source:
    """Return for each keyword what the first source has."""
    merged: Source = {}
    for each in sources:
        for name, given in each.items():
            merged.setdefault(name, given)
    return merged


def invalid(name: str, given: Given, expected: str) -> ClientConfigurationError:
    came = "" if name in SECRET_KEYWORDS else f", got {given.value!r}"
    return ClientConfigurationError(f"invalid {name}: {expected}{came} ({given.origin})")


def text(chosen: Source, name: str) -> str | None:
    given = chosen.get(name)
    return None if given is None else given.value


def choice(chosen: Source, name: str, allowed: tuple[str, ...], default: str) -> str:
    given = chosen.get(name)
    if given is None:
        return default
    if given.value not in allowed:
        raise invalid(name, given, f"one of {', '.join(allowed)} was expected")
    return given.value


def integer(chosen: Source, name: str) -> int | None:
    given = chosen.get(name)
    if given is None:
        return None
    # int() alone would take "1_000" and digits of other scripts.
    stripped = given.value.strip()
    digits = stripped[1:] if stripped[:1] in ("+", "-") else stripped
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and abs(int(stripped)) < 2**31):
        raise invalid(name, given, "an integer was expected")
    return int(stripped)


def flag(chosen: Source, name: str, default: bool) -> bool:
    number = integer(chosen, name)
    return default if number is None else number != 0


def refuse_unsupported(chosen: Source) -> None:
    """Raise for a keyword that asks for something we do not do, naming it and the reason."""
    for name, (harmless, reason) in REFUSED.items():
        given = chosen.get(name)
        if given is not None and given.value.lower() not in harmless:
            raise invalid(name, given, reason)
