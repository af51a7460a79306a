"""`python -m benchmarks.bench_codecs`: what a value of each hot type costs to read, asyncpg_core and asyncpg.

A million rows of one column each (values with parts: a million parts), by one long-lived worker per driver, in turns;
README.md here says how rounds and ratios are made. With --instructions valgrind counts user instructions, and each
ratio is held against its bar. A type that a driver cannot read as expected is named and left out.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.__main__ import at_least_one, failure_lines, names_of, tell
from benchmarks.callgrind import NoCallgrind, count_instructions
from benchmarks.codec_workloads import COLUMNS, N_ROWS, Column, create_tables
from benchmarks.crew import Crew, Seat, WorkerLost
from benchmarks.figures import Line, Round, format_figure, format_spread, parts, summarize
from benchmarks.machine import machine_facts
from benchmarks.server import server_uri, start_server
from benchmarks.worker import LOOPS
from benchmarks.workloads import DROP_SCHEMA

OURS, THEIRS = "asyncpg_core", "asyncpg"


@dataclass(frozen=True, slots=True)
class Count:
    """User instructions per row of one column."""

    ours: float
    theirs: float
    bar: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.bar


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_codecs", description=__doc__)
    parser.add_argument("--columns", type=names_of(list(COLUMNS)), default=list(COLUMNS),
                        help="comma-separated, of: " + ", ".join(COLUMNS))
    parser.add_argument("--loop", choices=list(LOOPS), default="asyncio")
    parser.add_argument("--rows", type=at_least_one, default=N_ROWS, help=f"per column and round, default {N_ROWS}")
    parser.add_argument("--rounds", type=at_least_one, default=7)
    parser.add_argument("--passes", type=at_least_one, default=1, help="fresh workers for each share of the rounds")
    parser.add_argument("--instructions", action="store_true", help="count them with valgrind, a few minutes")
    parser.add_argument("--only-instructions", action="store_true", help="and measure no times")
    parser.add_argument("--dsn", help="a running server's URI (its schema asyncpg_core_bench is replaced)")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a worker may take for one answer")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    return parser.parse_args(arguments)


def measure(crew: Crew, columns: Sequence[Column], chosen: argparse.Namespace) -> list[Round]:
    rounds: list[Round] = []
    for numbers in parts(chosen.rounds, chosen.passes):
        for column in columns:
            n_ops = max(chosen.rows // column.n_values, 1)
            rounds += crew.rounds_of(column.workload, n_ops, numbers)
            tell(f"{column.type}: {len(numbers)} rounds")
        crew.end()
    return rounds


def count(uri: str, loop: str, columns: Sequence[Column]) -> dict[str, Count]:
    counted = []
    for driver in (OURS, THEIRS):
        tell(f"counting the instructions of {driver}")
        counted.append(count_instructions(driver, loop, uri, columns))
    return {column.name: Count(counted[0][column.name], counted[1][column.name], column.bar) for column in columns}


def table(columns: Sequence[Column], lines: Sequence[Line], counts: dict[str, Count]) -> str:
    """Return a row per column; ns are CPU time per value of a row, so a value with parts is the sum of these."""
    found = {(line.workload, line.driver): line for line in lines}
    rows: list[tuple[str, ...]] = [
        ("type", "ns ours", "ns asyncpg", "x cpu", "x wall", "instr ours", "instr asyncpg", "x instr", "bar")]
    for column in columns:
        ours, theirs = (found.get((column.workload.name, driver)) for driver in (OURS, THEIRS))
        times = ["n/a"] * 4
        if ours is not None and theirs is not None:
            times = [format_figure(ours.cpu_us * 1000), format_figure(theirs.cpu_us * 1000),
                     format_spread(ours.cpu_ratio), format_spread(ours.wall_ratio)]
        one = counts.get(column.name)
        instructions = ["n/a"] * 3 if one is None else [
            format_figure(one.ours), format_figure(one.theirs), f"{one.ratio:.2f}"]
        met = "" if one is None else " met" if one.is_met else " MISSED"
        rows.append((column.type.rpartition(".")[2], *times, *instructions, f"{column.bar:g}{met}"))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(
        row[1:], widths[1:], strict=True)]]) for row in rows)


def report(chosen: argparse.Namespace, uri: str, columns: list[Column]) -> dict[str, object]:
    crew = Crew([Seat(driver, chosen.loop, uri, chosen.timeout) for driver in (THEIRS, OURS)], tell)
    counts: dict[str, Count] = {}
    try:
        crew.any_answer(do="script", statements=create_tables(columns, chosen.rows))
        rounds = [] if chosen.only_instructions else measure(crew, columns, chosen)
        # Without times nobody has looked yet whether both drivers read all columns.
        for column in columns if chosen.only_instructions else ():
            list(crew.rounds_of(column.workload, 1, range(0)))
        lost = {failure.workload for failure in crew.failures}
        readable = [column for column in columns if column.workload.name not in lost]
        lines = summarize(rounds, THEIRS)
        if chosen.instructions or chosen.only_instructions:
            try:
                counts = count(uri, chosen.loop, readable)
            except NoCallgrind as exc:
                print(f"instructions are not counted: {exc}")
        with suppress(WorkerLost):
            crew.any_answer(do="script", statements=DROP_SCHEMA)
    finally:
        crew.end()
    print(f"per row, CPU of the client, {chosen.loop}; x = asyncpg / asyncpg_core, same round: median [quartiles]")
    print(table(columns, lines, counts))
    for line in failure_lines(crew.failures):
        print(line)
    return {"rounds": [asdict(one) for one in rounds], "summary": [asdict(line) for line in lines],
            "instructions": {name: asdict(one) for name, one in counts.items()},
            "failures": [asdict(one) for one in crew.failures]}


def main(arguments: Sequence[str]) -> int:
    chosen = parse_arguments(arguments)
    columns = [COLUMNS[name] for name in chosen.columns]
    with ExitStack() as stack:
        uri = chosen.dsn
        if uri is None:
            host, port, user, database, stop = start_server(False)
            stack.callback(stop)
            uri = server_uri(host, port, user, database)
        try:
            figures = report(chosen, uri, columns)
        except WorkerLost as exc:
            tell(str(exc))
            return 1
    facts = machine_facts()
    print(f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, commit {facts['commit']}"
          f"{', changed since' if facts['uncommitted_changes'] else ''}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"facts": facts, **figures}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
