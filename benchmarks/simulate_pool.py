"""How long callers wait for a pool's connections: `PoolState` against a virtual clock, beside FIFO's ideal.

    python -m benchmarks.simulate_pool                                      # a short run
    python -m benchmarks.simulate_pool --requests 1000000 --connections 1000 --network wan

There is no server and no loop: requests arrive, are served by whatever connection the decisions name, and take what the
distribution says. The ideal knows no connecting, no lifetimes and no time-outs: of the same arrivals, each for the same
time, the next is served by the connection that is free first. Who gives up after `--patience` seconds is counted, and
the ideal does not serve him either.
"""
from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asyncpg_core.pool_state import Member, PoolState

# Seconds there and back, as (median, how far the logarithm spreads): lognormal, since networks have a long tail.
NETWORKS = {"local": (0.0002, 0.3), "lan": (0.0006, 0.4), "region": (0.002, 0.5), "wan": (0.08, 0.3),
            "storm": (0.02, 1.5)}
# A connection is made in so many round trips, and the server forks a process.
TRIPS_TO_CONNECT, FORK_SECONDS = 4, 0.003
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """One simulation. `load` is the part of all connections that are busy on average, `query` the server's seconds."""

    n_requests: int = 20_000
    n_connections: int = 50
    network: str = "lan"
    query: float = 0.004
    load: float = 0.9
    burst: int = 20
    patience: float = math.inf
    max_lifetime: float = 0.0
    loss: float = 0.0
    is_cold: bool = False       # the connections are opened when they are needed
    seed: int = 1


@dataclass(slots=True)
class Report:
    """What came of it: seconds waited by each who was served, in his order, and what the ideal has for the same."""

    waits: list[float] = field(default_factory=list)
    ideal: list[float] = field(default_factory=list)
    n_gave_up: int = 0
    n_opened: int = 0
    n_replaced: int = 0
    n_lost: int = 0
    n_out_of_order: int = 0
    largest: int = 0


class Connection(Member):
    """A member of the pool that is simulated."""


@dataclass(slots=True)
class Request:
    number: int
    asked_at: float
    seconds: float
    served_at: float = -1.0


class Simulation:
    """A heap of events in virtual time; what happens at each is what `lending` and `pool_upkeep` do."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.random = random.Random(settings.seed)
        self.state = PoolState(0, settings.n_connections, 0.0, max_lifetime=settings.max_lifetime)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self.order = itertools.count()
        self.report = Report()
        self.requests: list[Request] = []
        self.last_served = -1
        if not settings.is_cold:
            for _ in range(settings.n_connections):
                self.state.may_connect()
                self.connected()

    def at(self, seconds: float, act: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.order), act, arguments))

    def trip(self) -> float:
        median, spread = NETWORKS[self.settings.network]
        return median * math.exp(self.random.gauss(0.0, spread))

    def run(self) -> Report:
        """Serve all requests; return who waited how long."""
        arrivals = self.arrivals()
        self.at(0.0, self.arrive, arrivals)
        while self.events:
            self.now, _, act, arguments = heapq.heappop(self.events)
            act(*arguments)
        served = [request for request in self.requests if request.served_at >= 0]
        self.report.waits = [request.served_at - request.asked_at for request in served]
        self.report.ideal = ideal_waits(served, self.settings.n_connections)
        return self.report

    def arrivals(self) -> deque[tuple[float, int]]:
        """Return (seconds after the one before, how many at once): bursts of a geometric size, Poisson in time."""
        settings = self.settings
        median, spread = NETWORKS[settings.network]
        mean_seconds = settings.query + median * math.exp(spread * spread / 2)
        rate = settings.load * settings.n_connections / mean_seconds
        found: deque[tuple[float, int]] = deque()
        left = settings.n_requests
        while left:
            size = min(left, self.random.randint(1, 2 * settings.burst - 1))
            found.append((self.random.expovariate(rate / settings.burst), size))
            left -= size
        return found

    # What happens

    def arrive(self, arrivals: deque[tuple[float, int]]) -> None:
        _, size = arrivals.popleft()
        for _ in range(size):
            seconds = self.trip() + self.random.expovariate(1 / self.settings.query)
            request = Request(len(self.requests), self.now, seconds)
            self.requests.append(request)
            member = self.state.take_idle()
            if member is not None:
                self.serve(request, member)
                continue
            self.state.waiters.append(request)
            self.fill()
            if self.settings.patience < math.inf:
                self.at(self.settings.patience, self.give_up, request)
        if arrivals:
            self.at(arrivals[0][0], self.arrive, arrivals)

    def serve(self, request: Request, member: Member) -> None:
        request.served_at = self.now
        self.report.n_out_of_order += request.number < self.last_served
        self.last_served = max(self.last_served, request.number)
        self.at(request.seconds, self.release, member)

    def release(self, member: Member) -> None:
        if self.random.random() < self.settings.loss:
            self.report.n_lost += 1
            self.forget(member)
        elif self.state.is_to_leave(member, self.now):
            self.report.n_replaced += 1
            self.state.retire(member)
            self.at(self.trip(), self.forget, member)
        else:
            self.placed(self.state.give_back(member, self.now), member)

    def placed(self, waiter: object, member: Member) -> None:
        if isinstance(waiter, Request):
            self.serve(waiter, member)

    def forget(self, member: Member) -> None:
        self.state.forget(member)
        self.fill()

    def fill(self) -> None:
        for _ in range(self.state.shortage()):
            if not self.state.may_connect():
                break
            self.at(FORK_SECONDS + sum(self.trip() for _ in range(TRIPS_TO_CONNECT)), self.connected)
        self.report.largest = max(self.report.largest, self.state.size)

    def connected(self) -> None:
        self.report.n_opened += 1
        member = Connection()
        self.state.start_life(member, self.now, self.random.random())
        self.placed(self.state.connected(member, self.now), member)

    def give_up(self, request: Request) -> None:
        if request.served_at < 0 and self.state.drop_waiter(request):
            self.report.n_gave_up += 1


def ideal_waits(served: Sequence[Request], n_connections: int) -> list[float]:
    """Return what each of the requests would wait if the first connection that is free took the next one."""
    free_at = [0.0] * n_connections
    waits = []
    for request in served:
        begins = max(heapq.heappop(free_at), request.asked_at)
        waits.append(begins - request.asked_at)
        heapq.heappush(free_at, begins + request.seconds)
    return waits


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the sorted `values` do not exceed."""
    return values[max(math.ceil(len(values) * percent / 100) - 1, 0)] if values else 0.0


