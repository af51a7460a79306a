"""A blocking client of forty lines for preparing and probing a server without the driver under test.

It speaks the simple query protocol over a unix socket as a trusted user: enough to create roles and read settings.
"""
import socket
import struct
from pathlib import Path


class PlainError(Exception):
    """The server refused; `fields` are those of its ErrorResponse by their letter."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.fields = fields


def run_sql(socket_path: Path, sql: str, *, user: str = "postgres", database: str = "postgres",
            timeout_seconds: float = 10) -> list[tuple[str | None, ...]]:
    """The rows of all statements in `sql`, each value as the server's text.

    Raises PlainError for the first error, OSError if nobody listens.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout_seconds)
        sock.connect(str(socket_path))
        parameters = f"user\0{user}\0database\0{database}\0client_encoding\0UTF8\0\0".encode()
        query = sql.encode() + b"\0"
        with sock.makefile("rb") as stream:
            sock.sendall(struct.pack("!ii", 8 + len(parameters), 196608) + parameters)
            read_until_ready(stream)
            sock.sendall(b"Q" + struct.pack("!i", 4 + len(query)) + query)
            rows = read_until_ready(stream)
            sock.sendall(b"X\0\0\0\4")
        return rows


def read_until_ready(stream) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    error: PlainError | None = None
    while True:
        head = stream.read(5)
        if len(head) < 5:
            raise error or ConnectionError("the server closed the connection")
        body = stream.read(struct.unpack("!i", head[1:])[0] - 4)
        kind = head[:1]
        if kind == b"E":
            fields = (part.decode() for part in body.split(b"\0") if part)
            error = error or PlainError({field[0]: field[1:] for field in fields})
        elif kind == b"D":
            rows.append(read_data_row(body))
        elif kind == b"Z":
            if error is not None:
                raise error
            return rows


def read_data_row(body: bytes) -> tuple[str | None, ...]:
    values: list[str | None] = []
    at = 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if length < 0 else body[at:at + length].decode())
        at += max(length, 0)
    return tuple(values)
