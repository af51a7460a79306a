"""`python -m benchmarks.page RESULTS.json`: the page and the picture of a run, from its JSON alone.

    python -m benchmarks.page results.json --html docs/benchmarks.html --png docs/benchmarks.png

The page is one HTML file with the charts inside as SVG; it asks nothing of the network. A bar is the median of the
per-round ratios to the baseline, its line the quartiles of the rounds; where we need more than the baseline the bar is
red, whatever workload it is. The picture has the same bars for asyncpg_core alone.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.figures import Line, Round, format_figure, format_spread, summarize
from benchmarks.workloads import TITLES, WORKLOADS

OURS = "asyncpg_core"
TIMES = (("wall_ratio", "wall time"), ("cpu_ratio", "client CPU"), ("instructions_ratio", "user instructions"))
MEMORY = (("memory_ratio", "bytes alive per row"),)
WEIGHED = "live_memory"      # allocations are traced while it runs, so its times are no drivers' times
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1a202c}
h2{margin:2.5rem 0 .3rem;font-size:1.1rem}table{border-collapse:collapse;font-size:13px;margin:.5rem 0}
td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid #e2e8f0;white-space:nowrap}
td:first-child,td:nth-child(2),th:first-child,th:nth-child(2){text-align:left}.lost{color:#c0392b;font-weight:600}
.ours td:nth-child(2){font-weight:600}svg{max-width:100%;height:auto}
dt{font-weight:600;float:left;clear:left;width:9rem}
dd{margin-left:9.5rem}.wide{overflow-x:auto}"""


def lines_of(report: dict[str, Any]) -> list[Line]:
    """Return the lines of a report, computed from its rounds: older ones have fewer figures in their summary."""
    rounds = [Round(**one) for one in report["rounds"]]
    return summarize(rounds, report["settings"]["baseline"],
                     {name: workload.baseline for name, workload in WORKLOADS.items()})


def by_workload(lines: Sequence[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.workload, []).append(line)
    return found


def costs_of(lines: Sequence[Line]) -> list[tuple[str, str]]:
    """Return what the lines of one workload are compared in: the costs that have been measured in any of them."""
    costs = MEMORY if lines and lines[0].workload == WEIGHED else TIMES
    return [(cost, name) for cost, name in costs if any(getattr(line, cost) is not None for line in lines)]


def figure_table(lines: Sequence[Line]) -> str:
    head = ("loop", "driver", "wall us", "CPU us", "instr", "p50 us", "p99 us", "bytes", "x wall", "x CPU", "x instr",
            "rounds")
    rows = []
    for line in lines:
        cells = [f"<td>{escape(text)}</td>" for text in (
            "" if line.loop == "none" else line.loop, line.driver,
            *("" if value is None else format_figure(value) for value in (
                line.wall_us, line.cpu_us, line.instructions, line.p50_us, line.p99_us, line.live_bytes)))]
        for cost, _ in TIMES:
            ratio = getattr(line, cost) if line.workload != WEIGHED else None
            lost = ' class="lost"' if ratio is not None and line.driver == OURS and ratio.median < 1 else ""
            cells.append(f"<td{lost}>{'' if ratio is None else escape(format_spread(ratio))}</td>")
        cells.append(f"<td>{line.n_rounds}</td>")
        rows.append(f"<tr{' class=ours' if line.driver == OURS else ''}>{''.join(cells)}</tr>")
    heads = "".join(f"<th>{name}</th>" for name in head)
    return f"<div class=wide><table><tr>{heads}</tr>{''.join(rows)}</table></div>"


def facts_of(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a figure is worth nothing without."""
    facts, settings = report["facts"], report["settings"]
    versions = {worker["driver"]: worker["version"] for worker in facts.get("workers", ()) if worker.get("version")}
    refused = {worker.get("no_instructions") for worker in facts.get("workers", ())} - {None}
    found = [
        ("machine", f"{facts['cpu']}, {facts['cores']} cores; {facts['platform']}; load before the run "
                    f"{', '.join(f'{one:.2f}' for one in facts.get('load_average') or ())}"),
        ("Python", f"{facts['python']}{' with PGO' if facts.get('python_pgo') else ' without PGO'}"
                   f"{'' if facts.get('gil', True) else ', free-threaded'}"),
        ("PostgreSQL", f"{facts.get('server_version')}, reached by {facts['transport']}"),
        ("drivers", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("commit", f"{facts.get('commit')}{', changed since' if facts.get('uncommitted_changes') else ''}"),
        ("run", f"{facts['started']}: {settings['rounds']} rounds in {settings['passes']} passes"
                f"{', short ones: a look, not a result' if settings.get('quick') else ''}")]
    return [*found, *(("instructions", f"not counted: {why}") for why in sorted(refused))]


def lost_lines(lines: Sequence[Line]) -> list[str]:
    """Return where we need more than the baseline, by the median, in words."""
    found = []
    for line in lines:
        for cost, name in costs_of([line]):
            ratio = getattr(line, cost)
            if line.driver == OURS and ratio is not None and ratio.median < 1:
                found.append(f"{TITLES.get(line.workload, line.workload)}, {line.loop}, {name}: {format_spread(ratio)}")
    return found


def listed(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def write_html(report: dict[str, Any], path: Path, chart: Callable[[Sequence[Line]], str]) -> None:
    """Write the page; `chart` gives the SVG of one workload's lines."""
    lines = lines_of(report)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts_of(report))
    failures = [f"{one['driver']} on {one['loop']}, {TITLES.get(one['workload'], one['workload'] or 'start')}: "
                f"{one['reason'][:200]}" for one in report.get("failures", ())]
    body = ["<h1>asyncpg_core beside other drivers</h1>", f"<dl>{facts}</dl>",
            "<p>A bar is what the baseline needs divided by what the driver needs, in the same round on the same loop: "
            "the median over the rounds, the line across its end their quartiles. Above 1 is better than the baseline. "
            "asyncpg_core is green, and red where it needs more. Trust instructions first, then CPU, then wall time: "
            "on a shared machine the wall time of the same code moves by a factor of two.</p>",
            "<h2>Where asyncpg_core needs more than the baseline</h2>",
            listed(lost_lines(lines) or ["nowhere in this run, by the medians"])]
    for workload, own in by_workload(lines).items():
        body += [f"<h2>{escape(TITLES.get(workload, workload))}</h2>", chart(own), figure_table(own)]
    if failures:
        body += ["<h2>No figures</h2>", listed(failures)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<!doctype html><html lang=en><meta charset=utf-8><title>asyncpg_core benchmarks</title>"
                    f"<style>{STYLE}</style>\n{chr(10).join(body)}\n</html>\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="what `python -m benchmarks --json` wrote")
    parser.add_argument("--html", type=Path, help="the page (default: beside the results)")
    parser.add_argument("--png", type=Path, help="the picture (default: beside the page)")
    chosen = parser.parse_args(arguments)
    report = json.loads(chosen.results.read_text(encoding="utf-8"))
    html = chosen.html or chosen.results.with_suffix(".html")
    png = chosen.png or html.with_suffix(".png")
    # Only here, so that what the page says can be had without what draws it.
    from benchmarks.charts import chart, write_png

    write_html(report, html, chart)
    write_png(report, png)
    print(f"{html}, {png}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
