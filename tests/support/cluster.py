"""The embedded PostgreSQL that demo, tests and benchmarks share.

`Cluster()` makes a data directory, starts a server on a private unix socket and on a free port of 127.0.0.1, and stops
it by its process id: at `stop()`, at the end of the interpreter and, through a small watcher process, also when this
process is killed. Run as root it drops to the user nobody, because no PostgreSQL runs as root. Where the programs come
from is said in `postgres_binaries.py`. Linux and macOS only.

    with Cluster() as cluster:
        connection = await asyncpg_core.connect(cluster.dsn())

`python -m tests.support.cluster` starts one and prints its DSNs until Ctrl-C.
"""
import atexit
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlencode

from tests.support.certificates import CLIENT_NAME, Certificates, make_certificates
from tests.support.features import probe_features
from tests.support.plain_client import PlainError, run_sql
from tests.support.postgres_binaries import find_bin_dir

SUPERUSER = "postgres"
TRUST_USER = "trust_user"
MD5_USER = "md5_user"
SCRAM_USER = "scram_user"
CLEARTEXT_USER = "cleartext_user"
TLS_ONLY_USER = "tls_only_user"
NO_TLS_USER = "no_tls_user"
CERT_USER = CLIENT_NAME
PASSWORD = "p@ss:word/ 1"  # what a URI must quote, so that nobody forgets to

