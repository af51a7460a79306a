"""Connection strings: ours against libpq, which psycopg asks where it is installed."""
from __future__ import annotations

import random

from asyncpg_core.conninfo import parse_conninfo
from asyncpg_core.keywords import KEYWORDS
from pgproto.errors import ClientConfigurationError
from tests.fuzz.harness import Case, Target, insist, typed

try:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict
except ImportError:
    conninfo_to_dict = None

# libpq 18's keywords, of which an older one knows some; these every one has had for long.
NAMES = ("host", "port", "user", "password", "dbname", "sslmode", "application_name", "options", "connect_timeout")
PARTS = ("h", "localhost", "[::1]", "[::1", "]", "5432", ":", "@", "/", "?", "&", "=", ",", "%20", "%zz", "%", "%2",
         "%00",
         "%c3%a9", "%ff", "u", "p", "d", "db name", "é", "'", "\\", " ", "\t", "\n", "#", "//", "postgres",
         "postgresql://",
         "", ";", '"', "%25", "a=b", "x y", "/tmp")
SECRET = "hunter2"


def uri(rng: random.Random) -> str:
    def word() -> str:
        if rng.random() < 0.7:
            return rng.choice("abcdh")
        return "".join(rng.choice(PARTS) for _ in range(rng.randrange(3)))

    text = rng.choice(("postgresql://", "postgres://"))
    if rng.random() < 0.5:
        text += word() + (":" + rng.choice((SECRET, word())) if rng.random() < 0.6 else "") + "@"
    text += ",".join(word() + (f":{rng.choice(('1', '5432', '', 'x'))}" if rng.random() < 0.4 else "")
                     for _ in range(rng.randrange(1, 4)))
    if rng.random() < 0.6:
        text += "/" + word()
    if rng.random() < 0.6:
        text += "?" + "&".join(f"{rng.choice(NAMES)}={word()}" for _ in range(rng.randrange(1, 4)))
    return text


def pairs(rng: random.Random) -> str:
    found = []
    for _ in range(rng.randrange(1, 4)):
        text = "".join(rng.choice(PARTS) for _ in range(rng.randrange(4)))
        quoted = rng.choice((text, f"'{text}'", "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"))
        found.append(f"{rng.choice(NAMES)}{rng.choice(('=', ' = ', '= '))}{quoted}")
    return rng.choice((" ", "  ", "\n")).join(found)


def bent(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PARTS) + text[at + rng.randrange(3):]
    return text


def make(rng: random.Random) -> Case:
    dsn = bent(rng, rng.choice((uri, pairs))(rng))

    def run() -> object:
        try:
            read = parse_conninfo(dsn)
        except ClientConfigurationError as error:
            return typed(error)
        return {**read.location, **read.query}

    def check(ours: object) -> None:
        if isinstance(ours, BaseException):
            insist(SECRET not in str(ours) or SECRET in NAMES, f"the error of {dsn!r} shows a password: {ours}")
        if conninfo_to_dict is not None and is_comparable(dsn, ours):
            compare(dsn, ours)

    return Case(len(dsn), run, check)


def is_comparable(dsn: str, ours: object) -> bool:
    """Whether it has nothing that is ours on purpose: see OTHERWISE in tests/unit/test_conninfo.py."""
    if "+" in dsn or "\0" in dsn or "," in dsn or "é" in dsn or "%ff" in dsn:
        return False
    if isinstance(ours, dict) and not set(ours) <= KEYWORDS:
        return False
    query = dsn.partition("?")[2]
    is_uri = dsn.startswith(("postgresql://", "postgres://"))
    if is_uri and " " in dsn:
        return False    # since libpq 17 a URI has no spaces; passwords in URIs that work today have
    # In a query a value may be empty, and has what stands behind a second '='; a path may have a '?'.
    return not (is_uri and any(part.count("=") != 1 or part.endswith("=") or "?" in part
                               or part.partition("=")[0] not in NAMES for part in query.split("&") if query))


def compare(dsn: str, ours: object) -> None:
    try:
        theirs: object = conninfo_to_dict(dsn)
    except UnicodeDecodeError:
        return      # bytes that are no text to Python: libpq takes them, psycopg cannot show them
    except ProgrammingError as error:
        insist(isinstance(ours, BaseException), f"libpq refuses {dsn!r} ({error}), ours is {ours}")
        return
    insist(ours == theirs, f"{dsn!r} is {theirs} to libpq, ours is {ours}")


TARGET = Target("dsn", make, short=2000)
