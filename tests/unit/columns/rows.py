"""Bytes for the tests of columns: values as the server sends them, rows of them, and statements that describe them."""
import struct

from pgproto.codecs.catalogue import TypeCache
from pgproto.codecs.registry import CodecRegistry
from pgproto.columns.plan import ColumnOptions
from pgproto.columns.sink import ColumnSink, columnar_statement
from pgproto.messages.backend import Column
from pgproto.oids import NAME_OF
from pgproto.statement import Statement
from tests.support.arrow_reader import Table, read

OID = {name: oid for oid, name in NAME_OF.items()}


def statement(*types, facts=()):
    """A statement with columns c0, c1 ..; a type is a name, an OID, or one of these with a type modifier."""
    columns = []
    for number, type_ in enumerate(types):
        type_, typmod = type_ if isinstance(type_, tuple) else (type_, -1)
        columns.append(Column(f"c{number}", 0, 0, OID[type_] if isinstance(type_, str) else type_, 0, typmod, 0))
    cache = TypeCache()
    cache.learn(facts)
    return columnar_statement(Statement("select", "", (), tuple(columns), CodecRegistry(cache)))


def value(body):
    return struct.pack(">i", -1) if body is None else struct.pack(">i", len(body)) + body


def row(*bodies):
    return struct.pack(">H", len(bodies)) + b"".join([value(body) for body in bodies])


def numeric(text):
    """The body of a numeric, of what PostgreSQL would print."""
    specials = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}
    if text in specials:
        return struct.pack(">HhHH", 0, 0, specials[text], 0)
    sign = 0x4000 if text.startswith("-") else 0
    whole, _, fraction = text.lstrip("-").partition(".")
    scale = len(fraction)
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    digits = [int((whole + fraction)[i:i + 4]) for i in range(0, len(whole + fraction), 4)]
    weight = len(whole) // 4 - 1
    while digits and digits[0] == 0:
        digits.pop(0)
        weight -= 1
    while digits and digits[-1] == 0:
        digits.pop()
    return struct.pack(">HhHH", len(digits), weight if digits else 0, sign, scale) + b"".join(
        [struct.pack(">H", digit) for digit in digits])


def array(oid, *bodies, ndim=1):
    if not bodies:
        return struct.pack(">iiI", 0, 0, oid)
    head = struct.pack(">iiI", ndim, 0, oid) + struct.pack(">ii", len(bodies), 1) * ndim
    return head + b"".join([value(body) for body in bodies])


def composite(*pairs):
    return struct.pack(">i", len(pairs)) + b"".join([struct.pack(">I", oid) + value(body) for oid, body in pairs])


def read_rows(described, *rows, bytes_max=0, **options) -> Table:
    """What a sink makes of the rows."""
    sink = ColumnSink(ColumnOptions(**options), bytes_max=bytes_max)
    for body in rows:
        sink.feed(described, body)
    return read(sink.columns(described))


def column(type_, *bodies, facts=(), **options):
    """The values of a column, and its format."""
    table = read_rows(statement(type_, facts=facts), *[row(body) for body in bodies], **options)
    return table.columns[0], table.formats[0]
