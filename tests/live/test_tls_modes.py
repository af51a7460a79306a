"""TLS with the embedded server: every sslmode against every certificate, log-ins bound to the channel, direct TLS."""
import asyncio
import ssl
import warnings

import pytest

import asyncpg_core
from asyncpg_core.opening import warn_of_cleartext
from pgproto.errors import (
    ClientConfigurationError,
    InterfaceError,
    InterfaceWarning,
    InvalidAuthorizationSpecificationError,
    InvalidPasswordError,
)
from tests.support.cluster import (
    CERT_USER,
    CLEARTEXT_USER,
    NO_TLS_USER,
    PASSWORD,
    SCRAM_USER,
    TLS_ONLY_USER,
    TRUST_USER,
    Cluster,
)
from tests.support.features import REASON
from tests.support.open_sockets import no_socket_left
from tests.support.relay import Relay

pytestmark = [pytest.mark.requires("tls"), pytest.mark.usefixtures("bare_environment")]

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@pytest.fixture
def here(cluster):
    return {"host": "localhost", "hostaddr": "127.0.0.1", "port": cluster.port, "database": "postgres"}


@pytest.fixture
def direct(cluster):
    """What direct TLS needs of the server."""
    if "direct tls" not in cluster.features:
        pytest.skip(REASON + "direct tls")


async def is_tls(**arguments):
    """Connect and return whether the server sees TLS on the session."""
    connection = await asyncpg_core.connect(**arguments)
    try:
        return await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    finally:
        await connection.close()


# --- every mode

@pytest.mark.parametrize(("mode", "expected"), [*zip(MODES, (False, False, True, True, True, True), strict=True)])
async def test_each_mode_has_tls_as_it_says(here, cluster, mode, expected):
    root = {"sslrootcert": str(cluster.certificates.authority)} if mode.startswith("verify") else {}
    async with no_socket_left():
        assert await is_tls(**here, user=TRUST_USER, ssl=mode, **root) is expected


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "db.example.com"])
@pytest.mark.parametrize("authority", ["right", "wrong", "none"])
@pytest.mark.parametrize("mode", MODES)
async def test_each_mode_verifies_what_it_says(cluster, mode, authority, name):
    root = {"right": cluster.certificates.authority, "wrong": cluster.certificates.stranger, "none": None}[authority]
    arguments = {"host": name, "hostaddr": "127.0.0.1", "port": cluster.port, "database": "postgres",
                 "user": TRUST_USER, "ssl": mode} | ({} if root is None else {"sslrootcert": str(root)})
    strict = mode.startswith("verify")
    async with no_socket_left():
        if strict and authority == "none":
            with pytest.raises(ClientConfigurationError, match="root certificate"):
                await is_tls(**arguments)
        elif (authority == "wrong" and (strict or mode == "require")) or (
                mode == "verify-full" and name == "db.example.com"):
            with pytest.raises(ssl.SSLCertVerificationError):
                await is_tls(**arguments)
        else:
            assert await is_tls(**arguments) is (mode not in ("disable", "allow"))


@pytest.mark.parametrize("name", ["localhost", "db.example.com"])
async def test_context_of_the_caller_decides_what_is_verified(cluster, here, name):
    context = ssl.create_default_context(cafile=str(cluster.certificates.authority))
    async with no_socket_left():
        if name == "localhost":
            assert await is_tls(**here, user=TRUST_USER, ssl=context)
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                await is_tls(**(here | {"host": name}), user=TRUST_USER, ssl=context)


async def test_ssl_true_means_the_systems_authorities(here):
    async with no_socket_left():
        with pytest.raises(ssl.SSLCertVerificationError):
            await is_tls(**here, user=TRUST_USER, ssl=True)


async def test_server_name_can_be_left_out(here):
    assert await is_tls(**here, user=TRUST_USER, ssl="require", sslsni=0)


async def test_unix_socket_never_has_tls(cluster):
    assert not await is_tls(host=str(cluster.socket_dir), port=cluster.port, user=TRUST_USER, database="postgres",
                            ssl="require")