def table(report: Report) -> str:
    """Return the percentiles of both as lines of text, in milliseconds."""
    ours, ideal = sorted(report.waits), sorted(report.ideal)
    lines = [f"{'wait, ms':>10} {'pool':>12} {'ideal':>12}"]
    for percent in PERCENTILES:
        name = "longest" if percent == 100 else f"p{percent:g}"
        lines.append(f"{name:>10} {percentile(ours, percent) * 1e3:12.3f} {percentile(ideal, percent) * 1e3:12.3f}")
    mean = [sum(values) / max(len(values), 1) * 1e3 for values in (ours, ideal)]
    lines.append(f"{'mean':>10} {mean[0]:12.3f} {mean[1]:12.3f}")
    lines.append(f"served {len(ours):,}, gave up {report.n_gave_up:,}, out of order {report.n_out_of_order:,}; "
                 f"connections: at most {report.largest:,}, opened {report.n_opened:,}, "
                 f"aged {report.n_replaced:,}, lost {report.n_lost:,}")
    return "\n".join(lines)


def settings_of(arguments: Sequence[str]) -> Settings:
    plain = Settings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate_pool", description=__doc__.splitlines()[0]
                                     if __doc__ else None)
    parser.add_argument("--requests", type=int, default=plain.n_requests)
    parser.add_argument("--connections", type=int, default=plain.n_connections)
    parser.add_argument("--network", choices=NETWORKS, default=plain.network)
    parser.add_argument("--query", type=float, default=plain.query, help="mean seconds of a query on the server")
    parser.add_argument("--load", type=float, default=plain.load, help="busy part of the connections; 1 is saturation")
    parser.add_argument("--burst", type=int, default=plain.burst, help="requests that come together, on average")
    parser.add_argument("--patience", type=float, default=plain.patience, help="seconds until a caller gives up")
    parser.add_argument("--max-lifetime", type=float, default=plain.max_lifetime, help="seconds, 0 without bound")
    parser.add_argument("--loss", type=float, default=plain.loss, help="part of the queries whose connection dies")
    parser.add_argument("--cold", action="store_true", help="begin without connections")
    parser.add_argument("--seed", type=int, default=plain.seed)
    given = parser.parse_args(arguments)
    return Settings(given.requests, given.connections, given.network, given.query, given.load, given.burst,
                    given.patience, given.max_lifetime, given.loss, given.cold, given.seed)


def main(arguments: Sequence[str] | None = None) -> int:
    settings = settings_of(sys.argv[1:] if arguments is None else arguments)
    print(settings)
    begun = time.perf_counter()
    report = Simulation(settings).run()
    print(table(report))
    print(f"simulated in {time.perf_counter() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
