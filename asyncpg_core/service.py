"""The connection service file: `[name]` sections of `keyword=value` lines.

The user's file (argument, PGSERVICEFILE or the home directory's) is read first, then PGSYSCONFDIR's.

https://www.postgresql.org/docs/current/libpq-pgservice.html
"""
from __future__ import annotations

import os
from collections.abc import Mapping

from pgproto.errors import ClientConfigurationError

from .home import home_file
from .keywords import ALIASES, KEYWORDS


def load_service(name: str, given_file: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the keywords of service `name`; ClientConfigurationError if no file defines it or a line is wrong."""
    tried: list[str] = []
    for path in service_files(given_file, environ):
        tried.append(path)
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as exc:
            raise ClientConfigurationError(f"service file {path!r} cannot be read: {exc}") from exc
        section = read_section(text, name, path)
        if section is not None:
            return section
    where = ", ".join(repr(path) for path in tried) or "nowhere: there is no home directory and no PGSYSCONFDIR"
    raise ClientConfigurationError(f"definition of service {name!r} not found (looked in {where})")


def service_files(given_file: str | None, environ: Mapping[str, str]) -> list[str]:
    paths = [given_file or home_file(environ, ".pg_service.conf", ".pg_service.conf")]
    if environ.get("PGSYSCONFDIR"):
        paths.append(os.path.join(environ["PGSYSCONFDIR"], "pg_service.conf"))
    return [path for path in paths if path]


def read_section(text: str, name: str, path: str) -> dict[str, str] | None:
    """Return the keywords of the section, None if the file has no such section. Only that section is checked."""
    section: dict[str, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if section is not None:
                break
            if line == f"[{name}]":
                section = {}
        elif section is not None:
            keyword, equals, value = line.partition("=")
            keyword = ALIASES.get(keyword.strip(), keyword.strip())
            place = f"line {number} of service file {path!r}"
            if not equals:
                raise ClientConfigurationError(f"{place}: keyword=value was expected")
            if keyword in ("service", "servicefile"):
                raise ClientConfigurationError(f"{place}: a service cannot name another service")
            if keyword not in KEYWORDS:
                raise ClientConfigurationError(f"{place}: {keyword!r} is not a connection keyword")
            section.setdefault(keyword, value.strip())  # libpq keeps the first of two lines
    return section
