"""Story 30: DATABASE_URL from the environment, handed over whole or taken apart by urllib."""
import os
from urllib.parse import parse_qs, unquote, urlparse

import pytest

import asyncpg_core as asyncpg
from tests.support.cluster import PASSWORD, SCRAM_USER


@pytest.fixture(params=["postgresql", "postgres"])
def url(request, cluster, monkeypatch):
    """A URL with a user and a password that had to be quoted."""
    url = cluster.dsn(SCRAM_USER).replace("postgresql", request.param, 1)
    monkeypatch.setenv("DATABASE_URL", url)
    return url


async def identity(connection):
    try:
        return await connection.fetchrow("SELECT current_user, current_database()")
    finally:
        await connection.close()


async def test_handed_over_whole(url):
    assert tuple(await identity(await asyncpg.connect(os.environ["DATABASE_URL"]))) == (SCRAM_USER, "postgres")
    assert tuple(await identity(await asyncpg.connect(dsn=os.environ["DATABASE_URL"]))) == (SCRAM_USER, "postgres")


async def test_taken_apart_by_urllib(url):
    parts = urlparse(os.environ["DATABASE_URL"])
    assert unquote(parts.password) == PASSWORD
    settings = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    connection = await asyncpg.connect(
        host=parts.hostname, port=parts.port, user=unquote(parts.username), password=unquote(parts.password),
        database=parts.path.lstrip("/") or "postgres", ssl=settings.get("sslmode", "prefer"))
    assert (await identity(connection))["current_user"] == SCRAM_USER


async def test_a_pool_on_a_url_with_settings_in_its_query(url):
    with_settings = url + ("&" if "?" in url else "?") + "application_name=story&connect_timeout=5"
    async with asyncpg.create_pool(with_settings, min_size=1, max_size=2) as pool:
        assert await pool.fetchval("SHOW application_name") == "story"
