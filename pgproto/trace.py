"""A listing of a session's messages, in the manner of libpq's PQtrace.

`frontend.tracer = Tracer(stream)` writes one line for each message: direction (F sent, B received), length as on the
wire, name and fields. Values of arguments and rows are shown shortened, passwords never. What an operation puts on the
caller's word while it runs (an answer to authentication, COPY data, a stream's next batch) is not listed.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""
from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TextIO

# The codes of messages that are sent before there is a session, in place of a protocol version.
REQUESTS = {80877102: "CancelRequest", 80877103: "SSLRequest", 80877104: "GSSENCRequest"}
SHOWN_MAX = 40
SECRET = "<not shown>"


class Body:
    """What is left of a message's body; taking more than that is an IndexError."""

    def __init__(self, body: bytes) -> None:
        self.rest = body

    def take(self, n: int) -> bytes:
        if not 0 <= n <= len(self.rest):
            raise IndexError(n)
        part, self.rest = self.rest[:n], self.rest[n:]
        return part

    def number(self, layout: str) -> int:
        value: int
        (value,) = struct.unpack("!" + layout, self.take(struct.calcsize("!" + layout)))
        return value

    def text(self) -> str:
        return repr(self.take(self.rest.index(0) + 1)[:-1].decode("utf-8", "replace"))

    def value(self) -> str:
        n = self.number("i")
        return "NULL" if n == -1 else shown(self.take(n))

    def list_of(self, take: Callable[[], object]) -> str:
        n = self.number("H")
        return f"{n} [{' '.join(str(take()) for _ in range(n))}]"


def shown(value: bytes) -> str:
    return repr(value) if len(value) <= SHOWN_MAX else f"{value[:SHOWN_MAX]!r}.. ({len(value)} bytes)"


def is_empty(body: Body) -> str:
    return ""


def one_text(body: Body) -> str:
    return body.text()


def one_value(body: Body) -> str:
    return shown(body.take(len(body.rest)))


def secret(body: Body) -> str:
    body.rest = b""
    return SECRET


def two_texts(body: Body) -> str:
    return f"{body.text()} {body.text()}"


def target(body: Body) -> str:
    return f"{chr(body.number('B'))} {body.text()}"


def parse(body: Body) -> str:
    return f"{two_texts(body)} {body.list_of(lambda: body.number('I'))}"


def bind(body: Body) -> str:
    formats = f"{two_texts(body)} {body.list_of(lambda: body.number('h'))}"
    return f"{formats} {body.list_of(body.value)} {body.list_of(lambda: body.number('h'))}"


def execute(body: Body) -> str:
    return f"{body.text()} {body.number('i')}"


def fields(body: Body) -> str:
    found = []
    while (code := body.number("B")) != 0:
        found.append(f"{chr(code)}={body.text()}")
    return " ".join(found)


def column(body: Body) -> str:
    name, table, attribute = body.text(), body.number("I"), body.number("h")
    oid, size, typmod, format = body.number("I"), body.number("h"), body.number("i"), body.number("h")
    return f"{name}:{table}:{attribute}:{oid}:{size}:{typmod}:{format}"


def row_description(body: Body) -> str:
    return body.list_of(lambda: column(body))


def parameter_description(body: Body) -> str:
    return body.list_of(lambda: body.number("I"))


def data_row(body: Body) -> str:
    return body.list_of(body.value)


def authentication(body: Body) -> str:
    # What follows the sub-code (salts, SCRAM messages) is nobody's business.
    return f"{body.number('i')} {secret(body)}" if len(body.rest) > 4 else str(body.number("i"))


def backend_key_data(body: Body) -> str:
    return f"{body.number('i')} {secret(body)}"


def notification(body: Body) -> str:
    return f"{body.number('i')} {two_texts(body)}"


def copy_response(body: Body) -> str:
    return f"{body.number('B')} {body.list_of(lambda: body.number('h'))}"


