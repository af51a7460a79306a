"""Random values of every scalar type: what is sent, what must be read back, and what Python itself would write.

A generator takes a `random.Random`, so a seed makes the same values again. It prefers the edges of its type, where
exactness is lost first, and gives only values that read back as themselves: the text of a jsonb is the server's own.
"""
from __future__ import annotations

import datetime
import ipaddress
import json
import math
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from asyncpg_core.types import BitString, Box, Circle, Line, LineSegment, Path, Point, Polygon

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
MICROSECOND = datetime.timedelta(microseconds=1)
Make = Callable[[Random], Any]


class Kind(NamedTuple):
    """How values of one type are made. `plain` is the server's text as Python writes it, where there is a way."""

    make: Make
    plain: Callable[[Any], str] | None = None
    has_array: bool = True


def signed(bits: int) -> Make:
    def make(chance: Random) -> int:
        if chance.random() < 0.1:
            return chance.choice((0, -1, 1, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
        number = chance.getrandbits(chance.randrange(bits))
        return -number if chance.random() < 0.5 else number
    return make


def unsigned(bits: int) -> Make:
    return lambda chance: 2**bits - 1 if chance.random() < 0.05 else chance.getrandbits(chance.randrange(bits + 1))


def any_float(chance: Random) -> float:
    if chance.random() < 0.1:
        return chance.choice((0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 1e16, 1e-5))
    if chance.random() < 0.3:
        return float(chance.randrange(-10**6, 10**6)) / chance.choice((1, 10, 100, 1024))
    (number,) = struct.unpack(">d", struct.pack(">Q", chance.getrandbits(64)))
    return float(number)


def any_single(chance: Random) -> float:
    (number,) = struct.unpack(">f", struct.pack(">I", chance.getrandbits(32)))
    if chance.random() < 0.3:
        (number,) = struct.unpack(">f", struct.pack(">f", chance.randrange(-10**6, 10**6) / 100))
    return float(number)


def finite(chance: Random) -> float:
    number = any_float(chance)
    return number if math.isfinite(number) and number else 1.5


def any_decimal(chance: Random) -> Decimal:
    """Return a number whose exponent is not above 0, as the server shows them all; there is no negative 0."""
    if chance.random() < 0.03:
        return Decimal("NaN")
    n_digits = chance.choice((1, 2, 4, 5, 8, 9, 17, 36, 37, chance.randrange(1, 300)))
    digits = tuple(chance.choice((0, 0, chance.randrange(10), 9)) for _ in range(n_digits))
    number = Decimal((chance.randrange(2), digits, -chance.choice((0, 0, 1, 2, 3, 4, chance.randrange(400)))))
    return number if number else abs(number)


def decimal_or_infinity(chance: Random) -> Decimal:
    return Decimal(chance.choice(("Infinity", "-Infinity"))) if chance.random() < 0.03 else any_decimal(chance)


LETTERS = ("abcdefghijklmnopqrstuvwxyz", "ABC 019 '\"\\{}(),;:[]\t\n_%$", "äöüßéñøΩжшя", "中文字漢日本", "😀🎉🧪")


def any_text(chance: Random, n_max: int = 60) -> str:
    """Return text of any script, quotes and blanks included; mostly short, rarely beyond a kilobyte."""
    n = chance.randrange(n_max + 1) * (50 if n_max >= 60 and chance.random() < 0.02 else 1)
    return "".join(chance.choice(chance.choice(LETTERS)) for _ in range(n))


def any_name(chance: Random) -> str:
    """Return text of at most 63 bytes, what a name holds."""
    return any_text(chance, 15)


def any_json(chance: Random, depth: int = 0) -> object:
    which = chance.randrange(7 if depth < 3 else 5)
    if which >= 5:
        items = [any_json(chance, depth + 1) for _ in range(chance.randrange(4))]
        return items if which == 5 else {any_text(chance, 8): item for item in items}
    return (None, chance.random() < 0.5, chance.randrange(-(2**70), 2**70), chance.randrange(10**6) / 64,
            any_text(chance, 20))[which]


def json_text(chance: Random) -> str:
    return json.dumps(any_json(chance), ensure_ascii=chance.random() < 0.5)


def sorted_json(value: Any) -> Any:
    """Return `value` with keys as jsonb keeps them: the shorter first, then by their bytes."""
    if isinstance(value, dict):
        by_bytes = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: sorted_json(value[name]) for name in by_bytes}
    return [sorted_json(item) for item in value] if isinstance(value, list) else value


def jsonb_text(chance: Random) -> str:
    return json.dumps(sorted_json(any_json(chance)), ensure_ascii=False)


def json_path(chance: Random) -> str:
    parts = chance.choices(('."a"', '."b c"', "[*]", "[0]", ".*", "[1 to 3]"), k=chance.randrange(5))
    return "$" + "".join(parts) + chance.choice(("", '?(@."x" > 1)', '?(@ == "y")'))


def any_date(chance: Random) -> datetime.date:
    if chance.random() < 0.1:
        return chance.choice((datetime.date.min, datetime.date.max, datetime.date(2000, 1, 1),
                              datetime.date(1900, 2, 28), datetime.date(2000, 2, 29), datetime.date(1999, 12, 31)))
    return datetime.date.fromordinal(chance.randrange(1, datetime.date.max.toordinal() + 1))


def any_time(chance: Random) -> datetime.time:
    if chance.random() < 0.1:
        return chance.choice((datetime.time.min, datetime.time.max, datetime.time(12)))
    microsecond = chance.choice((0, 1, 999999, 500000, chance.randrange(10**6)))
    return datetime.time(chance.randrange(24), chance.randrange(60), chance.randrange(60), microsecond)


def any_timetz(chance: Random) -> datetime.time:
    seconds = chance.choice((0, 3600, -12600, 57599, -57599, chance.randrange(-57599, 57600)))
    zone = datetime.timezone(datetime.timedelta(seconds=seconds)) if seconds else UTC
    return any_time(chance).replace(tzinfo=zone)


def any_timestamp(chance: Random) -> datetime.datetime:
    return datetime.datetime.combine(any_date(chance), any_time(chance))


def any_timestamptz(chance: Random) -> datetime.datetime:
    return any_timestamp(chance).replace(tzinfo=UTC)


def any_timedelta(chance: Random) -> datetime.timedelta:
    # The server counts microseconds in 64 bits, and shows the smallest number of them as it shows no other.
    return datetime.timedelta(microseconds=max(signed(64)(chance), -(2**63) + 1))


def shorter_timedelta(chance: Random) -> datetime.timedelta:
    """What a server before 15 reads back from its own text: it keeps the hours in 32 bits."""
    return datetime.timedelta(microseconds=signed(63)(chance))


def ascii_byte(chance: Random) -> bytes:
    """What a server before 16 shows as text that can be decoded."""
    return bytes([chance.randrange(128)])


def shown_timedelta(value: datetime.timedelta) -> str:
    microseconds = value // MICROSECOND
    seconds, fraction = divmod(abs(microseconds), 10**6)
    text = f"{'-' if microseconds < 0 else ''}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text + (f".{fraction:06d}".rstrip("0") if fraction else "")


def shown_time(value: datetime.time | datetime.datetime) -> str:
    text = value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    return text.rstrip("0") if "." in text else text


def any_inet(chance: Random) -> object:
    bits = chance.choice((32, 128))
    kind = ipaddress.ip_address, (ipaddress.IPv4Interface if bits == 32 else ipaddress.IPv6Interface)
    number = chance.getrandbits(bits)
    address = (ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address)(number)
    prefix = chance.choice((bits, chance.randrange(bits + 1)))
    return address if prefix == bits else kind[1]((number, prefix))


def any_cidr(chance: Random) -> object:
    bits = chance.choice((32, 128))
    prefix = chance.randrange(bits + 1)
    number = chance.getrandbits(bits) >> (bits - prefix) << (bits - prefix)
    return (ipaddress.IPv4Network if bits == 32 else ipaddress.IPv6Network)((number, prefix))


def hex_bytes(n: int) -> Make:
    return lambda chance: ":".join(f"{byte:02x}" for byte in chance.randbytes(n))


def any_money(chance: Random) -> str:
    cents = signed(64)(chance)
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def any_bits(chance: Random) -> BitString:
    return BitString("".join(chance.choice("01") for _ in range(chance.randrange(1, 70))))


def any_point(chance: Random) -> Point:
    return Point(any_float(chance), any_float(chance))


def finite_point(chance: Random) -> Point:
    return Point(finite(chance), finite(chance))


def any_box(chance: Random) -> Box:
    (a, b), (c, d) = finite_point(chance), finite_point(chance)
    return Box((max(a, c), max(b, d)), (min(a, c), min(b, d)))


def any_points(chance: Random) -> list[Point]:
    return [any_point(chance) for _ in range(chance.randrange(1, 9))]


def any_path(chance: Random) -> Path:
    return Path(*any_points(chance), is_closed=chance.random() < 0.5)


def any_snapshot(bits: int) -> Make:
    def make(chance: Random) -> tuple[int, int, tuple[int, ...]]:
        low = chance.getrandbits(chance.randrange(1, bits - 1)) + 1
        high = low + chance.randrange(1000)
        n = min(high - low, chance.randrange(8))
        return low, high, tuple(sorted(chance.sample(range(low, high), n)))
    return make


def any_lexemes(chance: Random) -> list[str]:
    words = ["".join(chance.choices("abcxyz", k=chance.randrange(1, 6))) for _ in range(chance.randrange(6))]
    return sorted(set(words))


def any_tsvector(chance: Random) -> str:
    def positions() -> str:
        found = sorted(chance.sample(range(1, 16384), chance.randrange(3)))
        return ":" * bool(found) + ",".join(f"{at}{chance.choice(('', 'A', 'B', 'C'))}" for at in found)
    return " ".join(f"'{word}'{positions()}" for word in any_lexemes(chance))


def any_tsquery(chance: Random) -> str:
    words = [chance.choice(("", "!")) + f"'{word}'" + chance.choice(("", ":*", ":A", ":*B"))
             for word in any_lexemes(chance)]
    return chance.choice((" & ", " | ", " <-> ")).join(words)


def any_aclitem(chance: Random) -> str:
    letters = "".join(letter + chance.choice(("", "*")) for letter in "arwdDxtXUCTc" if chance.random() < 0.4)
    return f"postgres={letters}/postgres"


def any_xml(chance: Random) -> str:
    text = "".join(character for character in any_text(chance, 20) if character not in "\t\n")
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)
    return f"<a>{text}<b c=\"1\"/></a>"


