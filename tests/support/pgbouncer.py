"""A PgBouncer in transaction mode in front of the embedded server, for the tests about poolers.

The program is the first of: `$ASYNCPG_CORE_PGBOUNCER`; `pgbouncer` on PATH or in /usr/sbin; Debian's package, which
apt-get downloads into the cache, where nothing is installed. Without one the tests skip by name.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.cluster import Cluster, free_port, unprivileged_account
from tests.support.postgres_binaries import Unavailable, cache_dir, publish, run

START_SECONDS = 10.0
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


def find_pgbouncer() -> Path:
    """The program; raises Unavailable with the reason if there is none."""
    chosen = os.environ.get("ASYNCPG_CORE_PGBOUNCER")
    if chosen:
        return Path(chosen)
    installed = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    return Path(installed) if installed else from_apt()


def from_apt() -> Path:
    """Debian's package and the libraries that are missing here, unpacked into the cache."""
    tree = cache_dir() / "pgbouncer-apt"
    if not tree.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise Unavailable("neither installed nor is there an apt-get")
        wanted = subprocess.run(["apt-get", "--simulate", "install", "pgbouncer"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
        packages = re.findall(r"^Inst (\S+)", wanted, re.MULTILINE)
        if "pgbouncer" not in packages:
            raise Unavailable("apt-get does not know the package")
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
            run(["apt-get", "download", *packages], cwd=scratch)
            for archive in Path(scratch).glob("*.deb"):
                run(["dpkg", "-x", str(archive), f"{scratch}/tree"])
            publish(Path(scratch) / "tree", tree)
    return tree / "usr" / "sbin" / "pgbouncer"


class PgBouncer:
    """One pooler of `pool_size` server connections for the user `user`; `port` is where it listens on loopback."""

    def __init__(self, cluster: Cluster, user: str, *, pool_size: int = 3) -> None:
        # A copy, because a program in root's home cannot be started by nobody.
        self.directory = Path(tempfile.mkdtemp(prefix="pgb", dir="/tmp"))
        self.directory.chmod(0o755)
        self.port = free_port()
        self.program = self.place(find_pgbouncer())
        # From 1.21 on it can follow named statements; what is tested is a pooler that cannot.
        more = "max_prepared_statements = 0" if self.version() >= (1, 21) else ""
        config = self.directory / "pgbouncer.ini"
        config.write_text(CONFIG.format(server_port=cluster.port, port=self.port, user=user, pool_size=pool_size,
                                        more=more))
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen([str(self.program), str(config)], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, **self.options())
        self.wait_until_it_listens()

    def __enter__(self) -> "PgBouncer":
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    def place(self, found: Path) -> Path:
        program = self.directory / "pgbouncer"
        shutil.copy(found, program)
        libraries = found.parent.parent / "lib"
        if found.is_relative_to(cache_dir()) and libraries.is_dir():
            shutil.copytree(libraries, self.directory / "lib", symlinks=True)
        return program

    def options(self) -> dict[str, object]:
        paths = [str(path) for path in (self.directory / "lib").glob("*-linux-*")]
        return {"cwd": self.directory, "env": {"LD_LIBRARY_PATH": os.pathsep.join(paths), "PATH": os.defpath},
                **unprivileged_account()}

    def version(self) -> tuple[int, int]:
        said = subprocess.run([str(self.program), "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=10, **self.options()).stdout  # type: ignore[call-overload]
        found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
        if found is None:
            raise Unavailable(f"{self.program} --version says {said!r}")
        return int(found[1]), int(found[2])

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "log").read_text(errors="replace")
                    self.__exit__()
                    raise RuntimeError(f"pgbouncer does not start:\n{log[-2000:]}") from None
                time.sleep(0.01)
