"""libpq's keywords with a real server: on the socket, in the session, in the protocol and in TLS."""
import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

import asyncpg_core
from asyncpg_core import connect
from pgproto.errors import InvalidAuthorizationSpecificationError
from tests.support.cluster import SUPERUSER, TRUST_USER, Cluster
from tests.support.open_sockets import no_socket_left
from tests.support.relay import Relay

IDLE = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"


pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def here(cluster):
    return {"host": "127.0.0.1", "port": cluster.port, "user": TRUST_USER, "database": "postgres"}


# --- on the socket

def option(connection, name, level=socket.IPPROTO_TCP):
    return connection._transport.get_extra_info("socket").getsockopt(level, getattr(socket, name))


@pytest.mark.parametrize("sslmode", ["disable", pytest.param("require", marks=pytest.mark.requires("tls"))])
async def test_timings_of_keepalive_are_on_the_socket(here, sslmode):
    connection = await connect(**here, ssl=sslmode, keepalives_idle=31, keepalives_interval=7, keepalives_count=3,
                               tcp_user_timeout=4500)
    assert option(connection, "SO_KEEPALIVE", socket.SOL_SOCKET) and option(connection, "TCP_NODELAY")
    expected = {IDLE: 31, "TCP_KEEPINTVL": 7, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 4500}
    assert {name: option(connection, name) for name in expected if hasattr(socket, name)} == {
        name: value for name, value in expected.items() if hasattr(socket, name)}
    await connection.close()


async def test_without_keepalives_none_are_sent_and_the_user_timeout_stands(here):
    connection = await connect(**here, ssl="disable", keepalives=0, keepalives_idle=31, tcp_user_timeout=4500)
    assert not option(connection, "SO_KEEPALIVE", socket.SOL_SOCKET)
    assert option(connection, IDLE) != 31
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert option(connection, "TCP_USER_TIMEOUT") == 4500
    await connection.close()


async def test_nothing_said_leaves_the_systems_timings(here):
    connection = await connect(**here, ssl="disable")
    assert option(connection, "SO_KEEPALIVE", socket.SOL_SOCKET)
    with socket.socket() as untouched:
        assert option(connection, IDLE) == untouched.getsockopt(socket.IPPROTO_TCP, getattr(socket, IDLE))
    await connection.close()


async def test_unix_socket_has_none_of_it(cluster):
    connection = await connect(host=str(cluster.socket_dir), port=cluster.port, user=SUPERUSER, database="postgres",
                               keepalives_idle=31, tcp_user_timeout=4500)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="missing feature: abstract sockets")
@pytest.mark.parametrize("way", ["argument", "URI", "pairs", "environment", "path"])
async def test_abstract_socket_is_named_by_an_at_sign(monkeypatch, way, tmp_path):
    name = f"@apgc-{os.getpid()}-{way}"

    async def forward(reader, writer):
        seen.append(await reader.read(4))
        writer.close()

    seen = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{name[1:]}/.s.PGSQL.5433")
    server = await asyncio.start_unix_server(forward, sock=listener)
    arguments = {
        "argument": {"host": name, "port": 5433}, "URI": {"dsn": f"postgresql:///?host=%40{name[1:]}&port=5433"},
        "pairs": {"dsn": f"host={name} port=5433"}, "environment": {}, "path": {"host": f"{name}/.s.PGSQL.5433"},
    }[way]
    if way == "environment":
        monkeypatch.setenv("PGHOST", name)
        monkeypatch.setenv("PGPORT", "5433")
    async with no_socket_left():
        with pytest.raises(ConnectionError, match="was closed"):
            await connect(**arguments, user="u", database="d", ssl="require")
    assert len(seen) == 1
    server.close()
    await server.wait_closed()


async def test_address_stands_for_the_name(cluster, here):
    connection = await connect(**here | {"host": "db.example.com"}, hostaddr="127.0.0.1", ssl="disable")
    assert connection._transport.get_extra_info("peername")[:2] == ("127.0.0.1", cluster.port)
    await connection.close()


# --- in the session

