"""Programs on other people's packages, each as its own documentation shows it. `make integrations` runs them.

They are no part of `make test`: they need packages that the driver does not (tools/requirements-integrations.txt). What
says `import asyncpg` gets this driver through install_as_asyncpg; the real asyncpg is not installed here.
"""
import itertools

import pytest

import asyncpg_core
from tests.support.cluster import TRUST_USER

asyncpg_core.install_as_asyncpg()

numbers = itertools.count(1)


@pytest.fixture
def database(cluster):
    """The name of an empty database."""
    name = f"integration_{next(numbers)}"
    cluster.sql(f"CREATE DATABASE {name} OWNER {TRUST_USER}")
    yield name
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def dsn(cluster, database):
    """The URI of an empty database, over TCP: what libraries take apart and put together again."""
    return cluster.dsn(TRUST_USER, database)
