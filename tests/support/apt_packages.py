"""Programs out of Debian's packages, unpacked into the cache: nothing is installed, no right of root is needed.

From the machine's own release the package and what is missing of its dependencies is unpacked. From another release
(`suite`) all libraries are, and the program is started by that release's own dynamic loader; apt-get works in a root of
its own for that, with the machine's mirror. A `Program` is placed in a directory that everybody may read, because the
unprivileged account of the tests cannot look into root's home.
"""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres_binaries import Unavailable, cache_dir, publish, run

SECONDS = 120
# What a program is linked with, not what an administrator wants beside it.
DEPENDS = ("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
           "--no-replaces", "--no-enhances")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"
CONFIGURATION = """
Dir::State "{0}/state";
Dir::State::status "{0}/status";
Dir::Cache "{0}/cache";
Dir::Etc "{0}/etc";
Dir::Etc::sourcelist "{0}/etc/sources.list";
Dir::Etc::sourceparts "{0}/etc/sources.list.d";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


@dataclass(frozen=True)
class Program:
    """A program and the libraries that come with it; `tree` is None for one that is installed."""

    path: Path
    tree: Path | None = None

    def place(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        """Copy it into `directory`; return the command that starts it there, and the variables that it needs."""
        copy = directory / self.path.name
        shutil.copy(self.path, copy)
        if self.tree is None:
            return [str(copy)], {}
        libraries = directory / "lib"
        shutil.copytree(self.tree / "usr" / "lib", libraries, symlinks=True)
        folders = [folder for folder in libraries.glob("*-linux-*") if folder.is_dir()]
        loaders = [loader for folder in folders for loader in folder.glob("ld-linux*.so*")]
        paths = os.pathsep.join(map(str, folders))
        if loaders:
            return [str(loaders[0]), "--library-path", paths, str(copy)], {}
        return [str(copy)], {"LD_LIBRARY_PATH": paths}


def find_program(package: str, path: str, *, suite: str | None = None) -> Program:
    """The program at `path` of a package; an installed one if `suite` does not matter. Raises Unavailable."""
    if suite is None:
        installed = shutil.which(Path(path).name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
        if installed:
            return Program(Path(installed))
    tree = cache_dir() / f"{package}-apt{'-' + suite if suite else ''}"
    if not tree.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise Unavailable(f"{package}: neither installed nor is there an apt-get")
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
            unpack(package, suite, Path(scratch))
            publish(Path(scratch) / "tree", tree)
    return Program(tree / path, tree)


def unpack(package: str, suite: str | None, scratch: Path) -> None:
    """Unpack a package and what it needs into `scratch`/tree."""
    with apt_root(suite, scratch) as environment:
        wanted = missing_packages(package) if suite is None else linked_packages(package, environment)
        run(["apt-get", "download", *wanted], cwd=str(scratch), env=environment)
    for archive in scratch.glob("*.deb"):
        run(["dpkg", "-x", str(archive), f"{scratch}/tree"])
    merged = scratch / "tree" / "lib"
    if merged.is_dir() and not merged.is_symlink():
        shutil.copytree(merged, scratch / "tree" / "usr" / "lib", symlinks=True, dirs_exist_ok=True)


@contextlib.contextmanager
def apt_root(suite: str | None, scratch: Path) -> Iterator[dict[str, str]]:
    """The variables with which apt-get speaks of a release."""
    if suite is None:
        yield dict(os.environ)
        return
    if not KEYRING.exists():
        raise Unavailable(f"no keyring of Debian's for {suite}")
    root = scratch / "apt"
    for name in ("state/lists/partial", "cache/archives/partial", "etc/sources.list.d", "etc/apt.conf.d",
                 "etc/preferences.d", "etc/trusted.gpg.d"):
        (root / name).mkdir(parents=True)
    (root / "status").touch()
    (root / "apt.conf").write_text(CONFIGURATION.format(root))
    (root / "etc" / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
    environment = {**os.environ, "APT_CONFIG": str(root / "apt.conf")}
    run(["apt-get", "update"], env=environment)
    yield environment


def missing_packages(package: str) -> list[str]:
    """What has to be unpacked beside what is installed."""
    said = subprocess.run(["apt-get", "--simulate", "--no-install-recommends", "install", package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=SECONDS).stdout
    found = re.findall(r"^Inst (\S+)", said, re.MULTILINE)
    if package not in found:
        raise Unavailable(f"{package}: apt-get does not know the package")
    return found


def linked_packages(package: str, environment: dict[str, str]) -> list[str]:
    """The package and all libraries that it is linked with, the C library included."""
    found: dict[str, None] = {}
    waiting = [package]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            said = subprocess.run([*DEPENDS, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                  timeout=SECONDS, env=environment).stdout
            waiting += [each for each in re.findall(r"^\s+\|?(?:Pre)?Depends: (\S+)", said, re.MULTILINE)
                        if each.startswith("lib")]
    return list(found)
