"""`python -m benchmarks.goals RESULTS.json ..`: asyncpg_core's goals beside what was measured, as a table in Markdown.

    python -m benchmarks.goals results/py311.json results/py313.json --instructions counted.json > table.md

A column of wall time and one of CPU time for each file of results, one of instructions for each Python; of several
files of one Python (of `benchmarks.instructions`) a later one's figures stand. A cell has asyncio first, then uvloop:
ratios to the baseline, above 1 is better. Memory and the toolbench's means stand below the table.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.drivers import BASELINE
from benchmarks.figures import Line, format_figure
from benchmarks.page import OURS, WEIGHED, lines_of
from benchmarks.workloads import TITLES, TOOLBENCH, WORKLOADS

NOTHING = "–"
# Where it works without objects and without a loop it is about what the machine allows.
LIMIT = "c"
ONE_QUERY = "1.2, 4 instr"
GOALS = {
    **dict.fromkeys(("select_int", "row_by_key", "select_int_tcp", "row_by_key_tcp"), ONE_QUERY),
    "connections_10": "1.25, 4 instr",
    "pool_fetch_10": "3.3, 12 instr",
    "pool_fetch_100": "12, 14 instr, half of C",
    "acquire_query_10": "2, 6 instr",
    "gather_100": "5.5, 4 instr",
    "rows_to_records": "11 (5 on 3.13), 1.4k instr, 85 % of C",
    "rows_to_arrow": "1.8 (ADBC), 2.5 CPU, 60 bytes + text",
    "executemany": "1.05, 6 CPU",
    "copy_in": "1.2, 3 CPU",
    "copy_in_arrow": "1 (ADBC), 8 CPU",
    "copy_out": "0.97, 1.5 CPU",
    "connect_pool": "1.3, 5 CPU",
    "first_user_type": "6",
    **dict.fromkeys(TOOLBENCH, "1, mean 1.5, 2 instr"),
}

Report = dict[str, Any]


def cell_of(lines: Sequence[Line], measure: str, driver: str = OURS) -> str:
    """Return the medians of one driver's ratios, a loop each; a dash where it was not compared."""
    found = [getattr(line, measure) for line in lines if line.driver == driver]
    return " / ".join(f"{ratio.median:.2f}" for ratio in found if ratio is not None) or NOTHING


def counted_by_version(counts: Sequence[Report]) -> dict[str, list[dict[str, Any]]]:
    """Return what was counted on each Python; of the same workload and loop the last."""
    found: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for report in counts:
        own = found.setdefault(version_of(report), {})
        own |= {(one["workload"], one["loop"]): one for one in report["counted"]}
    return {version: list(own.values()) for version, own in found.items()}


def counted_cell(counted: Sequence[dict[str, Any]], workload: str) -> str:
    """Return the ratios of user instructions, a loop each, and in brackets ours."""
    own = [one for one in counted if one["workload"] == workload]
    if not own:
        return NOTHING
    ratios = " / ".join(f"{one[BASELINE] / one[OURS]:.1f}" for one in own)
    return f"{ratios} ({' / '.join(format_figure(one[OURS]) for one in own)})"


def limit_cell(lines: Sequence[Line]) -> str:
    return ", ".join(cell for cell in (cell_of(lines, "wall_ratio", LIMIT), cell_of(lines, "cpu_ratio", LIMIT))
                     if cell != NOTHING) or NOTHING


def version_of(report: Report) -> str:
    return ".".join(report["facts"]["python"].split(".")[:2])


def table(results: Sequence[Report], counts: Sequence[Report]) -> str:
    """Return the Markdown of all workloads in which we are compared, in the order of workloads.py."""
    runs = [(version_of(report), lines_of(report)) for report in results]
    counted = counted_by_version(counts)
    heads = ["workload", "goal: wall, cost", *(f"{version} wall" for version, _ in runs),
             *(f"{version} CPU" for version, _ in runs), *(f"instructions, {version}" for version in counted),
             "C client: wall, CPU"]
    rows = [heads, ["---"] * len(heads)]
    for name in WORKLOADS:
        own = [[line for line in lines if line.workload == name] for _, lines in runs]
        cells = [*(cell_of(lines, "wall_ratio") for lines in own), *(cell_of(lines, "cpu_ratio") for lines in own),
                 *(counted_cell(own_counts, name) for own_counts in counted.values())]
        if name != WEIGHED and set(cells) != {NOTHING}:
            rows.append([TITLES[name], GOALS.get(name, NOTHING), *cells, limit_cell(own[0])])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def means(report: Report) -> str:
    """Return the geometric means of the toolbench's wall ratios, a loop each."""
    ratios: dict[str, list[float]] = {}
    for line in lines_of(report):
        if line.workload in TOOLBENCH and line.driver == OURS and line.wall_ratio is not None:
            ratios.setdefault(line.loop, []).append(line.wall_ratio.median)
    return " / ".join(f"{statistics.geometric_mean(own):.2f}" for own in ratios.values()) or NOTHING


def memory(report: Report) -> str:
    """Return the bytes alive per row of each driver, of the medians; on uvloop where a driver has been on both."""
    found = {line.driver: line.live_bytes for line in lines_of(report) if line.live_bytes is not None}
    return ", ".join(f"{driver} {size:.0f}" for driver, size in found.items()) or NOTHING


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goals", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="what `python -m benchmarks --json` wrote")
    parser.add_argument("--instructions", type=Path, nargs="*", default=(),
                        help="what `python -m benchmarks.instructions --json` wrote")
    chosen = parser.parse_args(arguments)
    results, counts = ([json.loads(path.read_text(encoding="utf-8")) for path in paths]
                       for paths in (chosen.results, chosen.instructions))
    print(table(results, counts))
    for report in results:
        print(f"\n{version_of(report)}: toolbench, geometric mean of wall ratios {means(report)}; "
              f"bytes alive per row: {memory(report)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
