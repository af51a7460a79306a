"""asyncpg.utils: quoting, and literals in the place of parameters."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncpg_core.copy_arguments import LITERAL, Budget, filled_in

__all__ = ("_mogrify", "_quote_ident", "_quote_literal")


async def _mogrify(conn: Any, query: str, args: Sequence[Any]) -> str:
    """Return a query with the server's own literals of `args` in the place of $1, $2, .."""
    return await filled_in(conn, query, tuple(args), Budget(conn._session, None), literal=LITERAL)


def _quote_ident(ident: str) -> str:
    """Return an identifier as it stands in SQL."""
    return '"' + ident.replace('"', '""') + '"'


def _quote_literal(string: str) -> str:
    """Return a string literal for a server with standard_conforming_strings."""
    return "'" + string.replace("'", "''") + "'"
