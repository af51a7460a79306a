"""Names and literals as they are written into SQL.

The driver writes them itself in few places (COPY, LISTEN); values travel as arguments wherever the protocol lets them.
"""
from __future__ import annotations

from pgproto.errors import InterfaceError


def check_text(what: str, text: str) -> str:
    """Return a text that can be part of a statement; a zero byte or a lone surrogate is refused."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, got {type(text).__name__}")
    if "\0" in text:
        raise InterfaceError(f"a zero byte cannot be part of {what}: {text!r}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InterfaceError(f"a lone surrogate cannot be part of {what}: {text!r}")
    return text


def quote_ident(name: str) -> str:
    """Return a name in double quotes: exactly this name, whatever is in it."""
    return '"' + check_text("a name", name).replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return a string constant that means the text whatever standard_conforming_strings says."""
    quoted = "'" + check_text("a string constant", text).replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in quoted else quoted
