"""A pooler in transaction mode, as a script of `FakeServer`: several processes that each know their own names.

    pooler = FakePooler(n_processes=2)
    async with FakeServer(pooler.serve) as server:
        connection = await asyncpg_core.connect(server.dsn_of_default)

Every Sync outside a transaction gives the process back, and the next message goes to the next one. `select 7` answers
7, `select $1` its argument, whatever begins with `error 12345` fails at its Bind with that SQLSTATE, and everything
else has no rows. `groups` lists what came between two Syncs: the process, the messages' letters, the names in Parse.
"""
import asyncio
import re
import struct
from dataclasses import dataclass, field

from tests.support.fake_server import (
    BOUND,
    CLOSED,
    NO_DATA,
    PARSED,
    PID,
    FakeSession,
    complete,
    data_row,
    error,
    message,
    parameter_description,
    ready,
    row_description,
)

OID_INT4 = 23


@dataclass
class Process:
    """One process of the server."""

    pid: int
    statements: dict[str, str] = field(default_factory=dict)
    status: str = "I"


@dataclass
class SentGroup:
    """What a client has sent up to a Sync, or as one Query."""

    pid: int
    letters: str = ""
    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def text_row(text: str) -> bytes:
    return message("D", struct.pack("!Hi", 1, len(text)) + text.encode())


class FakePooler:
    """The processes, and who has which. `is_direct`: one process whose PID is the one that BackendKeyData names."""

    def __init__(self, n_processes: int = 2, *, is_direct: bool = False, answers_pid: bool = True) -> None:
        first = PID if is_direct else PID + 1
        self.processes = [Process(first + n) for n in range(n_processes)]
        self.answers_pid = answers_pid
        self.at = -1
        self.groups: list[SentGroup] = []

    def next_process(self) -> Process:
        self.at = (self.at + 1) % len(self.processes)
        return self.processes[self.at]

    def letters(self) -> list[str]:
        return [group.letters for group in self.groups]

    def names(self) -> list[str]:
        """Every name that a Parse has given."""
        return [name for group in self.groups for name in group.names if name]

    async def serve(self, session: FakeSession) -> None:
        await session.start()
        held = None
        while True:
            group = SentAndAnswered(self, session, held)
            if not await group.serve():
                return
            held = group.process if group.process.status != "I" else None


class SentAndAnswered:
    """One group of a client's messages, answered by one process."""

    def __init__(self, pooler: FakePooler, session: FakeSession, held: Process | None) -> None:
        self.pooler = pooler
        self.session = session
        self.process = held or pooler.next_process()
        self.group = SentGroup(self.process.pid)
        self.has_failed = False
        self.portals: dict[str, tuple[str, bytes | None]] = {}

    async def serve(self) -> bool:
        """Answer up to the next ReadyForQuery; False when the client has gone."""
        self.pooler.groups.append(self.group)
        while True:
            try:
                kind, body = await self.session.take()
            except (ConnectionError, asyncio.IncompleteReadError):
                return False
            if kind == "X":
                self.session.hang_up()
                return False
            self.group.letters += kind
            if kind in "SQ":
                if kind == "Q":
                    self.query(body[:-1].decode())
                if self.has_failed and self.process.status == "T":
                    self.process.status = "E"
                self.session.send(ready(self.process.status))
                return True
            if not self.has_failed:
                {"P": self.parse, "B": self.bind, "D": self.describe, "E": self.execute, "C": self.close,
                 "H": lambda _: None}[kind](body)

    def fail(self, sqlstate: str, text: str) -> None:
        self.has_failed = True
        self.session.send(error(sqlstate, text))

    def parse(self, body: bytes) -> None:
        name, text, _ = body.split(b"\0", 2)
        self.group.names.append(name.decode())
        self.group.texts.append(text.decode())
        if name and name.decode() in self.process.statements:
            self.fail("42P05", "prepared statement already exists")
            return
        if self.process.status == "E" and text != b"ROLLBACK":
            self.fail("25P02", "current transaction is aborted")
            return
        if not self.pooler.answers_pid and b"pg_backend_pid" in text:
            self.fail("42501", "permission denied for function pg_backend_pid")
            return
        self.process.statements[name.decode()] = text.decode()
        self.session.send(PARSED)

    def bind(self, body: bytes) -> None:
        portal, name, rest = body.split(b"\0", 2)
        text = self.process.statements.get(name.decode())
        if text is None:
            self.fail("26000", f'prepared statement "{name.decode()}" does not exist')
            return
        failing = re.match(r"error (\w{5})", text)
        if failing:
            self.fail(failing[1], "as the text says")
            return
        n_formats = struct.unpack_from("!H", rest)[0]
        n_arguments = struct.unpack_from("!H", rest, 2 + 2 * n_formats)[0]
        argument = rest[4 + 2 * n_formats + 4:][:4] if n_arguments else None
        self.portals[portal.decode()] = text, argument
        self.session.send(BOUND)

    def columns(self, text: str) -> bytes:
        return row_description("a") if text.startswith(("select", "SELECT")) else NO_DATA

    def describe(self, body: bytes) -> None:
        name = body[1:-1].decode()
        if body[:1] == b"S":
            text = self.process.statements[name]
            self.session.send(parameter_description(*[OID_INT4] * ("$1" in text)), self.columns(text))
        else:
            self.session.send(self.columns(self.portals[name][0]))

    def execute(self, body: bytes) -> None:
        text, argument = self.portals[body.split(b"\0", 1)[0].decode()]
        self.session.send(*self.rows(text, argument))

    def rows(self, text: str, argument: bytes | None) -> list[bytes]:
        if text == "BEGIN":
            self.process.status = "T"
        elif text in ("COMMIT", "ROLLBACK"):
            self.process.status = "I"
        if "pg_backend_pid" in text:
            return [text_row(str(self.process.pid)), complete("SELECT 1")]
        number = re.match(r"select (\d+)", text)
        if argument is not None:
            return [data_row(struct.unpack("!i", argument)[0]), complete("SELECT 1")]
        return [data_row(int(number[1])), complete("SELECT 1")] if number else [complete(text.split(" ")[0].upper())]

    def query(self, text: str) -> None:
        for statement in text.split(";"):
            self.session.send(*[part for part in self.rows(statement.strip(), None) if part[:1] != b"D"])

    def close(self, body: bytes) -> None:
        self.process.statements.pop(body[1:-1].decode(), None)
        self.session.send(CLOSED)
