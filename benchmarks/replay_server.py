"""A server that answers from a recording: the other end of what `budget` counts, in a process of its own.

    python -m benchmarks.replay_server SOCKET

It plays for one client after the other, and knows the statements of `recordings.py` alone; what else is sent, a reset
for one, is done and has no rows. The same bytes come back every time, and as few pieces as possible: the answers up to
a Sync go out together, or to as many Syncs as the statement `batch N` has said, so how often the client wakes up does
not depend on who of the two is faster. Nothing of this is measured, only made to be alike.
"""
from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator

from benchmarks.recordings import BATCH, COPY_IN, RECORDINGS, SINK, Recording
from tests.support.backend_bytes import (
    BOUND,
    CLOSED,
    NO_DATA,
    PARSED,
    authentication,
    backend_key_data,
    complete,
    copy_response,
    parameter_status,
    ready,
)

PARAMETERS = {"server_version": "18.4", "server_encoding": "UTF8", "client_encoding": "UTF8", "TimeZone": "UTC",
              "integer_datetimes": "on", "standard_conforming_strings": "on", "is_superuser": "on",
              "session_authorization": "someone", "in_hot_standby": "off", "default_transaction_read_only": "off"}
RECEIVED_AT_ONCE = 1 << 20
NOTHING = Recording((), (), ())


def greeting() -> bytes:
    told = b"".join(parameter_status(name, value) for name, value in PARAMETERS.items())
    return authentication() + told + backend_key_data() + ready()


def cstring_at(body: bytes, at: int) -> tuple[str, int]:
    end = body.index(b"\0", at)
    return body[at:end].decode(), end + 1


class Player:
    """One session: what it has been told, and the answers that wait for their Sync."""

    def __init__(self) -> None:
        self.statements: dict[str, str] = {}
        self.bound = ""
        self.answer = bytearray()
        self.n_ready = 0
        self.batch = 1
        self.is_due = False

    def recording(self, sql: str) -> Recording:
        return RECORDINGS.get(sql, NOTHING)

    def take(self, kind: str, body: bytes) -> None:
        """Add what is answered to one message; `is_due` when the answers have to go out."""
        getattr(self, f"on_{kind}", self.on_other)(body)

    def on_other(self, body: bytes) -> None:
        """CopyData has no answer, and what else comes here had none either."""

    def on_P(self, body: bytes) -> None:
        name, at = cstring_at(body, 0)
        self.statements[name] = cstring_at(body, at)[0]
        self.answer += PARSED

    def on_B(self, body: bytes) -> None:
        _portal, at = cstring_at(body, 0)
        self.bound = self.statements[cstring_at(body, at)[0]]
        self.answer += BOUND

    def on_D(self, body: bytes) -> None:
        name, _ = cstring_at(body, 1)
        if body[:1] == b"S":
            recording = self.recording(self.statements[name])
            self.answer += recording.parameter_description + (recording.row_description or NO_DATA)
        else:
            self.answer += self.recording(self.bound).row_description or NO_DATA

    def on_E(self, _body: bytes) -> None:
        self.answer += self.recording(self.bound).executed

    def on_C(self, _body: bytes) -> None:
        self.answer += CLOSED

    def on_H(self, _body: bytes) -> None:
        self.is_due = True

    def on_S(self, _body: bytes) -> None:
        self.answer += ready()
        self.n_ready += 1
        self.is_due = self.n_ready >= self.batch

    def on_Q(self, body: bytes) -> None:
        sql, _ = cstring_at(body, 0)
        if sql.startswith(COPY_IN):
            self.answer += copy_response("G", *[1] * len(SINK), overall=1)
            self.is_due = True
            return
        if sql.startswith(BATCH):
            self.batch = int(sql.removeprefix(BATCH))
        self.answer += complete("SET")
        self.on_S(b"")
        self.is_due = True

    def on_c(self, _body: bytes) -> None:
        self.answer += complete("COPY 0")
        self.on_S(b"")

    def due(self) -> bytes:
        """Return what goes out now, and begin anew."""
        out, self.answer, self.n_ready, self.is_due = bytes(self.answer), bytearray(), 0, False
        return out


def messages(client: socket.socket) -> Iterator[tuple[str, bytes]]:
    """Yield the messages of a client until it goes, in one copy each."""
    waiting = bytearray()
    while chunk := client.recv(RECEIVED_AT_ONCE):
        waiting += chunk
        at = 0
        while len(waiting) - at >= 5:
            (length,) = struct.unpack_from("!I", waiting, at + 1)
            if len(waiting) - at < 1 + length:
                break
            yield chr(waiting[at]), bytes(waiting[at + 5:at + 1 + length])
            at += 1 + length
        del waiting[:at]


def serve(client: socket.socket) -> None:
    """Play for one client until it goes."""
    (length,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
    client.recv(length - 4, socket.MSG_WAITALL)
    client.sendall(greeting())
    player = Player()
    for kind, body in messages(client):
        if kind == "X":
            return
        player.take(kind, body)
        if player.is_due:
            client.sendall(player.due())


def main(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            client, _address = listener.accept()
            # Who goes without reading the last answer resets the connection.
            with client, contextlib.suppress(ConnectionError):
                serve(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
