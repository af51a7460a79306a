"""`make budget`, or `python -m benchmarks.budget`: user instructions of fixed work, held against `budget.json`.

Needs no server: the messages of one are replayed. What grows by more than 5 % over its budget fails; what shrinks by as
much is told, so that the budget can follow. callgrind counts where valgrind is installed, else the processor's counter
by perf_event_open. A budget belongs to one build of Python, because the interpreter's own instructions are in it: where
there is none for this Python the figures are printed and nothing fails. With nothing to count by, the reason is
printed, and that fails in continuous integration (CI=true) alone.

    python -m benchmarks.budget --write       # what is measured now is the budget, for this Python
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.budget_workloads import BUDGETED, Budgeted
from benchmarks.callgrind import SECONDS, NoCallgrind, last_line, totals, valgrind_command
from benchmarks.crew import ROOT
from benchmarks.meter import Counter, CounterUnavailable

BUDGETS = Path(__file__).resolve().parent / "budget.json"
TOLERANCE = 0.05
PORT = 5432


class NoCounter(Exception):
    """Nothing here counts instructions; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One workload: user instructions per operation as budgeted, None if they are not, and as counted now."""

    name: str
    budget: int | None
    now: int

    @property
    def growth(self) -> float | None:
        return None if self.budget is None else self.now / self.budget - 1

    @property
    def text(self) -> str:
        growth = self.growth
        if growth is None:
            return "no budget"
        return "OVER" if growth > TOLERANCE else "write it" if growth < -TOLERANCE else "ok"


def python_key(counter: str) -> str:
    """Return what a budget depends on: the build of Python, its optimisation, and who counts."""
    suffix = str(sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag)
    pgo = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"{suffix}{' pgo' if pgo else ''} {counter}"


def choose_counter() -> str:
    """Return "callgrind" or "perf"; NoCounter if there is neither."""
    if shutil.which("valgrind") is not None:
        return "callgrind"
    try:
        Counter().close()
    except CounterUnavailable as exc:
        raise NoCounter(f"valgrind is not installed, and there is no counter: {exc}") from None
    return "perf"


@contextlib.contextmanager
def replayed(directory: Path) -> Iterator[str]:
    """Give the path of the socket at which the replaying server listens."""
    path = str(directory / f".s.PGSQL.{PORT}")
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.replay_server", path], cwd=ROOT, stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        if not server.stdout.readline():
            raise NoCounter("the replaying server did not start")
        yield path
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def differences(counts: Sequence[int], budgeted: Sequence[Budgeted]) -> dict[str, int]:
    """Return instructions per operation from the counts with few and with many, in this order for each workload."""
    return {one.name: round((many - few) / (one.n_many - one.n_few))
            for one, few, many in zip(budgeted, counts[::2], counts[1::2], strict=True)}


def count(counter: str, budgeted: Sequence[Budgeted]) -> dict[str, int]:
    """Return user instructions per operation of each workload; NoCounter or NoCallgrind if that failed."""
    with tempfile.TemporaryDirectory(prefix="budget-") as name, replayed(Path(name)) as path:
        command = [sys.executable, "-m", "benchmarks.budget_workloads", counter, path, *[one.name for one in budgeted]]
        if counter == "callgrind":
            command = [*valgrind_command(f"{name}/out"), *command]
        # The order of a set of strings, and with it the work on it, would be another one in each process.
        done = subprocess.run(command, check=False, capture_output=True, cwd=ROOT, timeout=SECONDS,
                              env={**os.environ, "PYTHONHASHSEED": "0"})
        if done.returncode != 0:
            raise NoCounter(f"the counted process ended with {done.returncode}: {last_line(done.stderr)}")
        if counter == "perf":
            return differences(json.loads(done.stdout), budgeted)
        # A dump precedes each mark: every second one has what lies between two.
        return differences(totals(Path(name))[1:4 * len(budgeted):2], budgeted)


def table(verdicts: Sequence[Verdict]) -> str:
    rows = [("instructions per operation", "budget", "now", "", "")]
    for one in verdicts:
        growth = one.growth
        rows.append((one.name, "-" if one.budget is None else str(one.budget), str(one.now),
                     "" if growth is None else f"{growth:+.1%}", one.text))
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(
        row[1:4], widths[1:4], strict=True)], row[4]]).rstrip() for row in rows)


def read_budgets(path: Path) -> dict[str, dict[str, int]]:
    budgets: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return budgets


def judge(now: Mapping[str, int], budget: Mapping[str, int]) -> list[Verdict]:
    return [Verdict(name, budget.get(name), counted) for name, counted in now.items()]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record what is counted as the budget of this Python")
    parser.add_argument("--budgets", type=Path, default=BUDGETS, help="the file (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        counter = choose_counter()
        now = count(counter, list(BUDGETED.values()))
    except (NoCounter, NoCallgrind) as exc:
        print(f"budget: instructions are not counted: {exc}")
        return 1 if os.environ.get("CI") else 0
    key, budgets = python_key(counter), read_budgets(chosen.budgets)
    verdicts = judge(now, budgets.get(key, {}))
    print(table(verdicts))
    if chosen.write:
        chosen.budgets.write_text(json.dumps({**budgets, key: now}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"budget: written for {key}")
        return 0
    if key not in budgets:
        print(f"budget: there is none for {key}, so nothing was compared; --write records it")
    over = [one.name for one in verdicts if one.text == "OVER"]
    if over:
        print(f"budget: more than {TOLERANCE:.0%} over: {', '.join(over)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
