"""Three Patroni members over one etcd, all on loopback: who leads is theirs to decide, the tests only ask and break.

    with Patroni() as patroni:
        patroni.leader()                    # the member that Patroni calls the leader
        patroni.post("switchover", {"leader": patroni.leader().name})
        patroni.wait_healthy()

Commits wait for a standby that Patroni picks (`synchronous_mode`). Every process is ended by its id, by a process that
outlives this one: a test run that is killed leaves nothing behind.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from tests.support.behind import Daemon
from tests.support.cluster import SUPERUSER, TRUST_USER, free_port, reachable, unprivileged_account
from tests.support.patroni_programs import find_etcd, find_full_bin_dir, find_patroni, find_python
from tests.support.plain_client import PlainError, run_sql

# The least that Patroni takes: a leader that says nothing is followed after `ttl`.
TIMES: dict[str, object] = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}
START_SECONDS = 60.0
NAMES = ("one", "two", "three")
# Ends what is left when its input ends, which it does when this process is gone: the members first, because they start
# their servers again, then the servers, which lead sessions of their own.
REAPER = """
import os, pathlib, shutil, signal, sys, time
groups = [int(line) for line in sys.stdin]
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
pids = []
for path in pathlib.Path(sys.argv[1]).glob("*/data/postmaster.pid"):
    try:
        pids.append(int(path.read_text().split()[0]))
        os.kill(pids[-1], signal.SIGQUIT)
    except (ProcessLookupError, ValueError, IndexError, OSError):
        pass
deadline = time.monotonic() + 10
for pid in pids:
    try:
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
    except ProcessLookupError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


