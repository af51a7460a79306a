"""Where one workload of one driver spends itself, for tuning: `python -m benchmarks.profile_query WORKLOAD`.

Prints wall, CPU and user instructions per operation (medians), then, where `perf` is installed, their split by shared
object and, with --symbols, by function. perf attaches to the worker for the rounds, which are run a second time for it;
unlike the totals the split includes what precedes each round (the collection; for executemany the making of arguments).
Where the machine counts no instructions perf samples user time instead, and the head of the split says so.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crew import Seat, WorkerLost
from benchmarks.drivers import DRIVERS
from benchmarks.figures import format_figure
from benchmarks.server import server_uri, start_server
from benchmarks.worker import LOOPS
from benchmarks.workloads import DROP_SCHEMA, WORKLOADS, create_schema

# A prime, so that sampling does not fall into step with a loop of the program.
INSTRUCTIONS_PER_SAMPLE = 100_003
SAMPLES_PER_SECOND = 9_973
PERF_SECONDS = 60.0
SHARE_LINE = re.compile(r"^\s*(\d+(?:\.\d+)?)%\s+(\S.*?)\s*$")


class NoProfile(Exception):
    """perf is not there or refuses; the text is its reason."""


@dataclass(frozen=True, slots=True)
class Share:
    """One line of a split: a part of the whole, between 0 and 1, and what spends it."""

    part: float
    name: str


def read_shares(report: str) -> list[Share]:
    """Return the lines of `perf report --stdio` that carry a share, as perf sorts them, largest first."""
    matches = [SHARE_LINE.match(line) for line in report.splitlines()]
    return [Share(float(match[1]) / 100, " ".join(match[2].split())) for match in matches if match is not None]


def split_table(shares: Sequence[Share], per_op: float | None, at_least: float, at_most: int) -> str:
    """Return the split as lines; with `per_op` known each share is also given in its unit, per operation."""
    shown = [share for share in shares if share.part >= at_least][:at_most]
    return "\n".join(f"{share.part:7.1%}  {format_figure(per_op and per_op * share.part):>7}  {share.name}"
                     for share in shown)


def tell_perf(control: Path, acknowledged: Path, command: str) -> None:
    """Give perf a command and wait until it has acted on it."""
    control.write_text(f"{command}\n")
    with acknowledged.open() as answers:
        answers.readline()


@contextmanager
def recorded(pid: int, event: Sequence[str], directory: Path) -> Iterator[None]:
    """Record `event` in the process of that pid for the length of the block, into `directory`."""
    control, acknowledged = directory / "control", directory / "acknowledged"
    os.mkfifo(control)
    os.mkfifo(acknowledged)
    # Held open for reading and writing, so that neither side blocks when the other is not there (yet, or any more).
    held = [os.open(path, os.O_RDWR) for path in (control, acknowledged)]
    perf = subprocess.Popen(
        ["perf", "record", "-q", *event, "-D", "-1", "-p", str(pid), "--control", f"fifo:{control},{acknowledged}",
         "-o", str(directory / "perf.data")], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        tell_perf(control, acknowledged, "enable")
        yield
        tell_perf(control, acknowledged, "disable")
    finally:
        perf.terminate()
        perf.communicate(timeout=PERF_SECONDS)
        for fd in held:
            os.close(fd)


def check_perf(event: Sequence[str], directory: Path) -> None:
    """Raise NoProfile unless perf is installed and may record this event (asked with a process that does nothing)."""
    if shutil.which("perf") is None:
        raise NoProfile("perf is not installed")
    done = subprocess.run(["perf", "record", "-q", *event, "-o", str(directory / "probe.data"), "true"],
                          check=False, capture_output=True, text=True, timeout=PERF_SECONDS)
    if done.returncode != 0:
        raise NoProfile(" ".join((done.stderr.strip().splitlines() or ["perf record failed"])[:2]))


def report(directory: Path, sort: str) -> list[Share]:
    done = subprocess.run(["perf", "report", "-q", "--stdio", "--fields", f"overhead,{sort}",
                           "-i", str(directory / "perf.data")],
                          check=True, capture_output=True, text=True, timeout=PERF_SECONDS)
    return read_shares(done.stdout)


def profile(seat: Seat, chosen: argparse.Namespace) -> list[str]:
    """Return the lines to print for one workload of one worker."""
    workload = WORKLOADS[chosen.workload]
    n_ops = chosen.ops or workload.n_ops
    seat.ask(do="open", workload=workload.run_name)
    seat.ask(do="round", n_ops=workload.n_ops_warm_up)
    counted = seat.hello["no_instructions"] is None
    event = (["-e", "instructions:u", "-c", str(INSTRUCTIONS_PER_SAMPLE)] if counted
             else ["-e", "cpu-clock:u", "-F", str(SAMPLES_PER_SECOND)])
    costs = [seat.ask(do="round", n_ops=n_ops) for _ in range(chosen.repeat)]

    def per_op(figure: str, unit: float) -> float | None:
        values = [cost[figure] for cost in costs if cost[figure] is not None]
        return statistics.median(values) / n_ops * unit if values else None

    cpu_us, instructions = per_op("cpu_seconds", 1e6), per_op("instructions", 1.0)
    totals = (f"wall {format_figure(per_op('wall_seconds', 1e6))} us, cpu {format_figure(cpu_us)} us, "
              f"user instructions {format_figure(instructions)}")
    lines = [f"{chosen.driver} on {chosen.loop}, {workload.title}: {chosen.repeat} x {n_ops}",
             f"per {workload.unit}: {totals}"]
    with tempfile.TemporaryDirectory(prefix="profile-") as name:
        directory = Path(name)
        try:
            check_perf(event, directory)
        except NoProfile as exc:
            return [*lines, f"no split: {exc}"]
        with recorded(seat.hello["pid"], event, directory):
            for _ in range(chosen.repeat):
                seat.ask(do="round", n_ops=n_ops)
        lines += [f"share of user {'instructions' if counted else 'time'}, instructions per {workload.unit}:",
                  split_table(report(directory, "dso"), instructions, 0.005, 20)]
        if chosen.symbols:
            lines += ["by function:", split_table(report(directory, "dso,symbol"), instructions, 0.0, chosen.symbols)]
    return lines


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_query", description=__doc__)
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--driver", choices=list(DRIVERS), default="asyncpg_core")
    parser.add_argument("--loop", choices=list(LOOPS), default="uvloop")
    parser.add_argument("--ops", type=int, help="operations per round (default: the workload's)")
    parser.add_argument("--repeat", type=int, default=5, help="rounds, measured and then recorded again under perf")
    parser.add_argument("--symbols", type=int, default=0, metavar="N", help="also the N most expensive functions")
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--dsn", help="a running server's URI")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    chosen = parse_arguments(arguments)
    with ExitStack() as stack:
        uri = chosen.dsn
        if uri is None:
            host, port, user, database, stop = start_server(chosen.tcp)
            stack.callback(stop)
            uri = server_uri(host, port, user, database)
        seat = Seat(chosen.driver, chosen.loop, uri, 120.0)
        stack.callback(seat.end)
        try:
            rows = WORKLOADS["rows_to_records"]
            n_wide = (chosen.ops or rows.n_ops) if chosen.workload == "rows_to_records" else 1000
            seat.ask(do="script", statements=create_schema(max(n_wide, rows.n_ops_warm_up)))
            lines = profile(seat, chosen)
            seat.ask(do="close")
            seat.ask(do="script", statements=DROP_SCHEMA)
        except WorkerLost as exc:
            print(f"{chosen.driver} on {chosen.loop}: {exc}", file=sys.stderr)
            return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
