"""The pytest plugin that asyncpg's own tests run under: puts a driver under the name asyncpg and records outcomes.

What the environment says: COMPAT_SOURCE, where asyncpg's source distribution is unpacked; COMPAT_DRIVER, `ours` or
`asyncpg`; COMPAT_OUTCOMES, the JSON file to write, {test: [outcome, first line of the reason]}; COMPAT_LAST, a list of
tests that run after all others, because they are known to fail and may leave the server changed. asyncpg's test
support (`asyncpg.cluster`, `asyncpg._testbase`) is asyncpg's own in both cases.
"""
import importlib
import importlib.util
import json
import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ["COMPAT_SOURCE"])
outcomes = {}


def load_test_support() -> None:
    """Make asyncpg's own test support modules of the driver that is there."""
    package = importlib.import_module("asyncpg")
    for name, file in (("cluster", "cluster.py"), ("_testbase", "_testbase/__init__.py")):
        path = SOURCE / "asyncpg" / file
        places = [str(path.parent)] if path.name == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(f"asyncpg.{name}", path, submodule_search_locations=places)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        setattr(package, name, module)
        spec.loader.exec_module(module)


def pytest_configure(config) -> None:
    if os.environ["COMPAT_DRIVER"] == "ours":
        ours = importlib.import_module("asyncpg_core")
        ours.install_as_asyncpg()
    load_test_support()


def pytest_collection_modifyitems(items) -> None:
    last = set(json.loads(os.environ["COMPAT_LAST"]))
    items.sort(key=lambda item: name_of(item) in last)


def name_of(report) -> str:
    return report.nodeid.split("asyncpg_tests/", 1)[-1]


def pytest_runtest_logreport(report) -> None:
    test = name_of(report)
    before = outcomes.get(test, ["passed", ""])[0]
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        said = (crash.message if crash else str(report.longrepr)).strip().split("\n")[0][:200]
        # The embedded server's programs are postgres, pg_ctl and initdb; some tests want pg_basebackup or pg_resetwal.
        outcomes[test] = ["skipped" if "ClusterError: could not find pg_" in said else "failed", said]
    elif report.skipped and before != "failed":
        outcomes[test] = ["skipped", str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")[:200]]
    elif report.when == "call":
        outcomes.setdefault(test, ["passed", ""])


def pytest_collectreport(report) -> None:
    if report.failed:
        outcomes[name_of(report)] = ["failed", str(report.longrepr).strip().split("\n")[-1][:200]]


def pytest_sessionfinish() -> None:
    pathlib.Path(os.environ["COMPAT_OUTCOMES"]).write_text(json.dumps(outcomes, indent=1, sort_keys=True))
