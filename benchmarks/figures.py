"""From rounds to figures: medians, per-round ratios against the baseline, their quartiles, and the table. Pure.

A ratio compares two drivers on the same loop in the same round, so moments apart: most of what the neighbours of a
shared machine do to the one they do to the other. Above 1 the driver needs less than the baseline.
"""
from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
# What stands for the loop of a driver that blocks.
NO_LOOP = "none"


@dataclass(frozen=True, slots=True)
class Round:
    """One measured stretch of one driver on one loop."""

    workload: str
    loop: str
    driver: str
    number: int
    n_ops: int
    wall_seconds: float
    cpu_seconds: float
    instructions: int | None
    page_faults: int | None = None
    sleeps: int | None = None
    preemptions: int | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    live_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the first and third quartile around it."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """One driver on one loop in one workload: medians per operation, and ratios against the baseline."""

    workload: str
    loop: str
    driver: str
    n_rounds: int
    wall_us: float
    cpu_us: float
    instructions: float | None
    wall_ratio: Spread | None
    cpu_ratio: Spread | None
    instructions_ratio: Spread | None
    baseline: str = ""
    p50_us: float | None = None
    p99_us: float | None = None
    live_bytes: float | None = None
    memory_ratio: Spread | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A driver that gave no figures, and why; `workload` is None where it never started."""

    workload: str | None
    loop: str
    driver: str
    reason: str


Measure = Callable[[Round], float | None]


def wall_us(one: Round) -> float | None:
    return one.wall_seconds / one.n_ops * 1e6


def cpu_us(one: Round) -> float | None:
    return one.cpu_seconds / one.n_ops * 1e6


def instructions_per_op(one: Round) -> float | None:
    return None if one.instructions is None else one.instructions / one.n_ops


def p50_us(one: Round) -> float | None:
    return one.p50_us


def p99_us(one: Round) -> float | None:
    return one.p99_us


def live_bytes(one: Round) -> float | None:
    return one.live_bytes


def rotated(crew: Sequence[T], round_number: int) -> list[T]:
    """Return the order of one round: everybody starts once, and every second round goes backwards.

    Rotation alone would give each worker the same predecessor in every round.
    """
    at = round_number % len(crew) if crew else 0
    order = [*crew[at:], *crew[:at]]
    return order[::-1] if round_number % 2 else order


def parts(n_rounds: int, n_passes: int) -> list[range]:
    """Return the round numbers of each pass: all rounds once, in order, as evenly as it goes, no pass empty."""
    n_passes = min(n_rounds, n_passes)
    edges = [n_rounds * n // n_passes for n in range(n_passes + 1)]
    return [range(first, last) for first, last in itertools.pairwise(edges)]


def spread(values: Sequence[float]) -> Spread | None:
    """Return median and quartiles, None of no values; a single value is its own quartiles."""
    if not values:
        return None
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def median(rounds: Iterable[Round], measure: Measure) -> float | None:
    """Return the median of a figure over the rounds that have it."""
    values = [value for value in map(measure, rounds) if value is not None]
    return statistics.median(values) if values else None


def ratios(baseline: Iterable[Round], driver: Iterable[Round], measure: Measure) -> list[float]:
    """Return baseline / driver for each round number both have a figure in; more than 1 favours the driver."""
    of_baseline = {one.number: measure(one) for one in baseline}
    found = []
    for one in driver:
        ours, theirs = measure(one), of_baseline.get(one.number)
        if ours and theirs:
            found.append(theirs / ours)
    return found


def base_rounds(group: dict[tuple[str, str], list[Round]], baseline: str, loop: str) -> list[Round]:
    """Return the rounds of the baseline on this loop; if it or the other one is on none, those of its last loop."""
    own = group.get((loop, baseline))
    if own is not None:
        return own
    others = [(other, rounds) for (other, driver), rounds in group.items() if driver == baseline]
    # On asyncio against uvloop says nothing: the loops would be compared.
    fitting = [rounds for other, rounds in others if NO_LOOP in (loop, other)]
    return fitting[-1] if fitting else []


def summarize(rounds: Iterable[Round], baseline: str, others: Mapping[str, str] | None = None) -> list[Line]:
    """Return one line per workload, loop and driver, in the order in which they first appear.

    `others` names the baseline of workloads that have another one.
    """
    groups: dict[str, dict[tuple[str, str], list[Round]]] = {}
    for one in rounds:
        groups.setdefault(one.workload, {}).setdefault((one.loop, one.driver), []).append(one)
    lines = []
    for workload, group in groups.items():
        name = (others or {}).get(workload, baseline)
        for (loop, driver), own in group.items():
            base = base_rounds(group, name, loop)
            lines.append(Line(
                workload, loop, driver, len(own), median(own, wall_us) or 0.0, median(own, cpu_us) or 0.0,
                median(own, instructions_per_op), spread(ratios(base, own, wall_us)),
                spread(ratios(base, own, cpu_us)), spread(ratios(base, own, instructions_per_op)), name,
                median(own, p50_us), median(own, p99_us), median(own, live_bytes),
                spread(ratios(base, own, live_bytes))))
    return lines


def format_figure(value: float | None) -> str:
    """Return a figure with about three digits, thousands as k; n/a for none."""
    if value is None:
        return "n/a"
    if value >= 10_000:
        return f"{value / 1000:.1f}k" if value < 100_000 else f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def format_spread(ratio: Spread | None) -> str:
    return "n/a" if ratio is None else f"{ratio.median:.2f} [{ratio.low:.2f}-{ratio.high:.2f}]"


HEAD = ("loop", "driver", "wall us", "cpu us", "instr", "p50 us", "p99 us", "bytes", "x wall", "x cpu", "x instr",
        "rounds")


def table(lines: Sequence[Line], titles: dict[str, str], baseline: str) -> str:
    """Return the table for a terminal: a block per workload, a row per loop and driver, ratios against the baseline."""
    rows: list[tuple[str, ...] | str] = []
    for line in lines:
        if not rows or titles[line.workload] not in rows:
            rows.append(titles[line.workload])
        is_baseline = line.driver == (line.baseline or baseline)
        rows.append((
            line.loop, line.driver, format_figure(line.wall_us), format_figure(line.cpu_us),
            *("-" if figure is None else format_figure(figure)
              for figure in (line.instructions, line.p50_us, line.p99_us, line.live_bytes)),
            *("1" if is_baseline else format_spread(ratio) for ratio in (
                line.wall_ratio, line.cpu_ratio, line.instructions_ratio)), str(line.n_rounds)))
    cells = [HEAD, *[row for row in rows if not isinstance(row, str)]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]

    def aligned(row: tuple[str, ...]) -> str:
        named, figures = row[:2], row[2:]
        return "  ".join(["", *[text.ljust(width) for text, width in zip(named, widths[:2], strict=True)],
                          *[text.rjust(width) for text, width in zip(figures, widths[2:], strict=True)]])

    note = (f"per operation, medians; bytes: alive per row; x = {baseline} (or the driver that says 1) / driver in the "
            "same round: median [quartiles]; above 1 is better")
    return "\n".join([note, aligned(HEAD), *[row if isinstance(row, str) else aligned(row) for row in rows]])
