"""The seeds that have failed once."""
from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("seeds.txt")


def kept_seeds() -> list[tuple[str, int, str]]:
    """Return (target, seed, what it was)."""
    found = []
    for line in PATH.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, seed, what = line.split(maxsplit=2)
            found.append((name, int(seed), what))
    return found
