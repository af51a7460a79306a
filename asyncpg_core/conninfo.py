"""Connection strings: a URI or `key=value` pairs → keywords and their text. Nothing is interpreted here.

The grammar is libpq's. Where asyncpg's users rely on something else the query of a URI follows them: `+` is a space,
the first `=` splits, and names that libpq does not know are kept (they become server settings).

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from pgproto.errors import ClientConfigurationError

from .keywords import ALIASES, KEYWORDS

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_USERINFO = re.compile(r"([^@/]*)@")
_HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<name>(?!\[)[^:/?,]*))(?::(?P<port>[^/?,]*))?")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PAIR = re.compile(
    r"[ \t\n\r\f\v]*(?P<name>[^=\s]+)[ \t\n\r\f\v]*=[ \t\n\r\f\v]*"
    r"(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<bare>(?!')(?:[^ \t\n\r\f\v\\]|\\.|\\\Z)*))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Conninfo:
    """`location` is what stands before the `?` of a URI; it wins over `query`, where all pairs of `key=value` are."""

    location: dict[str, str] = field(repr=False)
    query: dict[str, str] = field(repr=False)


def parse_conninfo(dsn: str) -> Conninfo:
    """Return the keywords of a URI or of `key=value` text, blank values included.

    Raises ClientConfigurationError, whose text never repeats more of the DSN than a keyword or the scheme.
    """
    scheme = _SCHEME.match(dsn)
    if scheme and dsn.startswith("//", scheme.end()):
        if scheme[1] not in ("postgres", "postgresql"):
            raise _invalid(f"the scheme must be 'postgresql' or 'postgres', got {scheme[1]!r}")
        return parse_uri(dsn[scheme.end() + 2:])
    return Conninfo({}, parse_pairs(dsn))


def parse_uri(rest: str) -> Conninfo:
    """Return the keywords of a URI whose scheme and `//` have been taken off."""
    location: dict[str, str] = {}
    userinfo = _USERINFO.match(rest)
    if userinfo:
        user, colon, password = userinfo[1].partition(":")
        location["user"] = _decode(user, "user")
        if colon:
            location["password"] = _decode(password, "password")
        rest = rest[userinfo.end():]
    hosts, ports, rest = _take_hosts(rest)
    location["host"] = ",".join(hosts) if any(hosts) else ""
    location["port"] = ",".join(ports) if any(ports) else ""
    path, _, query = rest.partition("?")
    location["dbname"] = _decode(path[1:], "database")
    return Conninfo({name: value for name, value in location.items() if value}, _parse_query(query))


def parse_pairs(text: str) -> dict[str, str]:
    """Return the keywords of `key=value` text; the last of two equal keywords wins."""
    pairs: dict[str, str] = {}
    at, end = 0, len(text.rstrip(" \t\n\r\f\v"))
    while at < end:
        pair = _PAIR.match(text, at)
        if pair is None:
            raise _invalid("a URI ('postgresql://...') or key=value pairs were expected; a value with spaces is put "
                           "in single quotes")
        value = pair["quoted"] if pair["quoted"] is not None else pair["bare"]
        pairs[ALIASES.get(pair["name"], pair["name"])] = _ESCAPE.sub(r"\1", value)
        at = pair.end()
    return pairs


def _take_hosts(rest: str) -> tuple[list[str], list[str], str]:
    hosts: list[str] = []
    ports: list[str] = []
    at = 0
    while True:
        match = _HOST.match(rest, at)
        if match is None:
            raise _invalid("a '[' before an IPv6 address has no ']'")
        if match["bracketed"] == "":
            raise _invalid("the IPv6 address in '[]' is empty")
        at = match.end()
        if rest[at:at + 1] not in ("", ",", "/", "?"):
            raise _invalid("':', ',', '/' or '?' was expected after the ']' of an IPv6 address")
        hosts.append(_decode(match["bracketed"] or match["name"] or "", "host"))
        ports.append(_decode(match["port"] or "", "port"))
        if rest[at:at + 1] != ",":
            return hosts, ports, rest[at:]
        at += 1


def _parse_query(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    fields = query.split("&")
    if fields[-1] == "":
        fields.pop()
    for each in fields:
        raw_name, equals, raw_value = each.partition("=")
        name = _decode(raw_name.replace("+", " "), "query")
        if not equals:
            raise _invalid(f"'=' is missing after {_shown(name)} in the query")
        if not name:
            raise _invalid("a name is missing before '=' in the query")
        name = ALIASES.get(name, name)
        value = _decode(raw_value.replace("+", " "), f"query parameter {_shown(name)}")
        if (name, value) == ("ssl", "true"):  # as JDBC writes it; libpq reads it so too
            name, value = "sslmode", "require"
        if value:
            values[name] = value
    return values


def _decode(text: str, part: str) -> str:
    if _BAD_PERCENT.search(text):
        raise _invalid(f"a '%' without two hexadecimal digits in its {part}; a '%' itself is written %25")
    raw = unquote_to_bytes(text.encode("utf-8", "surrogatepass"))
    if b"\0" in raw:
        raise _invalid(f"a NUL byte in its {part}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        # The codec's error holds the bytes, which may be a password.
        raise _invalid(f"its {part} is not UTF-8") from None


def _shown(name: str) -> str:
    """Return a keyword as an error names it. What is none may be half of a password with a '/' and a '?' in it."""
    return repr(name) if name in KEYWORDS else "a name that is no keyword"


def _invalid(reason: str) -> ClientConfigurationError:
    return ClientConfigurationError(f"invalid DSN: {reason}")
