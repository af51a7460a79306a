"""asyncpg.utils: quoting."""
from __future__ import annotations

__all__ = ("_quote_ident", "_quote_literal")


def _quote_ident(ident: str) -> str:
    """Return an identifier as it stands in SQL."""
    return '"' + ident.replace('"', '""') + '"'


def _quote_literal(string: str) -> str:
    """Return a string literal for a server with standard_conforming_strings."""
    return "'" + string.replace("'", "''") + "'"
