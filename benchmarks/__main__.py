"""`python -m benchmarks`: run the workloads on all drivers and both loops, print a table, write the rounds as JSON."""
from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.crew import Crew, Seat, WorkerLost
from benchmarks.drivers import BASELINE, DEFAULT_DRIVERS, DRIVERS, SMALL_DRIVERS
from benchmarks.figures import NO_LOOP, Failure, Line, Round, parts, summarize, table
from benchmarks.machine import machine_facts
from benchmarks.page import write_html
from benchmarks.server import start_routes
from benchmarks.worker import LOOPS
from benchmarks.workloads import (
    DROP_SCHEMA,
    MAIN,
    SMALL_WORKLOADS,
    TCP,
    TITLES,
    WORKLOADS,
    Workload,
    create_schema,
)

N_ROUNDS = 15
N_ROUNDS_QUICK = 6
# Two processes of the same code can differ by a factor of two for as long as they live (README.md says why), so no
# ratio rests on one pair of them.
N_PASSES = 5
N_PASSES_QUICK = 3
RESULTS = Path(__file__).resolve().parent / "results"


def names_of(known: Sequence[str]) -> argparse._ActionType:
    """Return a parser of comma-separated names that refuses an unknown one."""
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'}: choose from {', '.join(known)}")
        return names
    return parse


def at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {value}")
    return value


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--workloads", type=names_of(list(WORKLOADS)),
                        help="comma-separated, of: " + ", ".join(WORKLOADS))
    parser.add_argument("--drivers", type=names_of(list(DRIVERS)),
                        help="comma-separated, of: " + ", ".join(DRIVERS))
    parser.add_argument("--loops", type=names_of(list(LOOPS)), default=list(LOOPS), help="asyncio, uvloop or both")
    parser.add_argument("--rounds", type=at_least_one, help=f"default {N_ROUNDS}, with --quick {N_ROUNDS_QUICK}")
    parser.add_argument("--passes", type=at_least_one,
                        help=f"fresh processes for each share of the rounds; default {N_PASSES}, "
                             f"with --quick {N_PASSES_QUICK}")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: a look, not a result")
    parser.add_argument("--small", action="store_true",
                        help=f"{', '.join(SMALL_WORKLOADS)} with {', '.join(SMALL_DRIVERS)}")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--tcp", action="store_true", help="connect over loopback TCP (default: Unix socket)")
    where.add_argument("--tls", action="store_true", help="connect over loopback TCP with TLS")
    where.add_argument("--round-trip-ms", type=float, default=0.0, metavar="MS",
                       help="connect through a relay that makes the server so far away")
    where.add_argument(
        "--dsn", help=f"a running server's URI (its schema {create_schema(1)[1].split()[-1]} is replaced)")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a worker may take for one answer")
    parser.add_argument("--json", type=Path, help="where to write all rounds (default: a new file in results/)")
    parser.add_argument("--html", type=Path, help="where to write the page (default: beside the JSON)")
    chosen = parser.parse_args(arguments)
    chosen.rounds = chosen.rounds or (N_ROUNDS_QUICK if chosen.quick else N_ROUNDS)
    chosen.workloads = chosen.workloads or list(SMALL_WORKLOADS if chosen.small else WORKLOADS)
    chosen.drivers = chosen.drivers or list(SMALL_DRIVERS if chosen.small else DEFAULT_DRIVERS)
    chosen.transport = ("given" if chosen.dsn else "tcp" if chosen.tcp else "tls" if chosen.tls
                        else "far" if chosen.round_trip_ms else "unix")
    chosen.passes = chosen.passes or (N_PASSES_QUICK if chosen.quick else N_PASSES)
    return chosen


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ops_of(workload: Workload, quick: bool) -> int:
    return workload.n_ops_quick if quick else workload.n_ops


def measure(crew: Crew, chosen: argparse.Namespace) -> list[Round]:
    """Return all rounds of all chosen workloads, each pass in fresh workers, telling how far it is."""
    rounds: list[Round] = []
    passes = parts(chosen.rounds, chosen.passes)
    for number, numbers in enumerate(passes, 1):
        for name in chosen.workloads:
            workload = WORKLOADS[name]
            started = time.monotonic()
            rounds += crew.rounds_of(workload, ops_of(workload, chosen.quick), numbers)
            tell(f"pass {number} of {len(passes)}: {name}, {len(numbers)} rounds x {len(crew.seats)} workers, "
                 f"{time.monotonic() - started:.1f} s")
        crew.end()
    # By workload and loop, whatever the pass in which each first gave a figure.
    order = list(WORKLOADS)
    loops = [*chosen.loops, NO_LOOP]
    return sorted(rounds, key=lambda one: (order.index(one.workload), loops.index(one.loop),
                                           chosen.drivers.index(one.driver), one.number))


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    return [f"no figures: {one.driver} on {one.loop}, {one.workload or 'start'}: {one.reason}" for one in failures]


def absence_lines(absences: dict[tuple[str, str], str]) -> list[str]:
    """Return a line per driver with the workloads that it has not."""
    by_driver: dict[str, list[str]] = {}
    for workload, driver in absences:
        by_driver.setdefault(driver, []).append(workload)
    return [f"{driver} has no {', '.join(workloads)}" for driver, workloads in by_driver.items()]


