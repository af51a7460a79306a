"""One connection with the settings that the tables are written for."""
import pytest

import asyncpg_core
from tests.types import SETTINGS


@pytest.fixture
async def connection(dsn):
    made = await asyncpg_core.connect(dsn, server_settings=SETTINGS)
    yield made
    made.terminate()
