"""The C client, compiled when it is opened: what is left when a driver does nothing but the protocol.

It runs whole workloads by itself, in a process of its own whose wall and CPU time are taken; it has no objects to make
and nothing of the loop. So its verbs are the workloads' (`limit_of`), and it is no driver one could use.
"""
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.machine import ROOT
from benchmarks.meter import Cost
from benchmarks.workloads import ALL_ROWS, INSERT, OUT_ROWS, ROW_BY_KEY, SELECT_INT, SINK, TRUNCATE

SOURCE = Path(__file__).resolve().with_name("c_client.c")
PROGRAM = ROOT / "build" / "benchmarks" / "c_client"
# By workload: connections, queries under way on each, and the statement with the number of its parameters.
QUERIES = {
    "select_int": (1, 1, SELECT_INT),
    "row_by_key": (1, 1, ROW_BY_KEY),
    "connections_10": (10, 1, ROW_BY_KEY),
    "pool_fetch_100": (4, 25, ROW_BY_KEY),
    "gather_100": (1, 100, ROW_BY_KEY),
    "tb_one_plus_one": (10, 1, "SELECT 1 + 1"),
}
BULK = ("rows_to_records", "executemany", "copy_in", "copy_out")
LIMITED = frozenset((*QUERIES, *BULK))


class NoCompiler(Exception):
    """There is nothing to compile with, or it failed."""


class NoLimit(Exception):
    """The client ended; the text is its last word."""


def compile_client() -> Path:
    """Return the program, compiled anew if its source is newer."""
    if PROGRAM.exists() and PROGRAM.stat().st_mtime > SOURCE.stat().st_mtime:
        return PROGRAM
    named = os.environ.get("CC", "cc").split()[0]
    compiler = next(filter(None, map(shutil.which, (named, "cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NoCompiler("no C compiler was found")
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    # Several workers may compile at once: each makes its own and puts it in its place whole.
    made = PROGRAM.with_name(f"c_client.{os.getpid()}")
    done = subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", str(made), str(SOURCE)], check=False,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise NoCompiler(" ".join(done.stderr.strip().splitlines()[-1:]))
    os.replace(made, PROGRAM)
    return PROGRAM


class Client:
    """The running program."""

    def __init__(self, program: Path, uri: str, n_connections: int, depth: int) -> None:
        parts = urlsplit(uri)
        query = parse_qs(parts.query)
        host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
        port = query.get("port", [str(parts.port or 5432)])[0]
        self.process = subprocess.Popen(
            [str(program), host, port, unquote(parts.username or "postgres"), parts.path.lstrip("/"),
             str(n_connections), str(depth)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.answer()

    def answer(self) -> str:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise NoLimit(self.process.stderr.read().strip())  # type: ignore[union-attr]
        return line

    def order(self, text: str) -> tuple[Cost, int]:
        """Return what the order has cost, and how many rows or pieces came."""
        self.process.stdin.write(text + "\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        wall, cpu, n_rows = map(int, self.answer().split())
        return Cost(wall / 1e9, cpu / 1e9, None), n_rows

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class CClient:
    """The limit of the workloads in `LIMITED`."""

    def __init__(self, _module_name: str, uri: str) -> None:
        # It speaks no TLS and knows no password.
        parts = urlsplit(uri)
        self.limited = frozenset() if parts.password or "sslmode=require" in parts.query else LIMITED
        self.program = compile_client()
        self.uri = uri

    def version(self) -> str:
        return "c_client.c"

    @asynccontextmanager
    async def limit_of(self, workload: str) -> AsyncIterator[Limit]:
        """Give the runner of a workload, connected and prepared."""
        n_connections, depth, sql = QUERIES.get(workload, (1, 1, ""))
        client = Client(self.program, self.uri, n_connections, depth)
        try:
            yield Limit(client, workload, sql)
        finally:
            client.end()


class Limit:
    """One workload in the C client."""

    def __init__(self, client: Client, workload: str, sql: str) -> None:
        self.client = client
        self.workload = workload
        if sql:
            client.order(f"prepare {sql.count('$')} {sql}")
        elif workload == "rows_to_records":
            client.order(f"prepare 1 {all_rows()}")
        elif workload == "executemany":
            client.order(f"prepare 7 {INSERT}")

    def before(self) -> None:
        if self.workload in ("executemany", "copy_in"):
            self.client.order(f"run {TRUNCATE}")

    def measured(self, n_ops: int) -> Cost:
        """Run so many operations; NoLimit if fewer rows came than should."""
        order = {"rows_to_records": f"rows {n_ops}", "executemany": f"many {n_ops}",
                 "copy_in": f"copy {n_ops} COPY {SINK} FROM STDIN (FORMAT BINARY)",
                 "copy_out": f"out COPY ({OUT_ROWS.replace('$1', str(n_ops))}) TO STDOUT"}
        cost, n_rows = self.client.order(order.get(self.workload, f"query {n_ops}"))
        if self.workload in ("rows_to_records", "copy_out") and n_rows != n_ops:
            raise NoLimit(f"{self.workload}: {n_rows} rows of {n_ops} came")
        return cost


def all_rows() -> str:
    """Return the statement of all rows, with an int4 where PostgreSQL would take an int8."""
    return ALL_ROWS.replace("$1", "$1::int4")
