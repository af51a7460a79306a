"""A statement that runs out of time is cancelled on the server, over the same kind of path as its session."""
import asyncio
import os
import struct
import time

import pytest

import asyncpg_core
from tests.support.cluster import SUPERUSER, TRUST_USER
from tests.support.features import REASON
from tests.support.open_sockets import no_socket_left
from tests.support.relay import Relay
from tests.support.startup_server import CANCEL_REQUEST_CODE, SSL_REQUEST

CANCEL_CODE = struct.pack("!i", CANCEL_REQUEST_CODE)
# path -> arguments, and what an onlooker sees first of each connection
TCP_PATHS = {
    "tcp": ({"ssl": "disable"}, None),
    "tls": ({"ssl": "require"}, SSL_REQUEST),
    "preferred tls": ({"ssl": "prefer"}, SSL_REQUEST),
    "direct tls": ({"ssl": "require", "direct_tls": True}, b"\x16\x03"),
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def check_features(cluster, path):
    for feature in ("tls", "direct tls"):
        if feature in path and feature not in cluster.features:
            pytest.skip(REASON + feature)


async def gone_from_the_server(cluster, pid, seconds):
    """Wait until the backend no longer executes pg_sleep."""
    query = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active' AND query LIKE '%pg_sleep%'"
    deadline = time.monotonic() + seconds
    while cluster.sql(query):  # nothing tells
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", TCP_PATHS)
@pytest.mark.parametrize("end", ["timeout", "cancel"])
async def test_statement_that_nobody_waits_for_is_cancelled_over_its_own_kind_of_path(cluster, path, end):
    check_features(cluster, path)
    arguments, first = TCP_PATHS[path]
    async with no_socket_left(), Relay(cluster.port) as relay:
        connection = await asyncpg_core.connect(host="127.0.0.1", port=relay.port, user=TRUST_USER,
                                                database="postgres", **arguments)
        await give_up(connection, end)
        await gone_from_the_server(cluster, connection.get_server_pid(), 2)
        assert await connection.fetchval("SELECT 42", timeout=2) == 42
        assert len(relay.sent) == 2
        for sent in relay.sent:
            assert first is None or sent.startswith(first)
        assert (CANCEL_CODE in relay.sent[1]) is (first is None)
        await connection.close()


@pytest.mark.parametrize("end", ["timeout", "cancel"])
async def test_statement_that_nobody_waits_for_is_cancelled_over_a_unix_socket(cluster, end):
    async with no_socket_left():
        connection = await asyncpg_core.connect(host=str(cluster.socket_dir), port=cluster.port, user=SUPERUSER,
                                                database="postgres")
        await give_up(connection, end)
        await gone_from_the_server(cluster, connection.get_server_pid(), 2)
        assert await connection.fetchval("SELECT 42", timeout=2) == 42
        await connection.close()


async def give_up(connection, end):
    started = time.monotonic()
    if end == "timeout":
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute("SELECT pg_sleep(60)", timeout=0.2)
    else:
        task = asyncio.create_task(connection.fetch("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert time.monotonic() - started < 1


async def test_close_cancels_what_is_running(cluster):
    async with no_socket_left():
        connection = await asyncpg_core.connect(host=str(cluster.socket_dir), port=cluster.port, user=SUPERUSER,
                                                database="postgres")
        pid = connection.get_server_pid()
        running = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.1)
        await connection.close(timeout=2)
        with pytest.raises(asyncpg_core.QueryCanceledError):
            await running
        assert connection.is_closed()
        await gone_from_the_server(cluster, pid, 2)


async def test_cancel_request_that_the_server_refuses_tls_for_is_never_sent_in_the_clear(cluster):
    """A session over TLS whose host turns into one that declines TLS: the connection is given up."""
    check_features(cluster, "tls")
    async with no_socket_left(), Relay(cluster.port) as relay:
        connection = await asyncpg_core.connect(host="127.0.0.1", port=relay.port, user=TRUST_USER,
                                                database="postgres", ssl="prefer")
        seen = bytearray()

        async def decline(reader, writer):
            seen.extend(await reader.readexactly(8))
            writer.write(b"N")
            seen.extend(await reader.read(-1))
            writer.close()

        port = relay.port
        relay.server.close()
        impostor = await asyncio.start_server(decline, "127.0.0.1", port, reuse_address=True)
        await give_up(connection, "timeout")
        deadline = time.monotonic() + 3
        while not connection.is_closed():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert bytes(seen) == SSL_REQUEST
        impostor.close()