async def test_variables_become_settings_of_the_session(here, monkeypatch):
    for name, value in {"PGAPPNAME": "from the environment", "PGOPTIONS": "-c work_mem=5MB -c geqo=off",
                        "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "SQL, DMY", "PGCLIENTENCODING": "LATIN1"}.items():
        monkeypatch.setenv(name, value)
    connection = await connect(**here, server_settings={"work_mem": "6MB"})
    asked = ("application_name", "geqo", "TimeZone", "DateStyle", "client_encoding", "work_mem")
    assert [await connection.fetchval("SELECT current_setting($1)", name) for name in asked] == [
        "from the environment", "off", "Asia/Tokyo", "SQL, DMY", "UTF8", "6MB"]
    await connection.close()


@pytest.mark.parametrize(("arguments", "expected"), [
    ({"fallback_application_name": "fallback"}, "fallback"),
    ({"fallback_application_name": "fallback", "application_name": "name"}, "name"),
    ({"application_name": "name", "server_settings": {"application_name": "setting"}}, "setting")])
async def test_applications_name_has_an_order(here, arguments, expected):
    connection = await connect(**here, **arguments)
    assert await connection.fetchval("SELECT current_setting('application_name')") == expected
    await connection.close()


# --- in the protocol

@pytest.mark.parametrize(("arguments", "n_bytes"), [
    ({}, 4), ({"max_protocol_version": "3.0"}, 4), ({"max_protocol_version": "3.2"}, 32),
    ({"max_protocol_version": "latest"}, 32), ({"min_protocol_version": "3.2"}, 32)])
async def test_cancel_key_is_as_long_as_the_protocol_has_it_and_cancels(cluster, here, arguments, n_bytes):
    if cluster.version < (18, 0):
        if "min_protocol_version" in arguments:
            with pytest.raises(asyncpg_core.ProtocolError, match=r"min_protocol_version is 3\.2"):
                await connect(**here, **arguments)
            return
        n_bytes = 4
    connection = await connect(**here, **arguments)
    assert len(connection._protocol.session.frontend.backend_key) == n_bytes
    with pytest.raises(asyncio.TimeoutError):
        await connection.execute("SELECT pg_sleep(60)", timeout=0.1)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


# --- in TLS

tls = pytest.mark.requires("tls")


@tls
async def test_systems_authorities_verify_name_and_chain(cluster, here, monkeypatch):
    arguments = here | {"host": "localhost", "hostaddr": "127.0.0.1", "sslrootcert": "system"}
    async with no_socket_left():
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(**arguments)
        monkeypatch.setenv("SSL_CERT_FILE", str(cluster.certificates.authority))
        await (await connect(**arguments)).close()
        with pytest.raises(ssl.SSLCertVerificationError, match="(?i)name"):
            await connect(**arguments | {"host": "db.example.com"})


def name_hash(revocation):
    """OpenSSL looks into a directory for files that are named by a hash of the authority's name."""
    return subprocess.run(["openssl", "crl", "-hash", "-noout", "-in", revocation], check=True, text=True,
                          capture_output=True).stdout.strip()


@tls
@pytest.mark.parametrize("place", ["file", "directory", "home"])
async def test_revoked_server_is_refused(cluster, here, tmp_path, place):
    revocation, directory = cluster.certificates.revocation, tmp_path / "lists"
    directory.mkdir()
    if place == "directory":
        if shutil.which("openssl") is None:
            pytest.skip("missing feature: openssl program")
        shutil.copy(revocation, directory / f"{name_hash(revocation)}.r0")
    arguments = here | {"host": "localhost", "hostaddr": "127.0.0.1",
                        "sslrootcert": str(cluster.certificates.authority)}
    if place == "home":
        (tmp_path / ".postgresql").mkdir()
        shutil.copy(revocation, tmp_path / ".postgresql" / "root.crl")
    keyword = {"file": {"sslcrl": str(revocation)}, "directory": {"sslcrldir": str(directory)}, "home": {}}
    async with no_socket_left():
        for sslmode in ("require", "verify-ca", "verify-full"):
            with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
                await connect(**arguments, **keyword[place], ssl=sslmode)
        # What checks no certificate asks for no list; an empty list revokes nothing.
        await (await connect(**arguments, **keyword[place], ssl="prefer")).close()
        await (await connect(**arguments, sslcrl=str(cluster.certificates.no_revocation), ssl="verify-full")).close()


@tls
@pytest.mark.parametrize(("lowest", "highest", "expected"), [
    (None, None, "TLSv1.3"), ("TLSv1.2", "TLSv1.2", "TLSv1.2"), ("TLSv1.3", None, "TLSv1.3")])
async def test_versions_of_tls_are_kept_to(here, lowest, highest, expected):
    given = {"ssl_min_protocol_version": lowest, "ssl_max_protocol_version": highest}
    connection = await connect(**here, ssl="require", **{name: value for name, value in given.items() if value})
    assert await connection.fetchval("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == expected
    await connection.close()


@tls
async def test_server_that_speaks_only_an_older_tls_is_refused_or_left_for_plain_text(here):
    with Cluster({"ssl_max_protocol_version": "TLSv1.2"}) as old:
        arguments = here | {"port": old.port, "ssl_min_protocol_version": "TLSv1.3"}
        async with no_socket_left(), Relay(old.port) as relay:
            with pytest.raises(ssl.SSLError):
                await connect(**arguments, ssl="require")
            connection = await connect(**arguments | {"port": relay.port}, ssl="prefer")
            assert not await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert len(relay.sent) == 2
            await connection.close()
        with pytest.raises(InvalidAuthorizationSpecificationError) as caught:
            await connect(**arguments | {"user": "nobody_at_all"}, ssl="prefer")
        assert isinstance(caught.value.__cause__, ssl.SSLError)
