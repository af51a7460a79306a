"""What a Patroni cluster is made of, fetched into the cache: nothing is installed, no right of root is needed.

Patroni is Python's: its pinned packages lie in a directory of their own, run by an interpreter that the unprivileged
account of the tests can reach. etcd comes as Debian's package. PostgreSQL has to bring more programs than the tests'
server does, because Patroni copies, rewinds and questions data directories.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.apt_packages import Program, find_program
from tests.support.cluster import unprivileged_account
from tests.support.postgres_binaries import (
    Unavailable,
    cache_dir,
    from_environment,
    from_installed,
    from_pixeltable,
    publish,
    run,
)

REQUIREMENTS = Path(__file__).resolve().parent.parent.parent / "tools" / "requirements-patroni.txt"
NEEDED = ("initdb", "pg_ctl", "postgres", "pg_basebackup", "pg_controldata", "pg_isready", "pg_rewind")


def find_etcd() -> Program:
    """The store in which the members agree on their leader; raises Unavailable."""
    return find_program("etcd-server", "usr/bin/etcd")


def find_full_bin_dir() -> Path:
    """A directory with all of PostgreSQL's programs that Patroni starts; raises Unavailable with the reasons."""
    reasons = []
    for source in (from_environment, from_pixeltable, from_installed):
        try:
            found = source()
        except Unavailable as why:
            reasons.append(f"{source.__name__}: {why}")
            continue
        lacking = [name for name in NEEDED if not (found / name).exists()]
        if not lacking:
            return found
        reasons.append(f"{found} lacks {', '.join(lacking)}")
    raise Unavailable("; ".join(reasons))


def find_python() -> str:
    """An interpreter that the unprivileged account can run: root's own may lie where nobody else can look."""
    account = unprivileged_account()
    for path in (sys.executable, shutil.which("python3", path=os.defpath)):
        if path:
            try:
                ended = subprocess.run([path, "-S", "-c", "import ssl, json"], cwd="/", timeout=30, check=False,
                                       stderr=subprocess.DEVNULL, **account)  # type: ignore[call-overload]
            except OSError:
                continue
            if ended.returncode == 0:
                return path
    raise Unavailable("no Python that the unprivileged account can run")


def find_patroni(python: str) -> Path:
    """The directory with Patroni and what it imports, for this interpreter; raises Unavailable."""
    asked = subprocess.run([python, "-S", "-c", "import sys; print(sys.implementation.cache_tag)"],
                           stdout=subprocess.PIPE, text=True, timeout=30, check=True)
    # Other pins are another directory.
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    tree = cache_dir() / f"patroni-{pins}-{asked.stdout.strip()}"
    if not tree.exists():
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
            partial = Path(scratch) / "tree"
            run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
                 "--disable-pip-version-check", "--target", str(partial), "--requirement", str(REQUIREMENTS)])
            publish(partial, tree)
    return tree
