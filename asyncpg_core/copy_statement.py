"""The text of COPY statements.

https://www.postgresql.org/docs/current/sql-copy.html
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from asyncpg_core.identifiers import quote_ident, quote_literal

plain_word = re.compile(r"[A-Za-z0-9_]+").fullmatch
# How a value of an option is written; what is not here is not an option.
CONSTANTS = ("format", "delimiter", "null", "quote", "escape", "encoding")
WORDS = ("oids", "freeze", "header")
COLUMN_LISTS = ("force_quote", "force_not_null", "force_null")
ORDER = ("format", "oids", "freeze", "delimiter", "null", "header", "quote", "escape", "force_quote", "force_not_null",
         "force_null", "encoding")


def column_list(columns: Iterable[str]) -> str:
    return "(" + ", ".join([quote_ident(column) for column in columns]) + ")"


def target(table_name: str, schema_name: str | None, columns: Iterable[str] | None) -> str:
    """Return a table, with its schema and columns where they are given."""
    name = quote_ident(table_name) if schema_name is None else f"{quote_ident(schema_name)}.{quote_ident(table_name)}"
    return name if columns is None else f"{name} {column_list(columns)}"


def option(name: str, value: Any) -> str | None:
    """Return one option as it is written, None if it says nothing."""
    if value is None:
        return None
    if name in CONSTANTS:
        return f"{name.upper()} {quote_literal(value)}"
    if name in WORDS:
        word = str(value)
        return f"{name.upper()} {word if plain_word(word) else quote_literal(word)}"
    if isinstance(value, bool):
        return f"{name.upper()} *" if value else None
    return f"{name.upper()} {column_list(value)}"


def options(given: dict[str, Any]) -> str:
    """Return the list of options in brackets, with a space in front; empty if there is none."""
    written = [text for name in ORDER if (text := option(name, given.get(name))) is not None]
    return f" ({', '.join(written)})" if written else ""


def copy_out_of(source: str, given: dict[str, Any]) -> str:
    """Return COPY .. TO STDOUT; `source` is a target, or a query in brackets."""
    return f"COPY {source} TO STDOUT{options(given)}"


def copy_into(table: str, given: dict[str, Any], where: str | None) -> str:
    """Return COPY .. FROM STDIN; `where` is written as it is."""
    condition = "" if where is None else f" WHERE {where}"
    return f"COPY {table} FROM STDIN{options(given)}{condition}"


def in_brackets(query: str) -> str:
    """Return a query as COPY takes it; a comment at its end must not hide the bracket."""
    return f"({query}\n)"


def columns_of(table: str, columns: Iterable[str] | None) -> str:
    """Return the query that is described to know the types of a table's columns."""
    names = "*" if columns is None else ", ".join([quote_ident(column) for column in columns])
    return f"SELECT {names} FROM {table}"
