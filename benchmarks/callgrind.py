"""User instructions by valgrind's callgrind, for machines whose processor counts none: `count_instructions`.

The worker of one driver runs under valgrind and reads each column with two numbers of rows; what the larger number
costs more, divided by the additional rows, is the cost of a row: what does not depend on the rows cancels out. The
worker marks the two ends of each read with a call of a function of libc that nobody else calls, before which callgrind
writes down what it has counted.

    python -m benchmarks.callgrind DRIVER LOOP URI COLUMN [COLUMN ...]      the worker; under valgrind only
"""
from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.codec_workloads import CODEC_RUNS, COLUMNS, Column
from benchmarks.crew import ROOT
from benchmarks.drivers import open_driver
from benchmarks.worker import LOOPS

MARK = "getpgrp"
# Rows that are read, for a value without parts. The difference is a few million instructions at least.
N_FEW, N_MANY = 4_000, 24_000
SECONDS = 900.0
TOTALS = re.compile(rb"^(?:summary|totals): (\d+)", re.MULTILINE)


class NoCallgrind(Exception):
    """valgrind is not there or failed; the text is its reason."""


def sizes(column: Column) -> tuple[int, int]:
    """Return the two numbers of rows."""
    return N_FEW // column.n_values, N_MANY // column.n_values


def totals(directory: Path) -> list[int]:
    """Return the instructions of each dump, in the order in which they were written."""
    found = []
    dumps = sorted(directory.glob("out.*"), key=lambda path: int(path.name.rpartition(".")[2]))
    for path in dumps:
        total = TOTALS.search(path.read_bytes())
        if total is None:
            raise NoCallgrind(f"{path.name} has no total")
        found.append(int(total[1]))
    return found


def per_operation(counted: Sequence[int], sizes_of_each: Sequence[tuple[int, int]]) -> list[float]:
    """Return the instructions per operation of each piece of work from the totals of all dumps.

    A dump precedes each mark: of four dumps the 2nd is the work with the smaller number, the 4th with the larger.
    """
    if len(counted) < 4 * len(sizes_of_each):
        raise NoCallgrind(f"{4 * len(sizes_of_each)} dumps were expected, {len(counted)} were written")
    return [(counted[4 * n + 3] - counted[4 * n + 1]) / (many - few) for n, (few, many) in enumerate(sizes_of_each)]


def per_row(counted: Sequence[int], columns: Sequence[Column]) -> dict[str, float]:
    """Return the instructions per row of each column."""
    figures = per_operation(counted, [sizes(column) for column in columns])
    return {column.name: figure for column, figure in zip(columns, figures, strict=True)}


def valgrind_command(out: str) -> list[str]:
    """Return the beginning of a command that is counted, its dumps in files that begin with `out`; or NoCallgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NoCallgrind("valgrind is not installed")
    return [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-instr=no", f"--dump-before={MARK}"]


def last_line(output: bytes) -> str:
    """Return the last line of what a process wrote, valgrind's own aside: it says best why the process failed."""
    lines = output.decode(errors="replace").strip().splitlines()
    return " ".join([line for line in lines if not line.startswith("==")][-1:])


def run_counted(module: str, *arguments: str) -> list[int]:
    """Run a module under valgrind; return the instructions of each of its dumps, NoCallgrind if there are none."""
    with tempfile.TemporaryDirectory(prefix="callgrind-") as name:
        # The order of a set of strings, and with it the work on it, would be another one in each process.
        done = subprocess.run(
            [*valgrind_command(f"{name}/out"), sys.executable, "-m", module, *arguments],
            check=False, capture_output=True, cwd=ROOT, timeout=SECONDS, env={**os.environ, "PYTHONHASHSEED": "0"})
        if done.returncode != 0:
            raise NoCallgrind(f"the worker under valgrind ended with {done.returncode}: {last_line(done.stderr)}")
        return totals(Path(name))


def count_instructions(driver: str, loop: str, uri: str, columns: Sequence[Column]) -> dict[str, float]:
    """Return user instructions per row of each column; NoCallgrind if that cannot be told here."""
    names = [column.name for column in columns]
    return per_row(run_counted("benchmarks.callgrind", driver, loop, uri, *names), columns)


async def read_columns(driver_name: str, uri: str, columns: Sequence[Column]) -> None:
    """Read each column with few rows and with many, each read between two marks."""
    driver = open_driver(driver_name, uri)
    mark = getattr(os, MARK)
    for column in columns:
        async with CODEC_RUNS[column.workload.name](driver) as run:
            for n_rows in sizes(column):
                await run.measured(n_rows)      # a first time: what is made once is made
                gc.collect()
                mark()
                await run.measured(n_rows)
                mark()


def main(driver_name: str, loop_name: str, uri: str, *names: str) -> None:
    loop, _version = LOOPS[loop_name]()
    loop.run_until_complete(read_columns(driver_name, uri, [COLUMNS[name] for name in names]))


if __name__ == "__main__":
    main(*sys.argv[1:])