def ready_for_query(body: Body) -> str:
    return chr(body.number("B"))


def negotiate_protocol_version(body: Body) -> str:
    version, n = body.number("i"), body.number("i")
    return " ".join([str(version), str(n), *(body.text() for _ in range(n))])


Reader = Callable[[Body], str]

SENT: dict[str, tuple[str, Reader]] = {
    "B": ("Bind", bind), "C": ("Close", target), "D": ("Describe", target), "E": ("Execute", execute),
    "H": ("Flush", is_empty), "P": ("Parse", parse), "Q": ("Query", one_text), "S": ("Sync", is_empty),
    "X": ("Terminate", is_empty), "c": ("CopyDone", is_empty), "d": ("CopyData", one_value),
    "f": ("CopyFail", one_text),
    "p": ("PasswordMessage", secret),
}
RECEIVED: dict[str, tuple[str, Reader]] = {
    "1": ("ParseComplete", is_empty), "2": ("BindComplete", is_empty), "3": ("CloseComplete", is_empty),
    "A": ("NotificationResponse", notification), "C": ("CommandComplete", one_text), "D": ("DataRow", data_row),
    "E": ("ErrorResponse", fields), "G": ("CopyInResponse", copy_response), "H": ("CopyOutResponse", copy_response),
    "I": ("EmptyQueryResponse", is_empty), "K": ("BackendKeyData", backend_key_data), "N": ("NoticeResponse", fields),
    "R": ("Authentication", authentication), "S": ("ParameterStatus", two_texts),
    "T": ("RowDescription", row_description), "W": ("CopyBothResponse", copy_response),
    "Z": ("ReadyForQuery", ready_for_query), "c": ("CopyDone", is_empty), "d": ("CopyData", one_value),
    "n": ("NoData", is_empty), "s": ("PortalSuspended", is_empty), "t": ("ParameterDescription", parameter_description),
    "v": ("NegotiateProtocolVersion", negotiate_protocol_version),
}


class Tracer:
    """Writes the messages of one session to a text stream. The stream's errors are its owner's: they are raised."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def sent(self, messages: bytes) -> None:
        """List whole messages that were put into the send buffer."""
        at = 0
        while at < len(messages):
            # The type of a message is never zero; a startup packet has none, and begins with its length.
            start = at if messages[at] == 0 else at + 1
            (length,) = struct.unpack_from("!I", messages, start)
            body = messages[start + 4:start + length]
            if start == at:
                self.write("F", length, *read_startup(Body(body)))
            else:
                self.write("F", length, *read_message(SENT, messages[at], body))
            at = start + length

    def received(self, kind: int, body: bytes) -> None:
        """List one message of the server."""
        self.write("B", len(body) + 4, *read_message(RECEIVED, kind, body))

    def write(self, direction: str, length: int, name: str, facts: str) -> None:
        self.stream.write(f"{direction}\t{length}\t{name}{' ' if facts else ''}{facts}\n")


def read_message(known: dict[str, tuple[str, Reader]], kind: int, body: bytes) -> tuple[str, str]:
    """Return a message's name and fields. A body that does not fit its type is shown as it is: what is wrong with it
    is for the frontend to say."""
    name, reader = known.get(chr(kind), (f"{chr(kind)!r}", one_value))
    rest = Body(body)
    try:
        facts = reader(rest)
    except (IndexError, ValueError):
        return name, f"malformed {shown(body)}"
    return name, facts + (f" and {len(rest.rest)} bytes more" if rest.rest else "")


def read_startup(body: Body) -> tuple[str, str]:
    """Return the name and fields of a packet without a type."""
    code = body.number("i")
    if code in REQUESTS:
        return REQUESTS[code], SECRET if body.rest else ""
    parts = []
    while len(body.rest) > 1:
        parts.append(f"{body.text()}={body.text()}")
    return "StartupMessage", " ".join([f"{code >> 16}.{code & 0xFFFF}", *parts])