# --- the second try

@pytest.mark.parametrize(("mode", "expected"), [*zip(MODES, (None, True, True, True, True, True), strict=True)])
async def test_server_that_wants_tls_gets_it_unless_it_is_disabled(here, cluster, mode, expected):
    root = {"sslrootcert": str(cluster.certificates.authority)} if mode.startswith("verify") else {}
    async with no_socket_left():
        if expected is None:
            with pytest.raises(InvalidAuthorizationSpecificationError):
                await is_tls(**here, user=TLS_ONLY_USER, ssl=mode)
        else:
            assert await is_tls(**here, user=TLS_ONLY_USER, ssl=mode, **root)


@pytest.mark.parametrize(("mode", "expected"), [*zip(MODES, (False, False, False, None, None, None), strict=True)])
async def test_server_that_wants_no_tls_is_obeyed_up_to_prefer(here, cluster, mode, expected):
    root = {"sslrootcert": str(cluster.certificates.authority)} if mode.startswith("verify") else {}
    async with no_socket_left():
        if expected is None:
            with pytest.raises(InvalidAuthorizationSpecificationError):
                await is_tls(**here, user=NO_TLS_USER, ssl=mode, **root)
        else:
            assert await is_tls(**here, user=NO_TLS_USER, ssl=mode) is False


async def test_server_without_tls_is_used_in_the_clear_only_up_to_prefer(monkeypatch):
    with Cluster({"ssl": "off"}) as plain:
        for mode in MODES[:3]:
            async with no_socket_left(), Relay(plain.port) as relay:
                assert not await is_tls(host="127.0.0.1", port=relay.port, user=TRUST_USER, database="postgres",
                                        ssl=mode)
                # The socket on which the server declined TLS is the session's.
                assert len(relay.sent) == 1
        for mode in MODES[3:]:
            async with no_socket_left():
                with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
                    await is_tls(host="127.0.0.1", port=plain.port, user=TRUST_USER, database="postgres", ssl=mode,
                                 sslrootcert=str(plain.certificates.authority))


@pytest.mark.parametrize("mode", MODES[:4])
async def test_errors_after_the_log_in_are_not_tried_again(here, cluster, mode):
    async with Relay(cluster.port) as relay:
        with pytest.raises(asyncpg_core.InvalidCatalogNameError):
            await is_tls(**(here | {"port": relay.port, "database": "nowhere"}), user=TRUST_USER, ssl=mode)
        assert len(relay.sent) == 1


# --- client certificates

