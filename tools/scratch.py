"""A copy of the working tree to build and break things in, for `make coverage` and `make mutants`."""
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = {".git", ".venv", ".cache", "build", "dist", "wheelhouse", "__pycache__", ".hypothesis", ".mypy_cache",
              ".ruff_cache", ".pytest_cache"}


def cache_dir(name: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(base) / "asyncpg-core" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def source_files() -> list[Path]:
    """What git knows or would add, relative to the root; every file where there is no git."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if listed.returncode == 0 and listed.stdout:
        paths = [Path(line) for line in listed.stdout.splitlines()]
    else:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")
                 if not NOT_COPIED.intersection(path.relative_to(ROOT).parts)
                 and path.suffix not in (".so", ".pyd", ".o")]
    return sorted(path for path in paths if (ROOT / path).is_file())


def fresh_copy(target: Path) -> Path:
    """An exact copy of the sources, with their times, and nothing that was built."""
    shutil.rmtree(target, ignore_errors=True)
    for path in source_files():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)
    return target


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the paths that would let the copy import from here."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
