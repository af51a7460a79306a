"""The drivers under comparison, each behind the same few verbs.

Alike for all: autocommit, results taken whole into Python objects, one row type per driver (its default), statements
prepared by the driver's own cache, no option of the driver turned off. A driver has the verbs that it can do: a
workload names those it needs, and is left out where one is missing.
"""
from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.driver_asyncpg import Fetch

__all__ = ["BASELINE", "DEFAULT_DRIVERS", "DRIVERS", "SMALL_DRIVERS", "Driver", "Fetch", "missing_verbs", "open_driver"]

# Which verbs one has is asked of it, so no type says it.
Driver: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Contender:
    """Where the adapter of a driver is, and what it imports. Who blocks is on no loop; some know TCP alone."""

    adapter: str
    api: str
    module: str
    blocks: bool = False
    tcp_only: bool = False


BASELINE = "asyncpg"
DRIVERS = {
    "asyncpg": Contender("driver_asyncpg", "AsyncpgApi", "asyncpg"),
    "psycopg": Contender("driver_psycopg", "PsycopgApi", "psycopg"),
    "psqlpy": Contender("driver_psqlpy", "PsqlpyApi", "psqlpy"),
    "aiopg": Contender("driver_psycopg2", "AiopgApi", "aiopg"),
    "psycopg2": Contender("driver_psycopg2", "Psycopg2Api", "psycopg2", blocks=True),
    "adbc": Contender("driver_columns", "AdbcApi", "adbc_driver_postgresql.dbapi", blocks=True),
    "connectorx": Contender("driver_columns", "ConnectorxApi", "connectorx", blocks=True, tcp_only=True),
    "c": Contender("driver_c", "CClient", "", blocks=True),
    "asyncpg_core": Contender("driver_asyncpg", "AsyncpgCoreApi", "asyncpg_core"),
    # asyncpg a second time: its true ratio is 1, so what is printed for it is the noise of the run.
    "asyncpg_again": Contender("driver_asyncpg", "AsyncpgApi", "asyncpg"),
}
DEFAULT_DRIVERS = tuple(name for name in DRIVERS if name != "asyncpg_again")
SMALL_DRIVERS = ("asyncpg", "psycopg", "asyncpg_core")


def open_driver(name: str, uri: str) -> Driver:
    """Return the named driver, imported; ImportError if it, or its pool, is not installed."""
    contender = DRIVERS[name]
    adapter = importlib.import_module(f"benchmarks.{contender.adapter}")
    return getattr(adapter, contender.api)(contender.module, uri)


def missing_verbs(driver: Driver, needed: Iterable[str]) -> list[str]:
    """Return which of the verbs the driver has not."""
    lacking = getattr(driver, "lacking", ())
    return [verb for verb in needed if verb in lacking or not hasattr(driver, verb)]
