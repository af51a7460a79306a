"""The start of a session with a server scripted byte by byte: broken, hostile, old, slow or of another protocol."""
import asyncio
import os
import socket
import ssl
import struct
import sys
import time

import pytest

import asyncpg_core
from pgproto.errors import (
    CannotConnectNowError,
    ClientConfigurationError,
    InterfaceError,
    InternalClientError,
    ProtocolError,
    TargetServerAttributeNotMatched,
    TooManyConnectionsError,
)
from tests.support import startup_server as wire
from tests.support.open_sockets import no_socket_left
from tests.support.startup_server import WELCOME, StartupServer, answers, answers_and_closes, error, message

VERSION_3_2 = 0x30002


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))


async def connect(*servers, **arguments):
    """Connect to scripted servers, in the clear unless the arguments say otherwise."""
    arguments = {"user": "u", "database": "d", "ssl": "disable", "timeout": 10} | arguments
    return await asyncpg_core.connect(host=["127.0.0.1"] * len(servers), port=[server.port for server in servers],
                                      **arguments)


async def refused(script, expected, match=None, **arguments):
    """Check that a server with this script ends in one typed error, at once and with nothing left open."""
    async with no_socket_left(), StartupServer(script) as server:
        started = time.monotonic()
        with pytest.raises(expected, match=match) as caught:
            await connect(server, **arguments)
        seconds = time.monotonic() - started
        await server.all_closed()
        assert server.n_connections == 1
    assert seconds < 0.5  # ten times the promise
    return caught.value


def negotiate(version, *unknown):
    return message(b"v", struct.pack("!ii", version, len(unknown)) + b"".join(name + b"\0" for name in unknown))


# --- answers to SSLRequest

