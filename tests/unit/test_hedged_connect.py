"""Several hosts, one of which is silent: scripted servers, real sockets, who is taken and what the others see of it."""
import asyncio
import sys
import time

import pytest

import asyncpg_core
from asyncpg_core.exceptions import InvalidPasswordError
from tests.support.deaf_port import deaf_port
from tests.support.open_sockets import no_socket_left
from tests.support.startup_server import (
    AUTHENTICATION_OK,
    READY,
    WELCOME,
    StartupServer,
    answers,
    error,
    key_data,
    message,
    parameter,
    read_startup,
)

TERMINATE = message(b"X")


def welcomes(heard, until=None, say=WELCOME):
    """A script that says so once `until` is set, or at once, and keeps in `heard` what comes then."""
    async def script(reader, writer):
        await read_startup(reader)
        if until is not None:
            await until.wait()
        writer.write(say)
        await writer.drain()
        heard.append(await reader.read(-1))
    return script


def at(*ports, **arguments):
    return {"host": ["127.0.0.1"] * len(ports), "port": list(ports), "user": "u", "database": "d", "ssl": "disable",
            "timeout": 10} | arguments


async def taken(*ports, **arguments):
    """The port that was found, and how long it took; the connection is closed."""
    began = time.monotonic()
    connection = await asyncpg_core.connect(**at(*ports, **arguments))
    seconds = time.monotonic() - began
    connection.terminate()
    return connection._addr[1], seconds


async def test_host_that_accepts_and_is_silent_is_passed():
    async with no_socket_left(), StartupServer() as silent, StartupServer(answers(WELCOME)) as good:
        found, seconds = await taken(silent.port, good.port)
        assert found == good.port and 1 <= seconds < 3
        await silent.all_closed()
        await good.all_closed()
        assert silent.n_connections == good.n_connections == 1


@pytest.mark.skipif(sys.platform != "linux", reason="missing feature: a full queue swallows packets on Linux")
@pytest.mark.parametrize("n_deaf", [1, 3])
async def test_hosts_that_swallow_packets_are_passed(n_deaf):
    with deaf_port() as deaf:
        async with no_socket_left(), StartupServer(answers(WELCOME)) as good:
            found, seconds = await taken(*[deaf] * n_deaf, good.port)
            assert found == good.port and seconds < 3
            assert good.n_connections == 1


async def test_among_the_addresses_of_a_name_the_first_session_counts(monkeypatch):
    async with no_socket_left(), StartupServer() as silent, StartupServer(answers(WELCOME)) as good:
        async def resolve(address):
            return [(2, ("127.0.0.1", port)) for port in (silent.port, good.port)]

        monkeypatch.setattr(sys.modules["asyncpg_core.connect"], "resolve_address", resolve)
        began = time.monotonic()
        connection = await asyncpg_core.connect(**at(1))
        assert 0.25 <= time.monotonic() - began < 2.5
        connection.terminate()
        assert silent.n_connections == good.n_connections == 1


async def test_a_slow_host_keeps_its_place_and_the_hedge_says_goodbye():
    heard, hedge_is_there = [], asyncio.Event()

    async def hedge(reader, writer):
        await read_startup(reader)
        writer.write(WELCOME)
        await writer.drain()
        hedge_is_there.set()
        heard.append(await reader.read(-1))

    slow_server = StartupServer(welcomes([], until=hedge_is_there))
    async with no_socket_left(), slow_server as slow, StartupServer(hedge) as other:
        found, _ = await taken(slow.port, other.port)
        await other.all_closed()
        assert found == slow.port and heard == [TERMINATE]


async def test_an_error_that_only_the_hedge_brought_is_not_told():
    refused = asyncio.Event()

    async def refuse(reader, writer):
        await read_startup(reader)
        writer.write(error("28P01", "no"))
        await writer.drain()
        await reader.read(-1)
        refused.set()

    async with no_socket_left(), StartupServer(welcomes([], until=refused)) as slow, StartupServer(refuse) as other:
        assert (await taken(slow.port, other.port))[0] == slow.port
        assert other.n_connections == 1


async def test_an_error_of_the_host_in_front_ends_the_search_though_the_hedge_is_in():
    hedge_is_there = asyncio.Event()

    async def hedge(reader, writer):
        await read_startup(reader)
        writer.write(WELCOME)
        await writer.drain()
        hedge_is_there.set()
        await reader.read(-1)

    async with (no_socket_left(), StartupServer(welcomes([], until=hedge_is_there, say=error("28P01", "no"))) as slow,
                StartupServer(hedge) as other):
        with pytest.raises(InvalidPasswordError):
            await asyncpg_core.connect(**at(slow.port, other.port))
        await other.all_closed()


async def test_hosts_without_an_order_are_not_waited_for(monkeypatch):
    monkeypatch.setattr("random.shuffle", lambda given: None)
    async with StartupServer() as silent, StartupServer(answers(WELCOME)) as good:
        found, seconds = await taken(silent.port, good.port, load_balance_hosts="random")
        assert found == good.port and 0.25 <= seconds < 2.5


async def test_a_slow_password_is_not_a_silent_server():
    calls = []

    async def password():
        calls.append(1)
        await asyncio.sleep(0.6)
        return "secret"

    async with StartupServer(answers(WELCOME)) as one, StartupServer(answers(WELCOME)) as other:
        found, _ = await taken(one.port, other.port, password=password)
        assert found == one.port and len(calls) == 1 and other.n_connections == 0


async def test_a_name_that_is_not_resolved_lets_the_next_host_begin(monkeypatch):
    connecting = sys.modules["asyncpg_core.connect"]
    resolve_address = connecting.resolve_address

    async def resolve(address):
        if address.host == "nowhere.example":
            await asyncio.Event().wait()
        return await resolve_address(address)

    monkeypatch.setattr(connecting, "resolve_address", resolve)
    async with no_socket_left(), StartupServer(answers(WELCOME)) as good:
        found, seconds = await taken(1, good.port, host=["nowhere.example", "127.0.0.1"])
        assert found == good.port and seconds < 3


async def test_a_primary_will_do_for_who_prefers_a_standby_that_is_silent():
    primary = (AUTHENTICATION_OK + parameter("server_version", "18.0") + parameter("client_encoding", "UTF8")
               + parameter("in_hot_standby", "off") + parameter("default_transaction_read_only", "off")
               + key_data(7, b"key!") + READY)
    async with no_socket_left(), StartupServer() as silent, StartupServer(answers(primary)) as good:
        for wanted in ("prefer-standby", "primary", "read-write"):
            found, seconds = await taken(silent.port, good.port, target_session_attrs=wanted)
            assert found == good.port and seconds < 3


async def test_all_silent_is_a_timeout_and_nothing_is_left():
    async with no_socket_left(), StartupServer() as one, StartupServer() as other:
        with pytest.raises(asyncio.TimeoutError):
            await asyncpg_core.connect(**at(one.port, other.port, timeout=0.8))
        await one.all_closed()
        await other.all_closed()
        assert one.n_connections == other.n_connections == 1


async def test_a_cancel_in_the_middle_of_the_race_leaves_nothing():
    async with no_socket_left(), StartupServer() as one, StartupServer() as other:
        attempt = asyncio.ensure_future(asyncpg_core.connect(**at(one.port, other.port)))
        await asyncio.wait_for(other.connected.wait(), 5)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await one.all_closed()
        await other.all_closed()
