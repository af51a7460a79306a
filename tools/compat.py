"""`make compat`: asyncpg's own tests against this driver, under asyncpg's name.

    python -m tools.compat [--real] [--bin DIR] [--only EXPRESSION] [--write FILE]

asyncpg's source distribution comes from the package index into a cache and is never part of the project. Its tests run
in a process of their own; each that fails must stand in tests/compat/deviations.toml with its reason, and each that
stands there must fail: anything else fails this command. `--real` runs asyncpg itself for comparison, `--bin` names the
directory of a PostgreSQL's programs, `--write` keeps the outcomes as JSON.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.compat.private_names import private_names_of_tests
from tests.support.postgres_binaries import cache_dir, find_bin_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
DEVIATIONS = ROOT / "tests" / "compat" / "deviations.toml"
VERSION = "0.32.0"
SHA256 = "45e64e56714d888330b884aad1dfb363d0bf43fb343e3d1a8968525f3bade478"
# Programs that run as nobody where we are root, with their data directory made nobody's first.
WRAPPER = """#!/bin/sh
for argument in "$@"; do
    if [ -f "$argument/postgresql.conf" ] || {{ [ -d "$argument" ] && [ -z "$(ls -A "$argument")" ]; }}; then
        chown -R nobody "$argument"
    fi
done
cd /
exec setpriv --reuid="$(id -u nobody)" --regid="$(id -g nobody)" --clear-groups "{program}" "$@"
"""


def source_tree() -> Path:
    """Return where asyncpg's source distribution is unpacked, fetched the first time."""
    tree = cache_dir() / f"asyncpg-{VERSION}-source"
    if not tree.is_dir():
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent) as directory:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "asyncpg",
                            "--dest", directory, f"asyncpg=={VERSION}"], check=True)
            archive = Path(directory) / f"asyncpg-{VERSION}.tar.gz"
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if digest != SHA256:
                raise SystemExit(f"asyncpg-{VERSION}.tar.gz: SHA-256 {SHA256} was expected, got {digest}")
            with tarfile.open(archive) as tar:
                tar.extractall(directory, filter="data")
            (Path(directory) / f"asyncpg-{VERSION}").rename(tree)
    return tree


def usable_programs(bin_dir: Path, work: Path) -> Path:
    """Return a directory of server programs that the tests can call: `bin_dir` itself unless we are root."""
    if os.geteuid() != 0:
        return bin_dir
    if not all(part.stat().st_mode & stat.S_IXOTH for part in bin_dir.resolve().parents):
        shutil.copytree(bin_dir.parent, work / "install", symlinks=True)
        bin_dir = work / "install" / bin_dir.name
    wrappers = work / "bin"
    wrappers.mkdir()
    for program in bin_dir.iterdir():
        (wrappers / program.name).write_text(WRAPPER.format(program=program))
        (wrappers / program.name).chmod(0o755)
    return wrappers


def real_asyncpg() -> Path:
    """Return a directory with asyncpg itself."""
    target = cache_dir() / f"asyncpg-{VERSION}-{sys.implementation.cache_tag}"
    if not target.is_dir():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target),
                        f"asyncpg=={VERSION}"], check=True)
    return target


def run_tests(source: Path, driver: str, bin_dir: Path, only: str | None) -> dict[str, list[str]]:
    """Run asyncpg's tests and return {test: [outcome, reason]}."""
    with tempfile.TemporaryDirectory(prefix="compat-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        # test__sourcecode is about how asyncpg's own source is written.
        shutil.copytree(source / "tests", work / "asyncpg_tests", ignore=shutil.ignore_patterns("test__sourcecode.py"))
        report = work / "outcomes.json"
        (work / "pytest.ini").write_text("[pytest]\ntimeout = 120\n")
        path = [str(ROOT), *([str(real_asyncpg())] if driver == "asyncpg" else [])]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
            "PGINSTALLATION": str(usable_programs(bin_dir, work)), "PYTHONPATH": os.pathsep.join(path),
            "COMPAT_SOURCE": str(source), "COMPAT_DRIVER": driver, "COMPAT_OUTCOMES": str(report),
            "COMPAT_LAST": json.dumps([*expected_failures()])}
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-p", "tests.compat.plugin",
             "-p", "no:cacheprovider", "--tb=short", "--rootdir", directory, "-c", str(work / "pytest.ini"),
             str(work / "asyncpg_tests"), *(["-k", only] if only else [])],
            cwd=ROOT, env=environ, stdout=sys.stderr)
        if not report.exists():
            raise SystemExit("asyncpg's tests ended without a report")
        outcomes: dict[str, list[str]] = json.loads(report.read_text())
        return outcomes


def expected_failures() -> dict[str, str]:
    """Return {test: reason} of tests/compat/deviations.toml."""
    return {test: group["reason"] for group in groups_of_deviations() for test in group["tests"]}


def passing_by_chance() -> set[str]:
    """Return the tests of the file that pass or fail by the timing of the run."""
    return {test for group in groups_of_deviations() if group.get("by_chance") for test in group["tests"]}


def groups_of_deviations() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(DEVIATIONS.read_text(encoding="utf-8")).get("deviation", [])
    return found


def counts(outcomes: dict[str, list[str]]) -> str:
    count = Counter(outcome for outcome, _ in outcomes.values())
    return ", ".join(f"{count[kind]} {kind}" for kind in ("passed", "failed", "skipped"))


def judge(outcomes: dict[str, list[str]], private: dict[str, set[str]]) -> int:
    """Print what differs from the deviations file and the sums; return the exit status."""
    expected = expected_failures()
    failed = {test for test, (outcome, _) in outcomes.items() if outcome == "failed"}
    passed = {test for test, (outcome, _) in outcomes.items() if outcome == "passed"} - passing_by_chance()
    for test in sorted(failed - expected.keys()):
        names = ", ".join(sorted(private.get(test, ())))
        print(f"unexpected failure: {test}: {outcomes[test][1]}" + (f" (reads {names})" if names else ""))
    for test in sorted(passed & expected.keys()):
        print(f"passes, and is to be struck from the deviations: {test}")
    public = {test: outcome for test, outcome in outcomes.items() if not private.get(test)}
    print(f"tests that read no private name: {counts(public)}")
    print(f"tests that do: {counts({test: outcomes[test] for test in outcomes.keys() - public.keys()})}")
    for reason, n in Counter(expected[test] for test in failed & expected.keys()).most_common():
        print(f"{n:4} {reason}")
    return 1 if failed - expected.keys() or passed & expected.keys() else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--bin", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    source = source_tree()
    outcomes = run_tests(source, "asyncpg" if options.real else "ours", options.bin or find_bin_dir(), options.only)
    if options.write:
        options.write.write_text(json.dumps(outcomes, indent=1, sort_keys=True))
    print(f"{'asyncpg' if options.real else 'asyncpg_core'}: {counts(outcomes)}")
    if options.real or options.only:
        return 0
    return judge(outcomes, private_names_of_tests(source / "tests"))


if __name__ == "__main__":
    sys.exit(main())
