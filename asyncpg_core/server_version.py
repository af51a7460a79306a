"""The server's version and what a server of its kind can do, from the parameters it reports at startup."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_VERSION = re.compile(
    r"(?:[A-Za-z][\w-]*\s+)?(?P<numbers>[0-9]{1,9}(?:\.[0-9]{1,9}){0,3})\s*"
    r"(?:(?P<level>alpha|beta|rc|devel)(?P<serial>[0-9]{0,9}))?"
)


class ServerVersion(NamedTuple):
    """From PostgreSQL 10 on `minor` is 0 and `micro` counts the minor releases: 15.18 is (15, 0, 18)."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int


class ServerCapabilities(NamedTuple):
    advisory_locks: bool
    notifications: bool
    plpgsql: bool
    sql_reset: bool
    sql_close_all: bool
    sql_copy_from_where: bool
    jit: bool


def split_server_version_string(version_string: str) -> ServerVersion:
    """Return the version in a server_version parameter, such as `15.18 (Debian ...)` or `18beta1`."""
    match = _VERSION.match(version_string.strip())
    if match is None:
        raise ValueError(f"invalid server version: a number such as 15.18 was expected, got {version_string[:80]!r}")
    numbers = [int(part) for part in match["numbers"].split(".")]
    major, second, third = (numbers + [0, 0])[:3]
    if major >= 10:
        second, third = 0, second
    return ServerVersion(major, second, third, match["level"] or "final", int(match["serial"] or 0))


def capabilities(version: ServerVersion, parameters: Mapping[str, str]) -> ServerCapabilities:
    """Return what the server supports; Redshift and the CockroachDB and Crate dialects announce themselves."""
    if "padb_revision" in parameters:
        return ServerCapabilities(False, False, False, True, False, False, False)
    if "crdb_version" in parameters or "crate_version" in parameters:
        return ServerCapabilities(False, False, False, False, False, False, False)
    return ServerCapabilities(True, True, True, True, True, version.major >= 12, version.major >= 11)
