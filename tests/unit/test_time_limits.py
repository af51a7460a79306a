"""Every wait has a limit that is documented, and every public coroutine that waits takes one or says whose it has."""
import asyncio
import inspect
import pathlib
import re

import pytest

import asyncpg_core
from asyncpg_core.copy_rows import CopyRows
from asyncpg_core.cursor import Cursor
from asyncpg_core.pipeline import Pipeline
from asyncpg_core.prepared_statement import PreparedStatement
from tests.support import bounds

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "timeouts.md").read_text(encoding="utf-8")
# Those without a `timeout` of their own, and what limits them instead; docs/timeouts.md has a line for each.
LIMITED_OTHERWISE = {
    "Connection": {"add_listener": "command_timeout", "remove_listener": "command_timeout",
                   "reload_schema_state": "no wait", "set_type_codec": "command_timeout",
                   "set_builtin_type_codec": "command_timeout", "reset_type_codec": "command_timeout"},
    "Pool": {"expire_connections": "no wait", "resize": "no wait", "lsn": "`command_timeout`",
             "rotate": "then the connect's `timeout`"},
    "PreparedStatement": {"explain": "command_timeout"},
    "CopyRows": {"aclose": "that of `copy_rows()`"},
    "Cursor": {}, "Pipeline": {},
}
CLASSES = [asyncpg_core.Connection, asyncpg_core.Pool, PreparedStatement, CopyRows, Cursor, Pipeline]


def coroutines(cls):
    for name in dir(cls):
        function = inspect.getattr_static(cls, name)
        if not name.startswith("_") and (
                inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
                or hasattr(function, "_is_coroutine")):
            yield name, function


@pytest.mark.parametrize("cls", CLASSES)
def test_every_coroutine_takes_a_timeout_or_the_page_says_what_limits_it(cls):
    without = {name for name, function in coroutines(cls) if "timeout" not in inspect.signature(function).parameters}
    assert without == set(LIMITED_OTHERWISE[cls.__name__])
    for name, limit in LIMITED_OTHERWISE[cls.__name__].items():
        assert f"{name}()`" in PAGE, name
        assert limit in PAGE


@pytest.mark.parametrize(("function", "name", "default"), [
    (asyncpg_core.connect, "timeout", 60), (asyncpg_core.connect, "command_timeout", None),
    (asyncpg_core.connect, "connect_timeout", None), (asyncpg_core.Connection.close, "timeout", None),
    (asyncpg_core.Pool.acquire, "timeout", None), (asyncpg_core.Pool.release, "timeout", None)])
def test_the_defaults_are_the_documented_ones(function, name, default):
    assert inspect.signature(function).parameters[name].default == default


def test_the_drivers_own_limits_are_the_documented_ones():
    assert {getattr(module, name) for module, name in bounds.FIVE_SECONDS} == {5.0}
    assert {getattr(module, name) for module, name in bounds.ONE_SECOND} == {1.0}
    assert len(re.findall(r"\b5 s\b", PAGE)) >= 5


def test_no_module_has_a_limit_of_seconds_that_tests_do_not_know():
    """A new constant must be one that tests can shorten."""
    root = ROOT / "asyncpg_core"
    known = {(module.__name__.rpartition(".")[2], name) for module, name in bounds.FIVE_SECONDS + bounds.ONE_SECOND}
    # What does not bound a wait: sizes of ticks, when to warn, how long to back off.
    other = {("pool_end", "CLOSE_WARNING_SECONDS"), ("pool_upkeep", "RECONNECT_SECONDS_MAX"),
             ("connect", "LEAST_ATTEMPT_SECONDS"), ("connect_arguments", "CONNECT_SECONDS"),
             ("pool_upkeep", "PAUSE_SECONDS"), ("pool_upkeep", "PAUSE_SECONDS_MAX"),
             ("pool_reading", "ABSENT_SECONDS"), ("pool_reading", "POLL_SECONDS_MAX"),
             ("racing", "HEDGE_SECONDS"), ("racing", "PATIENCE_SECONDS"), ("connect", "ASK_AGAIN_SECONDS")}
    found = {(path.stem, name) for path in [*root.glob("*.py"), *root.glob("*.pyx")]
             for name in re.findall(r"^([A-Z_]*SECONDS[A-Z_]*) = ", path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert found == known | other


async def test_a_timeout_is_caught_by_either_name():
    with pytest.raises(TimeoutError):
        raise asyncpg_core.exceptions.QueryTimeout("x")
    with pytest.raises(asyncio.TimeoutError):
        raise asyncpg_core.exceptions.PoolTimeout("x")