def write_json(path: Path, report: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    tell(f"all rounds are in {path}")


def write_pages(report: dict[str, Any], path: Path) -> None:
    """Write the page and its picture; without matplotlib say so, the figures are there all the same."""
    try:
        from benchmarks.charts import chart, write_png
    except ImportError as exc:
        tell(f"no page: {exc}")
        return
    write_html(report, path, chart)
    write_png(report, path.with_suffix(".png"))
    tell(f"the page is {path}")


def seats_of(chosen: argparse.Namespace, routes: dict[str, str]) -> list[Seat]:
    """Return a seat for each driver on each loop; one for a driver that blocks, and by TCP where it knows no other."""
    main = routes[MAIN]
    others = {route: uri for route, uri in routes.items() if route not in (MAIN, "unix")}

    def seat(driver: str, loop: str) -> Seat:
        uri = routes.get(TCP, main) if DRIVERS[driver].tcp_only and chosen.transport == "unix" else main
        return Seat(driver, loop, uri, chosen.timeout, others)
    return [*(seat(driver, loop) for loop in chosen.loops for driver in chosen.drivers if not DRIVERS[driver].blocks),
            *(seat(driver, NO_LOOP) for driver in chosen.drivers if DRIVERS[driver].blocks)]


def prepare(crew: Crew, chosen: argparse.Namespace, routes: dict[str, str]) -> dict[str, Any]:
    """Make the tables and return what the server says of itself; by the socket's superuser where there is one."""
    able = [name for name in (BASELINE, "psycopg", "asyncpg_core") if name in DRIVERS]
    for name in able:
        maker = Crew([Seat(name, "asyncio", routes.get("unix", routes[MAIN]), chosen.timeout)], tell)
        try:
            told = maker.any_answer(do="server_version")
            maker.any_answer(do="script", statements=create_schema(
                ops_of(WORKLOADS["rows_to_records"], chosen.quick)))
            return told
        except WorkerLost:
            crew.failures += maker.failures
        finally:
            maker.end()
    raise WorkerLost("no driver could be started, or none could do the preparation")


def drop(chosen: argparse.Namespace, routes: dict[str, str]) -> None:
    """Drop the tables; if they cannot be dropped any more the figures are not thrown away for it."""
    cleaner = Crew([Seat("asyncpg_core", "asyncio", routes.get("unix", routes[MAIN]), chosen.timeout)], tell)
    with suppress(WorkerLost):
        cleaner.any_answer(do="script", statements=DROP_SCHEMA)
    cleaner.end()


def print_figures(report: dict[str, Any], lines: Sequence[Line], crew: Crew) -> None:
    facts = report["facts"]
    print(table(lines, TITLES, BASELINE))
    refusals = {str(seat.hello["no_instructions"]) for seat in crew.seats if seat.hello.get("no_instructions")}
    print(f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, PostgreSQL {facts['server_version']}, "
          f"{facts['transport']}, commit {facts['commit']}{', changed since' if facts['uncommitted_changes'] else ''}")
    for line in [*(f"instructions are not counted: {why}" for why in sorted(refusals)),
                 *failure_lines(crew.failures), *absence_lines(crew.absences)]:
        print(line)
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    chosen = parse_arguments(arguments)
    started = datetime.datetime.now(datetime.timezone.utc)
    facts = {**machine_facts(), "started": started.isoformat(timespec="seconds"), "transport": chosen.transport,
             "round_trip_ms": chosen.round_trip_ms or None}
    with ExitStack() as stack:
        routes = {MAIN: chosen.dsn}
        if chosen.dsn is None:
            routes, stop = start_routes(chosen.transport, chosen.round_trip_ms)
            stack.callback(stop)
        crew = Crew(seats_of(chosen, routes), tell)
        stack.callback(crew.end)
        try:
            facts.update(prepare(crew, chosen, routes))
        except WorkerLost as exc:
            tell(str(exc))
            return 1
        rounds = measure(crew, chosen)
        drop(chosen, routes)
        facts["workers"] = [{"driver": seat.driver, "loop": seat.loop, **seat.hello} for seat in crew.seats]
    lines = summarize(rounds, BASELINE, {name: workload.baseline for name, workload in WORKLOADS.items()})
    report: dict[str, Any] = {
        "facts": facts,
        "settings": {"rounds": chosen.rounds, "passes": chosen.passes, "quick": chosen.quick, "baseline": BASELINE},
        "summary": [asdict(line) for line in lines],
        "failures": [asdict(one) for one in crew.failures],
        "absences": [{"workload": workload, "driver": driver, "lacks": lacks}
                     for (workload, driver), lacks in crew.absences.items()],
        "rounds": [asdict(one) for one in rounds],
    }
    print_figures(report, lines, crew)
    path = chosen.json or RESULTS / f"{started:%Y%m%d-%H%M%S}.json"
    write_json(path, report)
    write_pages(report, chosen.html or path.with_suffix(".html"))
    return 0 if rounds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