async def test_client_certificate_logs_in(cluster):
    async with no_socket_left():
        connection = await asyncpg_core.connect(cluster.dsn(CERT_USER, tls=True))
        assert await connection.fetchval(
            "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == f"/CN={CERT_USER}"
        await connection.close()


async def test_default_client_certificate_is_found_in_the_home_directory(cluster, here, tmp_path):
    directory = tmp_path / ".postgresql"
    directory.mkdir()
    for source, name in ((cluster.certificates.client, "postgresql.crt"), (cluster.certificates.authority, "root.crt"),
                         (cluster.certificates.client_key, "postgresql.key")):
        (directory / name).write_bytes(source.read_bytes())
    (directory / "postgresql.key").chmod(0o600)
    assert await is_tls(**here, user=CERT_USER, ssl="verify-full")


async def test_without_a_client_certificate_the_server_refuses(here):
    async with no_socket_left():
        with pytest.raises(InvalidAuthorizationSpecificationError):
            await is_tls(**here, user=CERT_USER, ssl="require")


async def test_client_key_that_others_may_read_is_warned_of_and_refused_by_strict_security(cluster, here, tmp_path):
    key = tmp_path / "open.key"
    key.write_bytes(cluster.certificates.client_key.read_bytes())
    key.chmod(0o644)
    pair = {"sslcert": str(cluster.certificates.client), "sslkey": str(key)}
    async with no_socket_left():
        with pytest.warns(InterfaceWarning, match="0644"):
            assert await is_tls(**here, user=CERT_USER, ssl="require", **pair)
        with pytest.raises(ClientConfigurationError, match="0644"):
            await is_tls(**here, user=CERT_USER, security="strict", sslrootcert=str(cluster.certificates.authority),
                         **pair)


# --- channel binding

@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
async def test_scram_over_tls_with_every_channel_binding(here, binding):
    assert await is_tls(**here, user=SCRAM_USER, password=PASSWORD, ssl="require", channel_binding=binding)


@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
async def test_wrong_password_with_every_channel_binding(here, binding):
    async with no_socket_left():
        with pytest.raises(InvalidPasswordError):
            await is_tls(**here, user=SCRAM_USER, password="wrong", ssl="require", channel_binding=binding)


@pytest.mark.parametrize(("user", "mode"), [
    (SCRAM_USER, "disable"), (CLEARTEXT_USER, "require"), (TRUST_USER, "require")])
async def test_required_channel_binding_refuses_what_has_none(here, user, mode):
    async with no_socket_left():
        with pytest.raises(InterfaceError, match="channel binding is required"):
            await is_tls(**here, user=user, password=PASSWORD, ssl=mode, channel_binding="require")


async def test_strict_security_is_satisfied_by_scram_plus(here, cluster):
    assert await is_tls(**here, user=SCRAM_USER, password=PASSWORD, security="strict",
                        sslrootcert=str(cluster.certificates.authority))
    with pytest.raises(InterfaceError, match="authentication method refused"):
        await is_tls(**here, user=CLEARTEXT_USER, password=PASSWORD, security="strict",
                     sslrootcert=str(cluster.certificates.authority))


# --- the warning

async def test_password_shown_over_unverified_tls_is_warned_of_once(here, cluster):
    warn_of_cleartext.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert await is_tls(**here, user=CLEARTEXT_USER, password=PASSWORD, ssl="require")
    assert [warning.category for warning in caught] == [InterfaceWarning]
    assert "certificate is not verified" in str(caught[0].message)


async def test_password_shown_over_verified_tls_or_hashed_is_not_warned_of(here, cluster):
    warn_of_cleartext.cache_clear()
    root = str(cluster.certificates.authority)
    assert await is_tls(**here, user=CLEARTEXT_USER, password=PASSWORD, ssl="verify-ca", sslrootcert=root)
    assert await is_tls(**here, user=SCRAM_USER, password=PASSWORD, ssl="require")
    assert warn_of_cleartext.cache_info().currsize == 0


# --- direct TLS

@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("way", ["argument", "keyword", "context"])
async def test_direct_tls_sends_no_request(here, cluster, way):
    root = str(cluster.certificates.authority)
    arguments = {
        "argument": {"ssl": "verify-full", "direct_tls": True, "sslrootcert": root},
        "keyword": {"ssl": "verify-full", "sslnegotiation": "direct", "sslrootcert": root},
        "context": {"ssl": ssl.create_default_context(cafile=root), "direct_tls": True},
    }[way]
    async with no_socket_left(), Relay(cluster.port) as relay:
        assert await is_tls(**(here | {"port": relay.port}), user=SCRAM_USER, password=PASSWORD, **arguments)
        assert [bytes(sent[:1]) for sent in relay.sent] == [b"\x16"]


async def test_direct_tls_with_a_server_that_does_not_know_postgresql_is_refused(cluster, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cluster.certificates.server, cluster.certificates.server_key)

    async def accept(reader, writer):
        try:
            await reader.read(-1)
        except ConnectionError:
            pass
        writer.close()

    async with no_socket_left():
        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        with pytest.raises(asyncpg_core.ProtocolError, match="ALPN"):
            await is_tls(host="127.0.0.1", port=server.sockets[0].getsockname()[1], user="u", database="d",
                         ssl="require", direct_tls=True)
        server.close()
        await server.wait_closed()
