"""The bars of the page, as SVG, and the picture, as PNG; drawn by matplotlib, which nothing else here needs."""
from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import Line
from benchmarks.page import OURS, TIMES, WEIGHED, costs_of, lines_of
from benchmarks.workloads import TITLES

# Text stays text: it is small and can be searched, and the same figures give the same file.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "asyncpg_core", "font.family": "sans-serif",
                            "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
BETTER, WORSE, OTHER, BASE = "#2b7a4b", "#c0392b", "#9aa5b1", "#4a5568"


def colour(line: Line, ratio: float) -> str:
    if line.driver == line.baseline:
        return BASE
    return OTHER if line.driver != OURS else BETTER if ratio >= 1 else WORSE


def draw_bars(axes: Axes, lines: Sequence[Line], labels: Sequence[str], cost: str, *, by_powers: bool = False) -> None:
    """Draw one horizontal bar for each line that has the ratio, from top to bottom, with 1 marked.

    `by_powers` is for ratios of 1.2 beside ratios of 80: bars begin at 1, and twice as good is as far everywhere.
    """
    start = 1 if by_powers else 0
    for place, line in enumerate(lines):
        ratio = getattr(line, cost)
        if ratio is None:
            axes.text(0.02, place, "n/a", va="center", color=OTHER)
            continue
        spread = [[ratio.median - min(ratio.low, ratio.median)], [max(ratio.high, ratio.median) - ratio.median]]
        axes.barh(place, ratio.median - start, left=start, color=colour(line, ratio.median), height=0.72, xerr=spread,
                  error_kw={"elinewidth": 0.8, "ecolor": "#1a202c"})
        axes.text(max(ratio.high, ratio.median), place, f" {ratio.median:.2f}", va="center", fontsize=8)
    axes.axvline(1, color="#1a202c", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(lines)), labels)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.margins(x=0.18)
    if by_powers:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(left=0)


def chart(lines: Sequence[Line]) -> str:
    """Return the SVG of one workload: a bar per loop and driver in each cost that has been measured."""
    costs = costs_of(lines)
    if not costs:
        return ""
    figure = Figure(figsize=(9.5, 0.5 + 0.22 * len(lines)), layout="constrained")
    labels = [f"{line.driver}, {line.loop}" if line.loop != "none" else line.driver for line in lines]
    for axes, (cost, name) in zip(figure.subplots(1, len(costs), sharey=True, squeeze=False)[0], costs, strict=True):
        draw_bars(axes, lines, labels, cost)
        axes.set_title(f"{lines[0].baseline} / driver, {name}", fontsize=9)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    # What comes before is the declaration of a file of its own; identifiers are the page's, so each chart has its own.
    return unique_ids(svg[svg.index("<svg"):], lines[0].workload)


def unique_ids(svg: str, prefix: str) -> str:
    """Return an SVG whose identifiers begin with the prefix, as several share a page."""
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    return re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)


def write_png(report: dict[str, Any], path: Path) -> None:
    """Write the picture: asyncpg_core against the baseline in every workload, on the last loop that was measured."""
    lines = [line for line in lines_of(report) if line.driver == OURS and line.wall_ratio is not None
             and line.workload != WEIGHED]
    loop = lines[-1].loop if lines else ""
    lines = [line for line in lines if line.loop == loop]
    facts, costs = report["facts"], costs_of(lines) or [TIMES[0]]
    figure = Figure(figsize=(10, 1.2 + 0.26 * len(lines)), layout="constrained")
    labels = [TITLES.get(line.workload, line.workload) for line in lines]
    for axes, (cost, name) in zip(figure.subplots(1, len(costs), sharey=True, squeeze=False)[0], costs, strict=True):
        draw_bars(axes, lines, labels, cost, by_powers=True)
        axes.set_title(f"{name}: baseline / asyncpg_core", fontsize=9)
    figure.suptitle(f"asyncpg_core beside asyncpg, {loop}, Python {facts['python']}, {facts['cpu']}, {facts['cores']} "
                    f"cores; medians and quartiles of {report['settings']['rounds']} rounds", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})
