"""Install each requirement of a file by itself and go on without those that cannot be had, naming them.

    python tools/install_each.py tools/requirements-bench-each.txt

A comparison with ten drivers should not fail because one of them has no wheel for this Python. Nothing is compiled.
"""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def requirements(text: str) -> Iterator[str]:
    """Yield the requirements of a file's text, each a line; comments and empty lines are none."""
    for line in text.splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement:
            yield requirement


def install(requirement: str) -> str | None:
    """Install one requirement; return why not, None if it is there."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
         requirement], check=False, capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return None if done.returncode == 0 else (errors or [f"pip ended with {done.returncode}"])[-1]


def main(paths: Sequence[str]) -> int:
    for path in paths:
        for requirement in requirements(Path(path).read_text(encoding="utf-8")):
            why = install(requirement)
            if why is not None:
                print(f"left out: {requirement}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