class Member:
    """One of the three: a Patroni process and the server that it looks after; `user` may come in by TCP."""

    user = TRUST_USER

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.port, self.rest_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def sql(self, text: str) -> list[tuple[str | None, ...]]:
        """Run statements as the superuser, past the driver under test."""
        return run_sql(self.directory / "s" / f".s.PGSQL.{self.port}", text)

    def is_primary(self) -> bool:
        """Whether it takes writes at this moment."""
        try:
            return self.sql("select pg_is_in_recovery()") == [("f",)]
        except (OSError, PlainError):
            return False

    def started_at(self) -> str | None:
        """When its server began, None while it does not answer: what tells one life of a server from the next."""
        try:
            return self.sql("select pg_postmaster_start_time()")[0][0]
        except (OSError, PlainError):
            return None

    def kill_server(self) -> None:
        """Kill the server's main process as an out-of-memory killer would."""
        os.kill(int((self.directory / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def kill_patroni(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def configuration(self, etcd_port: int, bin_dir: Path) -> dict[str, object]:
        place = f"127.0.0.1:{self.port}"
        rest = f"127.0.0.1:{self.rest_port}"
        # With full pages: a member whose server died is rewound.
        parameters = {"max_connections": 100, "fsync": "off", "wal_log_hints": "on",
                      "wal_retrieve_retry_interval": "100ms"}
        dcs = {**TIMES, "synchronous_mode": True, "postgresql": {"use_pg_rewind": True, "parameters": parameters}}
        return {
            "scope": "trio", "name": self.name, "etcd3": {"host": f"127.0.0.1:{etcd_port}"},
            "restapi": {"listen": rest, "connect_address": rest},
            "bootstrap": {
                "dcs": dcs,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "no-sync"],
            },
            "postgresql": {
                "listen": place, "connect_address": place, "bin_dir": str(bin_dir),
                "data_dir": str(self.directory / "data"), "pgpass": str(self.directory / "pgpass"),
                "basebackup": [{"checkpoint": "fast"}],
                "authentication": {who: {"username": SUPERUSER} for who in ("superuser", "replication", "rewind")},
                "parameters": {"unix_socket_directories": str(self.directory / "s")},
                "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust",
                           "host replication all 127.0.0.1/32 trust"],
            },
        }


class Patroni:
    """`members` in the order in which they were named; raises Unavailable if a program cannot be had."""

    def __init__(self) -> None:
        bin_dir, python, etcd = find_full_bin_dir(), find_python(), find_etcd()
        packages = find_patroni(python)
        self.stack = contextlib.ExitStack()
        self.account = unprivileged_account()
        # Short and not under $TMPDIR: a unix socket's path has at most 103 bytes on macOS, 107 on Linux.
        self.directory = Path(tempfile.mkdtemp(prefix="patroni", dir="/tmp"))
        self.directory.chmod(0o755)
        self.reaper = subprocess.Popen([sys.executable, "-ISc", REAPER, str(self.directory)], stdin=subprocess.PIPE,
                                       text=True, cwd="/", start_new_session=True)
        self.stack.callback(self.reap)
        try:
            self.bin_dir = reachable(bin_dir, self.directory)
            self.packages = Path(shutil.copytree(packages, self.directory / "packages"))
            self.python = python
            self.etcd = Daemon("etcd", etcd)
            self.stack.callback(self.etcd.stop)
            self.members = [Member(name, self.directory / name) for name in NAMES]
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self) -> "Patroni":
        try:
            self.start_etcd()
            for member in self.members:
                self.start(member)
            self.wait_healthy()
            self.leader().sql(f"create role {TRUST_USER} login")
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    # --- its processes ---

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd.port}", f"http://127.0.0.1:{free_port()}"
        self.etcd.start("--name", "etcd", "--data-dir", str(self.etcd.directory / "data"),
                        "--listen-client-urls", client, "--advertise-client-urls", client,
                        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                        "--initial-cluster", f"etcd={peer}", "--log-level", "warn")
        assert self.etcd.process is not None
        self.tell_reaper(self.etcd.process)

    def start(self, member: Member) -> None:
        """Start a member's Patroni; it starts the server when it sees fit."""
        directory = member.directory
        if not directory.exists():
            (directory / "s").mkdir(parents=True)
            (directory / "patroni.yml").write_text(json.dumps(member.configuration(self.etcd.port, self.bin_dir)))
            for path in (directory, directory / "s"):
                if self.account:
                    os.chown(path, self.account["user"], self.account["group"])     # type: ignore[arg-type]
        with open(directory / "log", "ab") as log:
            member.process = subprocess.Popen(
                [self.python, "-S", "-m", "patroni", str(directory / "patroni.yml")], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, cwd=directory,
                env={"PYTHONPATH": str(self.packages), "PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC",
                     "PYTHONDONTWRITEBYTECODE": "1"},
                **self.account)  # type: ignore[call-overload]
        self.tell_reaper(member.process)

    def tell_reaper(self, process: subprocess.Popen[bytes]) -> None:
        assert self.reaper.stdin is not None
        self.reaper.stdin.write(f"{process.pid}\n")
        self.reaper.stdin.flush()

    def reap(self) -> None:
        """End everything and delete it."""
        self.reaper.communicate()
        for member in getattr(self, "members", []):
            if member.process is not None:
                member.process.wait(10)

    # --- what it says of itself ---

    def dsn(self, members: Iterable[Member] = (), **query: str) -> str:
        """A URI with these members as hosts, or all of them."""
        places = ",".join(f"127.0.0.1:{member.port}" for member in members or self.members)
        return f"postgresql://{TRUST_USER}@{places}/postgres?" + "&".join(f"{k}={v}" for k, v in query.items())

    def leader(self) -> Member:
        found = [row["name"] for row in self.rows() if row["role"] == "leader"]
        return next(member for member in self.members if member.name in found)

    def rows(self) -> list[dict[str, object]]:
        """The members as Patroni sees them, asked of the first that answers; none if nobody does."""
        for member in self.members:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{member.rest_port}/cluster", timeout=2) as answer:
                    return json.load(answer)["members"]     # type: ignore[no-any-return]
            except (OSError, ValueError):
                continue
        return []

    def post(self, member: Member, action: str, body: dict[str, object]) -> str:
        """Ask a member's REST API to do something, and return what it says when it is done."""
        request = urllib.request.Request(f"http://127.0.0.1:{member.rest_port}/{action}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{action}: {error.code} {error.read().decode()}") from None

    def wait_healthy(self) -> None:
        """Return when one leads and two stream, one of which commits wait for."""
        deadline = time.monotonic() + START_SECONDS
        while sorted(self.states()) != ["leader running", "replica streaming", "sync_standby streaming"]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not healthy: {self.rows()}\n" + "\n".join(
                    (member.directory / "log").read_text(errors="replace")[-2000:] for member in self.members))
            time.sleep(0.1)

    def states(self) -> list[str]:
        return [f"{row['role']} {row['state']}" for row in self.rows()]
