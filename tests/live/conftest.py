"""Live tests run on asyncio's loop and on uvloop's, where that is installed; both must be in continuous integration."""
import asyncio
import os
import sys

import pytest

import asyncpg_core
from tests.support.postgres_binaries import cache_dir

try:
    import uvloop
except ImportError:
    uvloop = None

FACTORIES = {"asyncio": asyncio.new_event_loop}
if uvloop is not None:
    FACTORIES["uvloop"] = uvloop.new_event_loop
elif os.environ.get("CI") and sys.platform != "win32" and sys.version_info < (3, 15):
    raise RuntimeError("uvloop is expected in continuous integration and is not installed")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item):
    return FACTORIES


@pytest.fixture
def bare_environment(monkeypatch, tmp_path):
    """No PG* variables, and a home directory without password files and certificates; the servers' cache stays."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_dir().parent))
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
async def connect(dsn):
    """Makes connections to the shared server, keywords as `asyncpg_core.connect`; they are closed with the test."""
    made = []

    async def connect_one(where=dsn, **settings):
        made.append(await asyncpg_core.connect(where, **settings))
        return made[-1]

    yield connect_one
    for connection in made:
        connection.terminate()


@pytest.fixture
async def connection(connect):
    """One connection to the shared server."""
    return await connect()


@pytest.fixture
async def table(connect):
    """A connection with a table `t (a int primary key)`, and another one that sees what was committed."""
    connection, other = await connect(), await connect()
    await connection.execute("drop table if exists t cascade; create table t (a int primary key)")
    return connection, other
