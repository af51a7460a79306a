"""`python -m benchmarks.instructions`: user instructions per operation of whole workloads, by callgrind.

For machines whose processor counts none, where the comparison's column `instr` says n/a. The worker of one driver runs
under valgrind against the embedded server and does each workload with two numbers of operations; the difference is
divided, so that what is done once cancels out. Other work on the machine does not change the figures. A client under
valgrind is slow: the server's answers are always there, so a read may bring more of them than in real life.

    python -m benchmarks.instructions --workloads select_int,pool_fetch_100 --loops uvloop
    python -m benchmarks.instructions DRIVER LOOP URI WORKLOAD [WORKLOAD ...]      the worker; under valgrind only
"""
from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.__main__ import names_of
from benchmarks.callgrind import MARK, NoCallgrind, per_operation, run_counted
from benchmarks.crew import Seat
from benchmarks.drivers import BASELINE, open_driver
from benchmarks.figures import format_figure
from benchmarks.machine import machine_facts
from benchmarks.server import start_routes
from benchmarks.worker import ALL_RUNS, LOOPS
from benchmarks.workloads import MAIN, SCRAM, TCP, WORKLOADS, create_schema

OURS = "asyncpg_core"
SECONDS = 120.0
# Two numbers of operations each; their difference is a hundred million instructions and more, for asyncpg.
SIZES = {
    **dict.fromkeys(("select_int", "row_by_key", "select_int_tcp", "transaction_3", "connections_10", "pool_fetch_10",
                     "pool_fetch_100", "acquire_query_10", "gather_100"), (200, 1000)),
    **dict.fromkeys(("rows_to_records", "copy_out"), (5_000, 25_000)),
    **dict.fromkeys(("executemany", "copy_in"), (3_000, 12_000)),
    "connect_pool": (5, 20),
    **dict.fromkeys(("tb_pg_type", "tb_series", "tb_bytea", "tb_arrays"), (10, 40)),
    **dict.fromkeys(("tb_copy", "tb_batch"), (10, 20)),
    "tb_one_plus_one": (200, 1000),
}
N_WIDE_ROWS = 25_000


@dataclass(frozen=True, slots=True)
class Counted:
    """One workload on one loop: user instructions per operation of both drivers."""

    workload: str
    loop: str
    baseline: float
    ours: float

    @property
    def ratio(self) -> float:
        return self.baseline / self.ours


async def run_workloads(driver_name: str, uri: str, names: Sequence[str]) -> None:
    """Do each workload with few operations and with many, each between two marks."""
    mark = getattr(os, MARK)
    driver = open_driver(driver_name, uri)
    for name in names:
        async with ALL_RUNS[WORKLOADS[name].run_name](driver) as run:
            for n_ops in SIZES[name]:
                for is_counted in (False, True):      # a first time: what is made once is made
                    await run.before(n_ops)
                    gc.collect()
                    if is_counted:
                        mark()
                    await run.measured(n_ops)
                    if is_counted:
                        mark()
                    await run.after(n_ops)


def count_workloads(driver: str, loop: str, routes: dict[str, str], names: Sequence[str]) -> dict[str, float]:
    """Return user instructions per operation of each workload; NoCallgrind if that cannot be told here."""
    found: dict[str, float] = {}
    for route in (MAIN, TCP, SCRAM):
        here = [name for name in names if WORKLOADS[name].route == route]
        if here:
            counted = run_counted("benchmarks.instructions", driver, loop, routes[route], *here)
            found |= dict(zip(here, per_operation(counted, [SIZES[name] for name in here]), strict=True))
    return found


def table(lines: Sequence[Counted]) -> str:
    rows = [("user instructions per operation", "loop", BASELINE, OURS, "ratio")]
    rows += [(WORKLOADS[one.workload].title, one.loop, format_figure(one.baseline), format_figure(one.ours),
              f"{one.ratio:.2f}") for one in lines]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), *[
        cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]]) for row in rows)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", type=names_of(list(SIZES)), default=list(SIZES),
                        help="comma-separated, of: " + ", ".join(SIZES))
    parser.add_argument("--loops", type=names_of(list(LOOPS)), default=list(LOOPS))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    chosen = parse_arguments(arguments)
    lines = []
    with ExitStack() as stack:
        routes, stop = start_routes("unix")
        stack.callback(stop)
        maker = Seat(BASELINE, "asyncio", routes[MAIN], SECONDS)
        stack.callback(maker.end)
        maker.ask(do="script", statements=create_schema(N_WIDE_ROWS))
        for loop in chosen.loops:
            try:
                theirs, ours = (count_workloads(driver, loop, routes, chosen.workloads) for driver in (BASELINE, OURS))
            except NoCallgrind as exc:
                print(f"instructions are not counted: {exc}")
                return 1
            lines += [Counted(name, loop, theirs[name], ours[name]) for name in chosen.workloads]
    print(table(lines))
    if chosen.json is not None:
        report = {"facts": machine_facts(), "counted": [
            {"workload": one.workload, "loop": one.loop, BASELINE: round(one.baseline), OURS: round(one.ours)}
            for one in lines]}
        chosen.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    if sys.argv[2:3] and sys.argv[2] in LOOPS:
        loop, _version = LOOPS[sys.argv[2]]()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run_workloads(sys.argv[1], sys.argv[3], sys.argv[4:]))
    else:
        sys.exit(main(sys.argv[1:]))