# user -> (type of connection, method) of its line in pg_hba.conf; the superuser comes in by the unix socket only.
HBA = {
    TRUST_USER: ("host", "trust"),
    MD5_USER: ("host", "md5"),
    SCRAM_USER: ("host", "scram-sha-256"),
    CLEARTEXT_USER: ("host", "password"),
    TLS_ONLY_USER: ("hostssl", "trust"),
    NO_TLS_USER: ("hostnossl", "trust"),
    CERT_USER: ("hostssl", "cert"),
}
WITH_PASSWORD = frozenset({MD5_USER, SCRAM_USER, CLEARTEXT_USER})
START_SECONDS = 30.0
# Told to stop the server and to remove its directory when the process that started it is gone: reads until the end of
# its input, which comes when the last copy of the pipe's other end is closed; a line says that nothing is left to do.
WATCHER = """
import os, shutil, signal, sys, time
pid = None
for line in sys.stdin:
    if line == "done\\n":
        sys.exit()
    pid = int(line)
if pid:
    try:
        os.kill(pid, signal.SIGINT)
        for _ in range(100):
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGQUIT)
    except ProcessLookupError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


class Cluster:
    """One server with its data directory, usable again after `stop()` until `remove()`.

    `settings` are added to postgresql.conf. After `start()`: `socket_dir`, `port`, `certificates` (None without TLS),
    `version` as (major, minor), `features` as in `features.py`, `log_path`.
    """

    def __init__(self, settings: dict[str, str] | None = None, bin_dir: Path | None = None) -> None:
        self.settings = dict(settings or {})
        self.bin_dir = bin_dir
        self.process: subprocess.Popen[bytes] | None = None
        self.watcher: subprocess.Popen[str] | None = None
        self.work_dir: Path | None = None
        self.certificates: Certificates | None = None
        self.port = 0
        self.account = unprivileged_account()
        self.probed: frozenset[str] | None = None

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.remove()

    # --- life ---

    def start(self) -> "Cluster":
        """Make the cluster if it is new, start its server and return when it answers."""
        if self.process is not None:
            raise RuntimeError(f"the cluster is already running as process {self.process.pid}")
        atexit.register(self.remove)
        try:
            if self.work_dir is None:
                self.create()
                self.launch()
                self.create_roles()
            else:
                self.launch()
        except BaseException:
            self.remove()
            raise
        return self

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server, by its process id, and wait for its end; the data stays."""
        if self.process is None:
            return
        process, self.process = self.process, None
        first = signal.SIGQUIT if immediate else signal.SIGINT
        for sig, seconds in ((first, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if process.poll() is None:
                process.send_signal(sig)
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                continue
        raise RuntimeError(f"process {process.pid} does not end")

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start on the same port: what a client sees of a short outage."""
        self.stop(immediate=immediate)
        self.start()

    def kill9(self) -> None:
        """Kill the main process as an out-of-memory killer would; its backends notice and end by themselves."""
        assert self.process is not None
        process, self.process = self.process, None
        process.kill()
        process.wait(10)

    def remove(self) -> None:
        """Stop the server and delete everything it had."""
        atexit.unregister(self.remove)
        try:
            self.stop()
        finally:
            if self.watcher is not None:
                watcher, self.watcher = self.watcher, None
                watcher.communicate("done\n")
            if self.work_dir is not None:
                shutil.rmtree(self.work_dir, ignore_errors=True)
                self.work_dir = None

    def pg_ctl(self, *args: str) -> str:
        """Run `pg_ctl ARGS -D data` as the server's user and return what it prints: `cluster.pg_ctl("reload")`."""
        return self.run_program("pg_ctl", *args, "-D", str(self.data_dir))

    def sql(self, text: str, *, database: str = "postgres", user: str = SUPERUSER) -> list[tuple[str | None, ...]]:
        """Run statements without the driver under test; values come as the server's text."""
        return run_sql(self.socket_path, text, user=user, database=database)

    # --- where it is ---

    @property
    def root_dir(self) -> Path:
        if self.work_dir is None:
            raise RuntimeError("the cluster has not been started")
        return self.work_dir

    @property
    def data_dir(self) -> Path:
        return self.root_dir / "data"

    @property
    def socket_dir(self) -> Path:
        return self.root_dir / "s"

    @property
    def socket_path(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{self.port}"

    @property
    def log_path(self) -> Path:
        return self.root_dir / "log"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def dsn(self, user: str = SUPERUSER, database: str = "postgres", *, tls: bool | str | None = None,
            tcp: bool | None = None) -> str:
        """A URI for `user`, over the unix socket for the superuser and over TCP for the others unless `tcp` says.

        `tls` is an sslmode; True means verify-full with this cluster's authority, False means disable, None says
        nothing.
        """
        query: dict[str, str] = {}
        if tcp is None:
            tcp = user != SUPERUSER or tls not in (None, False)
        secret = ":" + quote(PASSWORD, safe="") if user in WITH_PASSWORD else ""
        if tcp:
            host = f"127.0.0.1:{self.port}"
        else:
            host = ""
            query |= {"host": str(self.socket_dir), "port": str(self.port)}
        if tls is not None:
            query["sslmode"] = tls if isinstance(tls, str) else ("verify-full" if tls else "disable")
        if self.certificates is not None and query.get("sslmode", "").startswith("verify"):
            query["sslrootcert"] = str(self.certificates.authority)
        if self.certificates is not None and user == CERT_USER:
            query |= {"sslcert": str(self.certificates.client), "sslkey": str(self.certificates.client_key)}
        suffix = "?" + urlencode(query, quote_via=quote, safe="/") if query else ""
        return f"postgresql://{quote(user, safe='')}{secret}@{host}/{quote(database, safe='')}{suffix}"

    @property
    def version(self) -> tuple[int, int]:
        number = int(self.sql("SHOW server_version_num")[0][0] or 0)
        return divmod(number, 10000)

    @property
    def features(self) -> frozenset[str]:
        """What this server can do, asked once."""
        if self.probed is None:
            self.probed = probe_features(self.sql, tls=self.certificates is not None)
        return self.probed

    # --- making it ---

    def create(self) -> None:
        bin_dir = self.bin_dir or find_bin_dir()
        # Short and not under $TMPDIR: a unix socket's path has at most 103 bytes on macOS, 107 on Linux.
        self.work_dir = Path(tempfile.mkdtemp(prefix="apgc-", dir="/tmp" if os.path.isdir("/tmp") else None))
        self.watcher = subprocess.Popen([sys.executable, "-ISc", WATCHER, str(self.work_dir)], stdin=subprocess.PIPE,
                                        text=True, cwd="/", start_new_session=True)
        self.bin_dir = reachable(bin_dir, self.root_dir)
        self.socket_dir.mkdir(mode=0o700)
        self.give_to_server(self.root_dir, self.socket_dir)
        self.run_program("initdb", "-D", str(self.data_dir), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
                         "--no-locale", "--no-sync")
        self.port = free_port()
        self.make_tls()
        self.write_configuration()

    def make_tls(self) -> None:
        directory = self.root_dir / "tls"
        directory.mkdir()
        certificates = make_certificates(directory)
        if certificates is None:
            return
        self.give_to_server(directory, certificates.server, certificates.server_key, certificates.authority)
        # A server built without TLS refuses the setting itself.
        command = [*self.prefix(), self.program("postgres"), "-C", "ssl", "-c", "ssl=on", "-D", self.data_dir]
        asked = subprocess.run(command, capture_output=True, **self.child_options())
        if asked.returncode == 0:
            self.certificates = certificates

    def write_configuration(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.socket_dir),
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200",
            "timezone": "UTC", "log_timezone": "UTC", "log_min_messages": "warning", "cluster_name": "asyncpg_core",
            "max_prepared_transactions": "10",
        }
        hba = ["local all all trust"]
        for user, (kind, method) in HBA.items():
            if self.certificates is not None or kind == "host":
                hba.append(f"{kind} all {user} 127.0.0.1/32 {method}")
        if self.certificates is not None:
            settings |= {"ssl": "on", "ssl_cert_file": str(self.certificates.server),
                         "ssl_key_file": str(self.certificates.server_key),
                         "ssl_ca_file": str(self.certificates.authority)}
        settings |= self.settings
        with open(self.data_dir / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (self.data_dir / "pg_hba.conf").write_text("\n".join(hba) + "\n")

    def create_roles(self) -> None:
        statements = []
        for user in HBA:
            encryption = "md5" if user == MD5_USER else "scram-sha-256"
            password = f" PASSWORD '{PASSWORD}'" if user in WITH_PASSWORD else ""
            statements.append(f"SET password_encryption = '{encryption}'; CREATE ROLE {user} LOGIN{password};"
                              f" GRANT CREATE ON SCHEMA public TO {user}; GRANT CREATE ON DATABASE postgres TO {user};")
        self.sql("".join(statements))

    # --- running it ---

    def launch(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen([*self.prefix(), self.program("postgres"), "-D", self.data_dir],
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                start_new_session=True, **self.child_options())
            if self.watcher is not None and self.watcher.stdin is not None:
                self.watcher.stdin.write(f"{self.process.pid}\n")
                self.watcher.stdin.flush()
            if self.answers(deadline):
                return
            # Its end before it answered: a port taken meanwhile, or the backends of a killed server still ending.
            self.process = None
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not start:\n" + self.log_path.read_text(errors="replace")[-3000:])
            time.sleep(0.1)

    def answers(self, deadline: float) -> bool:
        """Whether the server accepts connections; False if it ended. Raises TimeoutError at the deadline."""
        assert self.process is not None
        while self.process.poll() is None:
            try:
                self.sql("SELECT 1")
                return True
            except (OSError, PlainError):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the server did not answer in {START_SECONDS} s") from None
                time.sleep(0.01)
        return False

    def program(self, name: str) -> str:
        assert self.bin_dir is not None
        return str(self.bin_dir / name)

    def run_program(self, name: str, *args: str) -> str:
        done = subprocess.run([*self.prefix(), self.program(name), *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **self.child_options())
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def prefix(self) -> list[str]:
        """What makes a user without a name in the passwd file (containers have them) acceptable to initdb."""
        if self.account or has_name(os.geteuid()) or not shutil.which("unshare"):
            return []
        return ["unshare", "--user", "--map-user=65534", "--map-group=65534"]

    def child_options(self) -> dict[str, object]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return {"cwd": self.root_dir, "env": environ | {"LC_ALL": "C", "TZ": "UTC"}, **self.account}

    def give_to_server(self, *paths: Path) -> None:
        if self.account:
            for path in paths:
                os.chown(path, self.account["user"], self.account["group"])


def unprivileged_account() -> dict[str, object]:
    """The subprocess options that drop root's rights, empty for everybody else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def reachable(bin_dir: Path, directory: Path) -> Path:
    """`bin_dir`, or a copy of its installation in `directory` where the server's user cannot enter one above it."""
    if not unprivileged_account() or all(part.stat().st_mode & stat.S_IXOTH for part in bin_dir.resolve().parents):
        return bin_dir
    # The whole tree beside its sibling *.libs: the programs of a Python wheel find their libraries there (RPATH).
    package = bin_dir.parent.parent
    copy = directory / "install" / package.name
    shutil.copytree(package, copy, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
    (directory / "install").chmod(0o755)
    return copy / bin_dir.parent.name / bin_dir.name


def has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def main() -> None:
    started = time.monotonic()
    with Cluster() as cluster:
        print(f"PostgreSQL {'.'.join(map(str, cluster.version))} from {cluster.bin_dir}, process {cluster.pid},"
              f" ready in {time.monotonic() - started:.1f} s; features: {' '.join(sorted(cluster.features))}")
        print(f"superuser by socket   {cluster.dsn()}")
        for user in HBA:
            print(f"{user:<20}  {cluster.dsn(user)}")
        print("Ctrl-C stops it", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
