"""Fixtures of all tests: the embedded server, started by the first test that asks; quiet event loops; honest skips."""
import gc
import inspect
import logging
import os
import pathlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.features import REASON
from tests.support.skip_watch import SkipWatch

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What counts mutants and lines wants the same examples each time, and few of them.
settings.register_profile("repeatable", settings.get_profile("default"), derandomize=True, max_examples=25,
                          database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

INTEGRATIONS = pathlib.Path(__file__).parent / "integrations"
WATCH = pytest.StashKey[SkipWatch]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WATCH] = SkipWatch(enabled=bool(os.environ.get("CI")))
    config.pluginmanager.register(config.stash[WATCH])


def pytest_ignore_collect(collection_path: pathlib.Path, config: pytest.Config) -> bool | None:
    """Leaves the integrations out unless they are named: they need other people's packages (`make integrations`)."""
    if collection_path != INTEGRATIONS:
        return None
    named = (pathlib.Path(argument.split("::")[0]).resolve() for argument in config.args)
    return None if any(INTEGRATIONS in (path, *path.parents) for path in named) else True


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config):
    """The server that live tests share; a test that stops or reconfigures a server makes its own `Cluster`."""
    if os.name == "nt":
        pytest.skip(REASON + "embedded server on Windows")
    from tests.support.cluster import Cluster

    with Cluster() as running:
        pytestconfig.stash[WATCH].server_has = running.features
        pytestconfig.stash[WATCH].server_major = running.version[0]
        yield running


@pytest.fixture(scope="session")
def dsn(cluster) -> Iterator[str]:
    """The superuser's URI, over the unix socket, or over a line that cuts and delays (tests/support/slow_line.py)."""
    from tests.support.slow_line import VARIABLE, SlowLine

    way = os.environ.get(VARIABLE)
    if not way:
        yield cluster.dsn()
        return

    with SlowLine(cluster.socket_path, way) as line:
        yield line.dsn


@pytest.fixture(autouse=True)
def required_features(request: pytest.FixtureRequest) -> None:
    """Skips a test marked `requires(...)` where the server lacks something, naming it."""
    wanted = {feature for mark in request.node.iter_markers("requires") for feature in mark.args}
    if wanted:
        missing = wanted - request.getfixturevalue("cluster").features
        if missing:
            pytest.skip(REASON + ", ".join(sorted(missing)))


def pytest_collection_finish() -> None:
    """What collecting has made stays until the end: a collection after each test need not look at it again."""
    gc.collect()
    gc.freeze()


class Collect(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def quiet_loop(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Fails a test in which the event loop's exception handler was called ("never retrieved", lost callbacks).

    Both asyncio and uvloop report through the logger `asyncio`. A coroutine never awaited is a warning, and warnings
    are errors (pyproject.toml).
    """
    collect = Collect()
    logger = logging.getLogger("asyncio")
    logger.addHandler(collect)
    try:
        yield collect.messages
        if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
            # A task or future reports what nobody retrieved when it is freed: in this test, not in a later one.
            gc.collect()
    finally:
        logger.removeHandler(collect)
    if collect.messages and request.node.get_closest_marker("expects_loop_errors") is None:
        pytest.fail("the loop's exception handler was called:\n" + "\n".join(collect.messages), pytrace=False)