@pytest.mark.parametrize(("answer", "match"), [
    (b"N", "rejected SSL upgrade"),
    (b"E", "error response during SSL exchange"),
    (error("53300", "words of a stranger"), "error response during SSL exchange"),
    (b"", "closed the connection"),
    (b"G", "answered the request for SSL with b'G'"),
    (b"\0", "answered the request"),
    (b"SX", "in the clear"),
    (b"S" + WELCOME, "in the clear"),
    (b"NX", "in the clear"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
    (b"<html>", "HTTP"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
    (b"\x15\x03\x01\0\x02\x02\x28", "TLS"),
])
async def test_demanded_tls_needs_exactly_one_byte_that_agrees(answer, match):
    script = answers(answer) if answer else answers_and_closes(b"")
    raised = await refused(script, ConnectionError, match, ssl="require")
    assert "stranger" not in str(raised) + repr(raised.__cause__)


@pytest.mark.parametrize("behind", [b"", b"\x16\x03\x03\0\x05hello", b"not TLS at all, is it"])
async def test_server_that_agrees_to_tls_and_does_not_do_it_is_refused(behind):
    async def script(reader, writer):
        await wire.read_startup(reader)
        writer.write(b"S")
        await reader.read(1)  # of the client's hello
        writer.write(behind)
        await writer.drain()

    await refused(script, (ssl.SSLError, ConnectionError), ssl="require")


async def test_preferred_tls_goes_on_in_the_clear_on_the_same_socket():
    async with no_socket_left(), StartupServer(answers(b"N", WELCOME)) as server:
        connection = await connect(server, ssl="prefer")
        assert server.n_connections == 1
        connection.terminate()


async def test_preferred_tls_that_fails_is_followed_by_a_second_connection():
    async with no_socket_left(), StartupServer(answers_and_closes(b"S"), answers(WELCOME)) as server:
        connection = await connect(server, ssl="prefer")
        assert server.n_connections == 2
        connection.terminate()


@pytest.mark.parametrize("answer", [b"E", b"", b"G", b"SX", b"NX"])
async def test_nobody_is_asked_twice_after_an_answer_that_is_no_yes_and_no_no(answer):
    await refused(answers_and_closes(answer), ConnectionError, ssl="prefer")


@pytest.mark.parametrize(("code", "expected"), [
    ("28000", asyncpg_core.InvalidAuthorizationSpecificationError), ("53300", TooManyConnectionsError),
    ("3D000", asyncpg_core.InvalidCatalogNameError), (None, ConnectionError)])
async def test_server_that_declined_tls_is_not_asked_again_without_it(code, expected):
    reply = b"" if code is None else error(code, "no")
    await refused(answers_and_closes(b"N", reply), expected, ssl="prefer")


@pytest.mark.parametrize("reply", [error("28000", "no"), error("53300", "no"), error("3D000", "no"), b""])
async def test_allowed_tls_is_tried_whatever_the_server_says_against_plain_text(reply):
    async with no_socket_left(), StartupServer(answers_and_closes(reply), answers_and_closes(b"N")) as server:
        with pytest.raises((asyncpg_core.PostgresError, ConnectionError)) as caught:
            await connect(server, ssl="allow")
        assert server.n_connections == 2
        told, cause = caught.value, caught.value.__cause__
        if reply:
            assert isinstance(told, asyncpg_core.PostgresError) and "rejected SSL upgrade" in str(cause)
        else:
            assert "rejected SSL upgrade" in str(told) and isinstance(cause, ConnectionError)


@pytest.mark.parametrize("sslmode", ["allow", "prefer"])
@pytest.mark.parametrize("reply", [error("28000", "no"), error("57P03", "shutting down"), b""])
async def test_error_behind_the_log_in_is_not_tried_again(sslmode, reply):
    replies = ([b"N"] if sslmode == "prefer" else []) + [wire.AUTHENTICATION_OK + reply]
    await refused(answers_and_closes(*replies), (asyncpg_core.PostgresError, ConnectionError), ssl=sslmode)


async def test_server_that_shuts_down_behind_the_log_in_does_not_give_way():
    shuts_down = answers_and_closes(wire.AUTHENTICATION_OK + error("57P03", "the database system is shutting down"))
    async with no_socket_left(), StartupServer(shuts_down) as first, StartupServer(answers(WELCOME)) as second:
        with pytest.raises(CannotConnectNowError):
            await connect(first, second)
        assert second.n_connections == 0


async def test_cancelled_second_try_has_the_first_error_as_its_cause():
    reached = asyncio.Event()

    async def silent(reader, writer):
        reached.set()
        await reader.read(-1)

    async with no_socket_left(), StartupServer(answers_and_closes(error("28000", "no")), silent) as server:
        task = asyncio.ensure_future(connect(server, ssl="allow"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    if sys.version_info >= (3, 11):
        assert isinstance(caught.value.__cause__, asyncpg_core.InvalidAuthorizationSpecificationError)


async def test_plain_socket_is_not_used_after_a_demand_for_tls():
    async with no_socket_left(), StartupServer(answers(b"N")) as server:
        with pytest.raises(ConnectionError):
            await connect(server, ssl="require", password="hunter2")
        await server.all_closed()


# --- servers of other protocols, in the clear

@pytest.mark.parametrize(("greeting", "match"), [
    (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP"),
    (b"<html><body>no</body></html>", "HTTP"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
    (b"\x15\x03\x01\x00\x02\x02\x28", "TLS"),
    (b"220 mail.example.com ESMTP\r\n", "does not speak PostgreSQL"),
    (b"\x4a\x00\x00\x00\x0a8.0.36\x00", "'J' has come where the server owes STARTUP"),
])
async def test_stranger_is_told_from_its_first_bytes(greeting, match):
    await refused(answers(greeting), ProtocolError, match)


@pytest.mark.parametrize("bad", [
    message(b"Z", b"I"), message(b"D", b"\0\0"), message(b"R", struct.pack("!i", 11)), message(b"R", b"\0"),
    message(b"R", struct.pack("!i", 12) + b"v=xx"), b"R\0\0\0\x03", b"R\xff\xff\xff\xff", b"\0\0\0\0\x04",
    message(b"R", b"x" * 2000), wire.parameter("a", "b"), message(b"S", b"no end"), wire.key_data(1, b"four"),
    wire.AUTHENTICATION_OK + message(b"K", b"\0" * 7), wire.AUTHENTICATION_OK + wire.key_data(1, b"x" * 257),
    wire.AUTHENTICATION_OK + wire.AUTHENTICATION_OK, wire.AUTHENTICATION_OK + message(b"T", b"\0\0"),
    wire.AUTHENTICATION_OK + 2 * wire.key_data(1, b"four"), wire.AUTHENTICATION_OK + message(b"Z", b"X"),
    wire.AUTHENTICATION_OK + message(b"Z", b"II"), message(b"E", b"S"),
])
async def test_message_that_is_malformed_or_out_of_turn_is_a_protocol_error(bad):
    await refused(answers(bad), ProtocolError)


@pytest.mark.parametrize("flood", [
    message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 20_000 + b"\0\0"),
    wire.AUTHENTICATION_OK + b"".join(wire.parameter(f"p{n}", "v") for n in range(1000)),
    wire.AUTHENTICATION_OK + b"".join(wire.parameter(f"p{n}", "v" * 20_000) for n in range(10)),
])
async def test_flood_before_the_session_is_ready_is_a_protocol_error(flood):
    async def script(reader, writer):
        await wire.read_startup(reader)
        for _ in range(40):
            writer.write(flood)
            await writer.drain()

    await refused(script, ProtocolError)


# --- errors of the server

async def test_server_that_is_starting_up_gives_way_to_the_next():
    async with no_socket_left(), StartupServer(answers_and_closes(error("57P03", "the database system is starting up"))
                                               ) as first, StartupServer(answers(WELCOME)) as second:
        connection = await connect(first, second)
        assert connection._addr == ("127.0.0.1", second.port)
        connection.terminate()


@pytest.mark.parametrize("sslmode", ["disable", "allow"])
async def test_only_server_that_is_starting_up_says_so_itself(sslmode):
    raised = await refused(answers_and_closes(error("57P03", "the database system is starting up")),
                           CannotConnectNowError, "starting up", ssl=sslmode)
    assert raised.sqlstate == "57P03"


@pytest.mark.parametrize(("sslmode", "n_tries"), [("disable", 1), ("allow", 2), ("prefer", 1)])
async def test_other_errors_end_the_search(sslmode, n_tries):
    told = error("53300", "sorry, too many clients already")
    scripts = {"disable": [answers_and_closes(told)], "prefer": [answers_and_closes(b"N", told)],
               "allow": [answers_and_closes(told), answers_and_closes(b"N")]}[sslmode]
    async with no_socket_left(), StartupServer(*scripts) as first, StartupServer() as second:
        with pytest.raises(TooManyConnectionsError, match="too many clients"):
            await connect(first, second, ssl=sslmode)
        assert (first.n_connections, second.n_connections) == (n_tries, 0)


async def test_error_between_the_log_in_and_the_first_ready_is_raised():
    await refused(answers_and_closes(wire.AUTHENTICATION_OK + error("3D000", "no such database")),
                  asyncpg_core.InvalidCatalogNameError, "no such database")


async def test_error_text_that_is_not_utf8_is_shown_all_the_same():
    body = b"SFATAL\0C28000\0M\xff\xfe caf\xe9\0\0"
    await refused(answers_and_closes(message(b"E", body)), asyncpg_core.InvalidAuthorizationSpecificationError, "caf")


# --- the end at every byte, and slowness

async def test_end_at_every_byte_of_the_answer_is_a_typed_error():
    cut = iter(range(len(WELCOME)))

    async def script(reader, writer):
        await wire.read_startup(reader)
        writer.write(WELCOME[:next(cut)])
        await writer.drain()

    async with no_socket_left(), StartupServer(script) as server:
        for _ in range(len(WELCOME)):
            with pytest.raises(ConnectionError) as caught:
                await connect(server)
            assert isinstance(caught.value, asyncpg_core.ConnectionDoesNotExistError)
            assert "during the start of the session" in str(caught.value)


@pytest.mark.parametrize("sslmode", ["disable", "require"])
async def test_reset_instead_of_an_answer_is_an_os_error(sslmode):
    async def script(reader, writer):
        await wire.read_startup(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                   struct.pack("ii", 1, 0))
        writer.transport.abort()

    raised = await refused(script, OSError, ssl=sslmode)
    if sslmode == "disable":
        assert isinstance(raised, asyncpg_core.ConnectionDoesNotExistError)
        assert isinstance(raised.__cause__, ConnectionResetError)


async def test_answer_in_single_bytes_connects():
    async def script(reader, writer):
        await wire.read_startup(reader)
        for at in range(len(WELCOME)):
            writer.write(WELCOME[at:at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read(-1)

    async with no_socket_left(), StartupServer(script) as server:
        connection = await connect(server)
        assert connection.get_server_pid() == 7
        connection.terminate()


@pytest.mark.parametrize("limit", ["timeout", "connect_timeout"])
@pytest.mark.parametrize("sslmode", ["disable", "require"])
async def test_dripping_does_not_prolong_the_timeout(limit, sslmode):
    async def script(reader, writer):
        await wire.read_startup(reader)
        if sslmode == "require":
            writer.write(b"S")
            await reader.read(1)
        while True:
            writer.write(b"N\0\0\0\x05\0" if sslmode == "disable" else b"")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with no_socket_left(), StartupServer(script) as server:
        started = time.monotonic()
        with pytest.raises(asyncio.TimeoutError, match=r"0\.2 s"):
            await connect(server, ssl=sslmode, **{limit: 0.2})
        assert 0.15 < time.monotonic() - started < 2


async def test_password_callable_is_called_once_for_each_host_and_before_it_is_dialled():
    calls = []

    async def script(reader, writer):
        await wire.read_startup(reader)
        writer.write(error("57P03", "starting up"))

    def password():
        calls.append([server.n_connections for server in (first, second)])
        return "secret"

    async with no_socket_left(), StartupServer(script) as first, StartupServer(answers(WELCOME)) as second:
        connection = await connect(first, second, password=password, ssl="allow")
        connection.terminate()
    assert calls == [[0, 0], [1, 0]]


async def test_password_callable_that_never_ends_is_bounded_and_cancelled():
    ended = []

    async def password():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async with no_socket_left(), StartupServer(answers(wire.CLEARTEXT)) as server:
        with pytest.raises(asyncio.TimeoutError):
            await connect(server, password=password, timeout=0.2)
    assert ended == [1]


# --- roles

async def test_role_that_cannot_be_asked_closes_the_session_and_goes_on():
    async with no_socket_left(), StartupServer(answers(WELCOME)) as deaf, StartupServer(
            answers(WELCOME.replace(wire.READY, wire.parameter("in_hot_standby", "off")
                                    + wire.parameter("default_transaction_read_only", "off") + wire.READY))) as good:
        connection = await connect(deaf, good, target_session_attrs="primary", connect_timeout=0.2)
        assert connection._addr == ("127.0.0.1", good.port)
        await deaf.all_closed()
        connection.terminate()


async def test_standby_is_told_by_what_it_reports():
    def reports(standby, read_only):
        return StartupServer(answers(WELCOME.replace(wire.READY, wire.parameter("in_hot_standby", standby)
                                     + wire.parameter("default_transaction_read_only", read_only) + wire.READY)))

    async with no_socket_left(), reports("off", "off") as primary, reports("on", "off") as standby, reports(
            "off", "on") as read_only:
        everybody = (primary, standby, read_only)
        for wanted, expected in {"primary": primary, "standby": standby, "prefer-standby": standby,
                                 "read-write": primary, "read-only": standby, "any": primary}.items():
            connection = await connect(*everybody, target_session_attrs=wanted)
            assert (wanted, connection._addr[1]) == (wanted, expected.port)
            connection.terminate()
        connection = await connect(primary, read_only, target_session_attrs="read-only")
        assert connection._addr[1] == read_only.port
        connection.terminate()
        with pytest.raises(TargetServerAttributeNotMatched):
            await connect(primary, read_only, target_session_attrs="standby")


# --- protocol 3.2

async def startup_version(server, **arguments):
    connection = await connect(server, **arguments)
    connection.terminate()


@pytest.mark.parametrize(("arguments", "version"), [
    ({}, 0x30000), ({"max_protocol_version": "3.0"}, 0x30000), ({"max_protocol_version": "3.2"}, VERSION_3_2),
    ({"max_protocol_version": "latest"}, VERSION_3_2), ({"min_protocol_version": "3.2"}, VERSION_3_2)])
async def test_protocol_version_asked_for_is_the_newest_allowed(arguments, version):
    seen = []

    async def script(reader, writer):
        seen.append(int.from_bytes((await wire.read_startup(reader))[4:8], "big"))
        writer.write(WELCOME)
        await reader.read(-1)

    async with no_socket_left(), StartupServer(script) as server:
        await startup_version(server, **arguments)
    assert seen == [version]


# PostgreSQL sends the whole version; the documentation speaks of the minor one.
@pytest.mark.parametrize("offered", [0x30000, 0])
async def test_server_that_offers_an_older_protocol_is_taken_down_to_the_oldest_allowed(offered):
    async with no_socket_left(), StartupServer(answers(negotiate(offered) + WELCOME)) as server:
        await startup_version(server, max_protocol_version="3.2")
    await refused(answers(negotiate(offered) + WELCOME), ProtocolError, r"min_protocol_version is 3\.2",
                  min_protocol_version="3.2")


@pytest.mark.parametrize(("offer", "match"), [
    (negotiate(0x30003), "offers the protocol version"), (negotiate(0x40000), "offers the protocol version"),
    (negotiate(0x20000), "offers the protocol version"), (negotiate(0x30000, b"_pq_.x"), "_pq_.x"),
    (message(b"v", struct.pack("!ii", 0x30000, 2**31 - 1)), None),
    (message(b"v", struct.pack("!ii", 0x30000, -1)), None)])
async def test_negotiation_that_makes_no_sense_is_a_protocol_error(offer, match):
    await refused(answers(offer + WELCOME), ProtocolError, match, max_protocol_version="3.2")


@pytest.mark.parametrize("reply", [
    error("0A000", "unsupported frontend protocol 3.2"), error("08P01", "bad packet"), b""])
@pytest.mark.parametrize("keyword", ["max_protocol_version", "min_protocol_version"])
async def test_refusal_of_who_knows_no_new_protocol_says_what_to_try(reply, keyword):
    raised = await refused(answers_and_closes(reply), (asyncpg_core.PostgresError, ConnectionError),
                           f"may not know protocol 3.2: try {keyword}=3.0", **{keyword: "3.2"})
    assert ("unsupported" in str(raised) or "bad packet" in str(raised)) is bool(reply)


@pytest.mark.parametrize(("reply", "arguments"), [
    (error("0A000", "no"), {}), (b"", {}), (error("28000", "no"), {"max_protocol_version": "3.2"}),
    (negotiate(0x30000) + error("0A000", "no"), {"max_protocol_version": "3.2"}),
    (wire.CLEARTEXT, {"max_protocol_version": "3.2", "password": "p"})])
async def test_other_refusals_do_not_speak_of_the_protocol(reply, arguments):
    raised = await refused(answers_and_closes(reply), (asyncpg_core.PostgresError, ConnectionError), **arguments)
    assert "protocol_version" not in str(raised)


@pytest.mark.parametrize("n_bytes", [4, 5, 32, 255, 256])
async def test_long_cancel_key_comes_back_whole(n_bytes):
    key = bytes(range(256))[-n_bytes:]
    welcome = WELCOME.replace(wire.key_data(7, b"key!"), wire.key_data(7, key))
    seen = asyncio.get_running_loop().create_future()

    async def session(reader, writer):
        await wire.read_startup(reader)
        writer.write(welcome)
        await reader.read(-1)

    async def cancel(reader, writer):
        seen.set_result(await wire.read_startup(reader))

    async with no_socket_left(), StartupServer(session, cancel) as server:
        connection = await connect(server, max_protocol_version="3.2")
        with pytest.raises(asyncio.TimeoutError):
            await connection.execute("SELECT 1", timeout=0.05)
        request = await asyncio.wait_for(seen, 5)
        connection.terminate()
    assert request == struct.pack("!iii", 12 + n_bytes, wire.CANCEL_REQUEST_CODE, 7) + key


@pytest.mark.parametrize("n_bytes", [0, 3, 257, 4000])
async def test_cancel_key_of_an_impossible_length_is_a_protocol_error(n_bytes):
    bad = WELCOME.replace(wire.key_data(7, b"key!"), wire.key_data(7, b"k" * n_bytes))
    await refused(answers(bad), ProtocolError, max_protocol_version="3.2")


async def test_server_without_a_cancel_key_connects():
    async with no_socket_left(), StartupServer(answers(WELCOME.replace(wire.key_data(7, b"key!"), b""))) as server:
        connection = await connect(server)
        assert connection.get_server_pid() == 0
        connection.terminate()


# --- what is refused on our own side

@pytest.mark.parametrize("arguments", [
    {"user": "nul\0"}, {"database": "nul\0"}, {"password": "nul\0"}, {"server_settings": {"a\0": "b"}},
    {"server_settings": {"a": "b\0"}}, {"timeout": "soon"}, {"timeout": float("nan")}, {"require_auth": "telepathy"},
    {"channel_binding": "perhaps"}, {"target_session_attrs": "leader"}, {"ssl": "sometimes"},
    {"max_protocol_version": "2.0"}, {"requirepeer": "nul\0"}])
async def test_bad_argument_is_refused_before_connecting(arguments):
    async with no_socket_left(), StartupServer(answers(WELCOME)) as server:
        with pytest.raises((ClientConfigurationError, ValueError)):
            await connect(server, **arguments)
        assert server.n_connections == 0


async def test_startup_packet_that_no_server_reads_is_refused():
    async with no_socket_left(), StartupServer() as server:
        with pytest.raises((InterfaceError, InternalClientError, ValueError), match=r"10[,_]?000"):
            await connect(server, server_settings={"application_name": "x" * 10_000})
