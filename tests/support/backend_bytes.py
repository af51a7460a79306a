"""The messages of a backend as bytes, and sessions that are driven on bytes alone.

A function is called after its message and returns the whole of it. `ready_frontend` is a session past its start;
`drive` feeds an answer in given pieces and does for READY and ASK what a test says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pgproto.auth import Authentication, AuthOptions
from pgproto.codecs.registry import CodecRegistry
from pgproto.frontend import Frontend
from pgproto.messages.backend import Column
from pgproto.operations.startup import Startup
from pgproto.statement import Statement

INT4, TEXT, JSON, INT4_ARRAY, DATE = 23, 25, 114, 1007, 1082


def message(kind: str | int, body: bytes = b"") -> bytes:
    return (kind.encode("latin1") if isinstance(kind, str) else bytes([kind])) + struct.pack("!i", len(body) + 4) + body


def header(kind: str, length: int) -> bytes:
    """A type and a length that may lie."""
    return kind.encode() + struct.pack("!I", length)


def cstring(text: str | bytes) -> bytes:
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def fields(**by_code: str | bytes) -> bytes:
    return b"".join(code.encode() + cstring(text) for code, text in by_code.items()) + b"\0"


def error(text: str = "it failed", code: str = "23505", severity: str = "ERROR", **more: str) -> bytes:
    return message("E", fields(S=severity, V=severity, C=code, M=text, **more))


def notice(text: str = "by the way", code: str = "00000") -> bytes:
    return message("N", fields(S="NOTICE", V="NOTICE", C=code, M=text))


def ready(status: str = "I") -> bytes:
    return message("Z", status.encode())


def authentication(code: int = 0, body: bytes = b"") -> bytes:
    return message("R", struct.pack("!i", code) + body)


def parameter_status(name: str | bytes, value: str | bytes) -> bytes:
    return message("S", cstring(name) + cstring(value))


def backend_key_data(pid: int = 77, key: bytes = b"abcd") -> bytes:
    return message("K", struct.pack("!i", pid) + key)


def negotiate(version: int, *options: str) -> bytes:
    return message("v", struct.pack("!ii", version, len(options)) + b"".join(cstring(name) for name in options))


def notification(pid: int, channel: str, payload: str) -> bytes:
    return message("A", struct.pack("!i", pid) + cstring(channel) + cstring(payload))


def column(name: str, type_oid: int = INT4, *, typmod: int = -1, format: int = 0) -> bytes:
    return cstring(name) + struct.pack("!IhIhih", 0, 0, type_oid, 4, typmod, format)


def row_description(*columns: tuple[str, int] | tuple[str, int, int]) -> bytes:
    parts = [column(c[0], c[1], format=c[2] if len(c) == 3 else 0) for c in columns]
    return message("T", struct.pack("!H", len(parts)) + b"".join(parts))


def parameter_description(*oids: int) -> bytes:
    return message("t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def row_body(*values: bytes | None) -> bytes:
    parts = [struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v for v in values]
    return struct.pack("!H", len(values)) + b"".join(parts)


def data_row(*values: bytes | None) -> bytes:
    return message("D", row_body(*values))


def int4(value: int) -> bytes:
    return struct.pack("!i", value)


def copy_response(kind: str, *formats: int, overall: int = 0) -> bytes:
    return message(kind, struct.pack(f"!bH{len(formats)}h", overall, len(formats), *formats))


def complete(tag: str = "SELECT 1") -> bytes:
    return message("C", cstring(tag))


PARSED = message("1")
BOUND = message("2")
CLOSED = message("3")
NO_DATA = message("n")
SUSPENDED = message("s")
EMPTY = message("I")
COPY_DONE = message("c")
SYNC = b"S\0\0\0\4"
FLUSH = b"H\0\0\0\4"


def rows_answer(*values: int, tag: str | None = None) -> bytes:
    """What the server says to Bind and Execute of a statement with one int4 column."""
    return BOUND + b"".join(data_row(int4(v)) for v in values) + complete(tag or f"SELECT {len(values)}")


def split_messages(stream: bytes, *, has_startup: bool = False) -> list[tuple[str, bytes]]:
    """(type, body) of each message that a frontend has sent; anything but whole messages is an AssertionError."""
    found = []
    at = 0
    while at < len(stream):
        (length,) = struct.unpack_from("!i", stream, at + 1)
        assert length >= 4
        assert at + 1 + length <= len(stream)
        found.append((chr(stream[at]), stream[at + 5 : at + 1 + length]))
        at += 1 + length
    return found


def kinds(stream: bytes) -> str:
    """The types of the messages that a frontend has sent, in a row."""
    return "".join(kind for kind, _ in split_messages(stream))


def new_startup(**options: Any) -> Startup:
    given: dict[str, Any] = {"user": "u", "is_encrypted": False, "is_local": True}
    given.update(options)
    return Startup({"user": "u"}, Authentication(AuthOptions(**given)))


def ready_frontend(status: str = "I") -> Frontend:
    """A session that has been started, and has nothing to send."""
    frontend = Frontend()
    frontend.submit(new_startup())
    frontend.receive(authentication() + backend_key_data() + ready(status))
    frontend.take_output()
    return frontend


def statement(
    sql: str = "select 1",
    name: str = "s",
    parameters: Sequence[int] = (),
    columns: Iterable[tuple[str, int]] | None = (("a", INT4),),
    registry: CodecRegistry | None = None,
) -> Statement:
    described = None if columns is None else tuple(Column(n, 0, 0, oid, 4, -1, 0) for n, oid in columns)
    return Statement(sql, name, tuple(parameters), described, registry or CodecRegistry())


def pieces(answer: bytes, cut: int) -> list[bytes]:
    return [answer[:cut], answer[cut:]]


def drive(frontend: Frontend, parts: Iterable[bytes], on_event: Callable[[Any], None] | None = None) -> list[Any]:
    """Feed the parts; return the operations that settled, in order. `on_event` serves the READY and ASK ones."""
    settled = []
    for part in parts:
        events = frontend.receive(part)
        while events:
            served = False
            for op in events:
                if op.is_settled:
                    settled.append(op)
                else:
                    assert on_event is not None, "an event that the test does not expect"
                    on_event(op)
                    served = True
            events = frontend.resume() if served else []
    return settled
