"""target_session_attrs with a primary and its hot standby, and what a client sees of a promotion."""
import os

import pytest

from asyncpg_core import connect, create_pool
from pgproto.errors import ReadOnlySQLTransactionError, TargetServerAttributeNotMatched
from tests.support.cluster import TRUST_USER, Cluster
from tests.support.open_sockets import no_socket_left
from tests.support.standby import Standby

FOUND = {  # wanted: which is found where the primary is named first, and where the standby is
    "any": ("primary", "standby"), "primary": ("primary", "primary"), "standby": ("standby", "standby"),
    "prefer-standby": ("standby", "standby"), "read-write": ("primary", "primary"), "read-only": ("standby", "standby"),
}


pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture(scope="module")
def pair():
    if os.name == "nt":
        pytest.skip("missing feature: embedded server on Windows")
    with Cluster() as primary, Standby(primary) as standby:
        yield {"primary": primary, "standby": standby}


def at(*clusters, **arguments):
    return {"host": ["127.0.0.1"] * len(clusters), "port": [cluster.port for cluster in clusters], "user": TRUST_USER,
            "database": "postgres", "timeout": 10} | arguments


@pytest.mark.parametrize("wanted", FOUND)
async def test_each_wish_finds_its_server_in_either_order(pair, wanted):
    names = {cluster.port: name for name, cluster in pair.items()}
    found = []
    async with no_socket_left():
        for order in (("primary", "standby"), ("standby", "primary")):
            connection = await connect(**at(*(pair[name] for name in order), target_session_attrs=wanted))
            found.append(names[connection._addr[1]])
            assert await connection.fetchval("SELECT pg_is_in_recovery()") is (found[-1] == "standby")
            await connection.close()
    assert tuple(found) == FOUND[wanted]


@pytest.mark.parametrize(("wanted", "there"), [("primary", "standby"), ("read-write", "standby"),
                                               ("standby", "primary"), ("read-only", "primary")])
async def test_wish_that_nobody_fulfils_is_told(pair, wanted, there):
    async with no_socket_left():
        with pytest.raises(TargetServerAttributeNotMatched, match=wanted):
            await connect(**at(pair[there], pair[there], target_session_attrs=wanted))


async def test_preference_is_content_with_a_primary(pair):
    connection = await connect(**at(pair["primary"], target_session_attrs="prefer-standby"))
    assert not await connection.fetchval("SELECT pg_is_in_recovery()")
    await connection.close()


async def test_standby_refuses_changes(pair):
    async with create_pool(**at(pair["standby"], target_session_attrs="standby"), min_size=1) as pool:
        with pytest.raises(ReadOnlySQLTransactionError):
            await pool.execute("CREATE TABLE of_a_standby ()")


async def test_promoted_standby_is_the_primary_that_is_found():
    with Cluster() as primary, Standby(primary) as standby:
        arguments = at(primary, standby, target_session_attrs="primary")
        before = await connect(**arguments)
        assert before._addr[1] == primary.port
        before.terminate()
        primary.stop()
        with pytest.raises(TargetServerAttributeNotMatched):
            await connect(**arguments)
        standby.promote()
        after = await connect(**arguments)
        assert after._addr[1] == standby.port
        await after.execute("CREATE TEMPORARY TABLE writable ()")
        await after.close()
