"""The server under all drivers: the embedded one of the tests, started for the run and stopped after it."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import quote

LOOPBACK = "127.0.0.1"


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
