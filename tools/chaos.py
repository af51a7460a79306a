"""`make chaos`: the tests about poolers, failover and other faults in their long form, and what they have counted.

The tests are those marked `chaos`, which `make test` runs in quick forms. What they need of programs they fetch; what
cannot be had here is named. Exits 1 if a test has failed.

    python -m tools.chaos                   # all
    python -m tools.chaos -k poolers        # further arguments are pytest's
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def notes_of(path: Path) -> list[dict[str, object]]:
    """Return what the tests have noted, in their order."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shown(facts: dict[str, object]) -> str:
    """Return one line of what a test has counted."""
    rest = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "what")
    return f"{facts['what']}: {rest}"


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "notes"
        environment = {**os.environ, "ASYNCPG_CORE_CHAOS": "full", "ASYNCPG_CORE_CHAOS_NOTES": str(path)}
        started = time.monotonic()
        ended = subprocess.run([sys.executable, "-m", "pytest", "tests", "-m", "chaos", "-q", *arguments], cwd=ROOT,
                               env=environment, check=False).returncode
        notes = notes_of(path)
    for facts in notes:
        if facts["what"] != "missing":
            print(shown(facts))
    missing = {str(facts["kind"]): str(facts["why"]) for facts in notes if facts["what"] == "missing"}
    for kind, why in missing.items():
        print(f"missing here: {kind} ({why})")
    print(f"chaos: {'failed' if ended else 'passed'} in {time.monotonic() - started:.0f} s")
    return 1 if ended else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
