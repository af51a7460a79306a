"""The server under all drivers: the embedded one of the tests, started for the run and stopped after it.

It is reached by several ways at once, the routes: `main` is the one that the command line chose; `tcp`, `tls`, `scram`
(TCP with a password) and `far` (TCP through a relay that keeps everything for half a round trip) are always there.
"""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import quote

from benchmarks.machine import ROOT
from benchmarks.workloads import FAR, MAIN, SCRAM, TCP, TLS

LOOPBACK = "127.0.0.1"
FAR_MS = 10.0


def start_server(tcp: bool) -> tuple[str, int, str, str, Callable[[], None]]:
    """Start a server; return host (a directory means its Unix socket), port, user, database, and what stops it."""
    # Imported where it is used: a run against --dsn needs no embedded server.
    from tests.support.cluster import Cluster

    with ExitStack() as stack:
        # Or a scan that begins while another one is under way starts in the middle of the table.
        cluster = stack.enter_context(Cluster({"synchronize_seqscans": "off"}))
        host = LOOPBACK if tcp else str(cluster.socket_dir)
        return host, int(cluster.port), "postgres", "postgres", stack.pop_all().close


def server_uri(host: str, port: int, user: str, database: str) -> str:
    """Return the URI that every driver takes; the host goes into the query, where a directory may stand too."""
    return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(host, safe='')}&port={port}"


def start_relay(port: int, round_trip_ms: float) -> tuple[int, Callable[[], None]]:
    """Start a relay to the port that adds so much to a round trip; return its own port and what stops it."""
    relay = subprocess.Popen([sys.executable, "-m", "benchmarks.relay", str(port), str(round_trip_ms)], cwd=ROOT,
                             stdout=subprocess.PIPE)

    def stop() -> None:
        relay.kill()
        relay.wait()
        relay.stdout.close()  # type: ignore[union-attr]
    line = relay.stdout.readline()  # type: ignore[union-attr]
    if not line:
        stop()
        raise RuntimeError("the relay did not start")
    return int(line), stop


def start_routes(chosen: str, round_trip_ms: float = 0.0) -> tuple[dict[str, str], Callable[[], None]]:
    """Start a server; return the URIs of all routes and what stops it. `chosen` is the transport of the main one."""
    from tests.support.cluster import SCRAM_USER, TRUST_USER, Cluster

    with ExitStack() as stack:
        # Or a scan that begins while another one is under way starts in the middle of the table.
        cluster = stack.enter_context(Cluster({"synchronize_seqscans": "off"}))
        far_port, stop = start_relay(cluster.port, round_trip_ms or FAR_MS)
        stack.callback(stop)
        far = f"postgresql://{TRUST_USER}@{LOOPBACK}:{far_port}/postgres?sslmode=disable"
        routes = {
            "unix": server_uri(str(cluster.socket_dir), cluster.port, "postgres", "postgres"),
            TCP: cluster.dsn(TRUST_USER, tls=False), SCRAM: cluster.dsn(SCRAM_USER, tls=False), FAR: far,
        }
        if cluster.certificates is not None:
            routes[TLS] = cluster.dsn(TRUST_USER, tls="require")
        # Who makes the tables is the superuser, who comes by the socket alone.
        routes[MAIN] = routes[FAR if round_trip_ms else chosen]
        return routes, stack.pop_all().close
