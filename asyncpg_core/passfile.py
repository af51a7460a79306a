"""The password file: `host:port:database:user:password` lines, the first that matches wins.

https://www.postgresql.org/docs/current/libpq-pgpass.html
"""
from __future__ import annotations

import os
import stat
import sys
import warnings
from collections.abc import Mapping

from .home import home_file


def passfile_path(given: str | None, environ: Mapping[str, str]) -> str | None:
    return given or home_file(environ, ".pgpass", "pgpass.conf")


def read_passfile(path: str | None) -> str:
    """Return the file's text, empty if it is missing or cannot be read.

    A file that is not a plain one, or that group or others may touch, is ignored with a UserWarning.
    """
    if path is None:
        return ""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            warnings.warn(f"password file {path!r} is not a plain file and is ignored", UserWarning, stacklevel=2)
            return ""
        if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            warnings.warn(
                f"password file {path!r} has group or world access (mode {stat.S_IMODE(mode):04o}) and is ignored, "
                "0600 or less was expected", UserWarning, stacklevel=2)
            return ""
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read()
    except OSError:
        # A password file is an offer: without one the server may still ask for no password.
        return ""


def find_password(text: str, *, hosts: tuple[str, ...], port: int, database: str, user: str) -> str | None:
    """Return the password of the first line that matches, with its escapes removed.

    `hosts` are the names under which the server may be listed: a Unix socket is its directory and also `localhost`.
    """
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if not line or line.startswith("#"):
            continue
        fields = split_line(line)
        if len(fields) < 5:
            continue
        (host, any_host), (line_port, any_port), (line_database, any_database), (line_user, any_user) = fields[:4]
        if (
            (any_host or host in hosts)
            and (any_port or line_port == str(port))
            and (any_database or line_database == database)
            and (any_user or line_user == user)
        ):
            return fields[4][0]
    return None


def split_line(line: str) -> list[tuple[str, bool]]:
    """Return each field without its escapes, and whether it was a bare `*`."""
    fields: list[tuple[str, bool]] = []
    current: list[str] = []
    start = at = 0
    while at <= len(line):
        character = line[at:at + 1]
        if character in ("", ":"):
            fields.append(("".join(current), line[start:at] == "*"))
            current = []
            start = at + 1
        elif character == "\\" and at + 1 < len(line):
            at += 1
            current.append(line[at])
        else:
            current.append(character)
        at += 1
    return fields
