"""A Kerberos realm of our own: a KDC on a free port of 127.0.0.1, one user with a ticket, and a service's keytab.

Made with MIT Kerberos's programs where they are installed (Debian: krb5-kdc, krb5-admin-server, krb5-user); everything
is below one directory, nothing of the machine's own configuration is read.

    with Realm() as realm:
        realm.add("postgres/localhost", keytab=True)
        ...     # in an environment with realm.environ
"""
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.cluster import free_port

NAME = "REALM.TEST"
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
START_SECONDS = 10.0
KRB5_CONF = """
[libdefaults]
    default_realm = {name}
    dns_canonicalize_hostname = false
    dns_lookup_kdc = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {name} = {{
        kdc = 127.0.0.1:{port}
    }}
[dbmodules]
    {plugins}
"""
KDC_CONF = """
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {name} = {{
        database_name = {directory}/principal
        key_stash_file = {directory}/stash
        acl_file = {directory}/acl
        max_life = 1h
    }}
[logging]
    kdc = FILE:{directory}/kdc.log
    default = FILE:{directory}/default.log
"""


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


class Realm:
    """The realm inside `with`; `environ` is what client and server need to know of it, `keytab` the service's file."""

    def __enter__(self) -> "Realm":
        self.directory = Path(tempfile.mkdtemp(prefix="apgc-realm-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.keytab = self.directory / "keytab"
        self.tickets = self.directory / "tickets"
        self.environ = {"KRB5_CONFIG": str(self.directory / "krb5.conf"), "KRB5CCNAME": f"FILE:{self.tickets}",
                        "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
                        "KRB5RCACHENAME": "none:"}
        self.kdc: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self.port = free_port()
        values = {"name": NAME, "port": self.port, "directory": self.directory, "plugins": self.plugins()}
        (self.directory / "krb5.conf").write_text(KRB5_CONF.format(**values))
        (self.directory / "kdc.conf").write_text(KDC_CONF.format(**values))
        self.run("kdb5_util", "create", "-s", "-r", NAME, "-P", "of the database")
        self.kdc = subprocess.Popen([self.program("krb5kdc"), "-n", "-r", NAME], env=self.whole_environ(),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.kdc is not None:
            self.kdc.terminate()
            self.kdc.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    def add(self, principal: str, *, keytab: bool = False, password: str | None = None) -> None:
        """Make a principal, with a password or with a random key that goes into the keytab."""
        key = "-randkey" if password is None else f"-pw {password}"
        self.run("kadmin.local", "-r", NAME, "-q", f"addprinc {key} {principal}")
        if keytab:
            self.run("kadmin.local", "-r", NAME, "-q", f"ktadd -k {self.keytab} {principal}")

    def log_in(self, principal: str, password: str) -> None:
        """Get the user's ticket; waits for the KDC to answer."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.run("kinit", principal, given=f"{password}\n")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def run(self, name: str, *arguments: str, given: str = "") -> str:
        done = subprocess.run([self.program(name), *arguments], input=given, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=self.whole_environ())
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def program(self, name: str) -> str:
        found = shutil.which(name, path=PATH)
        assert found is not None
        return found

    def plugins(self) -> str:
        """The line that leads to the database's plugin, where the programs are not in their usual place."""
        root = Path(self.program("krb5kdc")).parent.parent
        found = sorted(root.glob("lib/**/krb5/plugins/kdb")) if root != Path("/usr") else []
        return f"db_module_dir = {found[0]}" if found else ""

    def whole_environ(self) -> dict[str, str]:
        return os.environ | self.environ