KINDS: dict[str, Kind] = {
    "bool": Kind(lambda chance: chance.random() < 0.5, lambda value: "t" if value else "f"),
    "int2": Kind(signed(16), str), "int4": Kind(signed(32), str), "int8": Kind(signed(64), str),
    "oid": Kind(unsigned(32), str), "xid": Kind(unsigned(32), str), "cid": Kind(unsigned(32), str),
    "xid8": Kind(unsigned(64), str),
    "float4": Kind(any_single), "float8": Kind(any_float),
    "numeric": Kind(any_decimal, lambda value: format(value, "f")),
    "text": Kind(any_text, str), "varchar": Kind(any_text, str), "bpchar": Kind(any_text, str),
    "refcursor": Kind(any_text, str), "name": Kind(any_name, str), "xml": Kind(any_xml, str),
    "json": Kind(json_text, str), "jsonb": Kind(jsonb_text), "jsonpath": Kind(json_path),
    '"char"': Kind(lambda chance: chance.randbytes(1)),
    "bytea": Kind(lambda chance: chance.randbytes(chance.choice((0, 1, 16, chance.randrange(2000)))),
                  lambda value: "\\x" + value.hex()),
    "date": Kind(any_date, str), "time": Kind(any_time, shown_time), "timetz": Kind(any_timetz),
    "timestamp": Kind(any_timestamp, shown_time),
    "timestamptz": Kind(any_timestamptz, lambda value: shown_time(value.replace(tzinfo=None)) + "+00"),
    "interval": Kind(any_timedelta, shown_timedelta),
    "uuid": Kind(lambda chance: uuid.UUID(int=unsigned(128)(chance)), str),
    "inet": Kind(any_inet), "cidr": Kind(any_cidr),
    "macaddr": Kind(hex_bytes(6), str), "macaddr8": Kind(hex_bytes(8), str), "money": Kind(any_money, str),
    '"bit"': Kind(any_bits, lambda value: value.as_string().replace(" ", "")),
    "varbit": Kind(any_bits, lambda value: value.as_string().replace(" ", "")),
    "point": Kind(any_point), "box": Kind(any_box), "path": Kind(any_path),
    "lseg": Kind(lambda chance: LineSegment(any_point(chance), any_point(chance))),
    # The server takes what is below 1e-6 for 0, and refuses a line whose A and B both are.
    "line": Kind(lambda chance: Line(any_float(chance), chance.randrange(1, 10**6) / 8, any_float(chance))),
    "polygon": Kind(lambda chance: Polygon(*any_points(chance))),
    "circle": Kind(lambda chance: Circle(any_point(chance), abs(finite(chance)))),
    "tid": Kind(lambda chance: (unsigned(32)(chance), unsigned(16)(chance)), lambda value: f"({value[0]},{value[1]})"),
    "pg_lsn": Kind(unsigned(64), lambda value: f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"),
    "pg_snapshot": Kind(any_snapshot(63)), "txid_snapshot": Kind(any_snapshot(63)),
    "tsvector": Kind(any_tsvector, str), "tsquery": Kind(any_tsquery), "aclitem": Kind(any_aclitem, str),
    "int2vector": Kind(lambda chance: [signed(16)(chance) for _ in range(chance.randrange(6))], has_array=False),
    "oidvector": Kind(lambda chance: [unsigned(32)(chance) for _ in range(chance.randrange(6))], has_array=False),
}

# Names of what the server has: a random one would not be found. One row per name, as its type shows it.
CATALOGUE = {
    "regproc": "select min(oid)::regproc::text from pg_proc group by proname having count(*) = 1",
    "regprocedure": "select oid::regprocedure::text from pg_proc",
    "regoper": "select min(oid)::regoper::text from pg_operator group by oprname having count(*) = 1",
    "regoperator": "select oid::regoperator::text from pg_operator",
    "regclass": "select oid::regclass::text from pg_class", "regtype": "select oid::regtype::text from pg_type",
    "regconfig": "select oid::regconfig::text from pg_ts_config",
    "regdictionary": "select oid::regdictionary::text from pg_ts_dict",
    "regnamespace": "select oid::regnamespace::text from pg_namespace",
    "regrole": "select oid::regrole::text from pg_roles",
    "regcollation": "select oid::regcollation::text from pg_collation",
}

# Built-in scalar types that nobody can send a value of.
UNSENDABLE = {
    "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "gtsvector", "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
}
# An expression has none of these: the server makes text of `unknown`, the others are the types of functions.
PSEUDO = {"unknown", "cstring", "void", "internal", "trigger", "event_trigger", "pg_ddl_command"}


def is_pseudo(name: str) -> bool:
    return name in PSEUDO or name.startswith("any") or name.endswith("_handler")
