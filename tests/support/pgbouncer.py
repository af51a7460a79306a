"""A PgBouncer in transaction mode in front of the embedded server, for the tests about poolers.

The program is the first of: `$ASYNCPG_CORE_PGBOUNCER`; `pgbouncer` on PATH or in /usr/sbin; Debian's package. With
`newer=True` it is `$ASYNCPG_CORE_PGBOUNCER_NEWER` or the package of the Debian release after bookworm: from 1.21 on it
can follow named statements. Without a program the tests skip by name.
"""
import os
import re
import subprocess
from pathlib import Path

from tests.support.apt_packages import Program, find_program
from tests.support.behind import Daemon
from tests.support.cluster import Cluster
from tests.support.postgres_binaries import Unavailable

NEWER_SUITE = "trixie"
CONFIG = """
[databases]
* = host=127.0.0.1 port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 100
server_idle_timeout = 60
{more}
"""


def find_pgbouncer(*, newer: bool = False) -> Program:
    """The program; raises Unavailable with the reason if there is none."""
    chosen = os.environ.get("ASYNCPG_CORE_PGBOUNCER_NEWER" if newer else "ASYNCPG_CORE_PGBOUNCER")
    if chosen:
        return Program(Path(chosen))
    return find_program("pgbouncer", "usr/sbin/pgbouncer", suite=NEWER_SUITE if newer else None)


class PgBouncer(Daemon):
    """One pooler of `pool_size` server connections for the user `user`; `port` is where it listens on loopback.

    It does not follow named statements unless `max_prepared_statements` says so.
    """

    def __init__(self, cluster: Cluster, user: str, *, pool_size: int = 3, newer: bool = False,
                 max_prepared_statements: int = 0) -> None:
        super().__init__("pgbouncer", find_pgbouncer(newer=newer))
        follows = self.version() >= (1, 21)
        if max_prepared_statements and not follows:
            raise Unavailable(f"pgbouncer {self.version()} cannot follow named statements")
        config = self.directory / "pgbouncer.ini"
        config.write_text(CONFIG.format(
            server_port=cluster.port, port=self.port, user=user, pool_size=pool_size,
            more=f"max_prepared_statements = {max_prepared_statements}" if follows else ""))
        self.start(str(config))

    def version(self) -> tuple[int, int]:
        said = subprocess.run([*self.command, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=10, **self.options()).stdout  # type: ignore[call-overload]
        found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
        if found is None:
            raise Unavailable(f"{self.command[-1]} --version says {said!r}")
        return int(found[1]), int(found[2])
