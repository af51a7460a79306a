"""Every sslmode against every server and certificate, every method against every credential: libpq's manual as a table.

https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS
https://www.postgresql.org/docs/current/auth-methods.html
"""
import ssl

import pytest

from asyncpg_core import connect
from pgproto.errors import ClientConfigurationError, InvalidAuthorizationSpecificationError, InvalidPasswordError
from tests.support.certificates import make_certificates
from tests.support.cluster import (
    CERT_USER,
    CLEARTEXT_USER,
    MD5_USER,
    PASSWORD,
    SCRAM_USER,
    TRUST_USER,
    Cluster,
)
from tests.support.open_sockets import no_socket_left

try:
    import psycopg
except ImportError:
    psycopg = None

pytestmark = [
    pytest.mark.requires("tls"), pytest.mark.usefixtures("bare_environment"),
    pytest.mark.filterwarnings("ignore:the server asks for the password itself")]

# What the client knows of the authority, and the name by which it calls the server.
KNOWN = ("right", "wrong authority", "wrong name", "no authority")
# sslmode: outcomes with a server that does TLS, in the order of KNOWN, and with one that does not.
MODES = {
    "disable": (("plain", "plain", "plain", "plain"), ("plain", "plain", "plain", "plain")),
    "allow": (("plain", "plain", "plain", "plain"), ("plain", "plain", "plain", "plain")),
    "prefer": (("tls", "tls", "tls", "tls"), ("plain", "plain", "plain", "plain")),
    # "If a root CA file exists, the behavior of sslmode=require will be the same as that of verify-ca."
    "require": (("tls", "unverified", "tls", "tls"), ("no tls", "no tls", "no tls", "no tls")),
    "verify-ca": (("tls", "unverified", "tls", "no file"), ("no tls", "no tls", "no tls", "no file")),
    "verify-full": (("tls", "unverified", "unverified", "no file"), ("no tls", "no tls", "no tls", "no file")),
}
# Where libpq itself comes to something else. It looks at the certificate in mode prefer too, if a file is named, and
# goes on in the clear when it does not like it; asyncpg does not look. It reads files only when the server does TLS.
LIBPQ = {("prefer", True, "wrong authority"): "plain", ("verify-ca", False, "no authority"): "no tls",
         ("verify-full", False, "no authority"): "no tls"}

IN, WRONG_PASSWORD, REFUSED, HANDSHAKE = "let in", "28P01", "28000", "refused in the handshake"
BY_PASSWORD = {PASSWORD: IN, "wrong": WRONG_PASSWORD, None: WRONG_PASSWORD}
# user: what becomes of each password, in the clear and with TLS
LOG_INS = {
    TRUST_USER: {PASSWORD: IN, "wrong": IN, None: IN},
    CLEARTEXT_USER: BY_PASSWORD,
    MD5_USER: BY_PASSWORD,
    SCRAM_USER: BY_PASSWORD,
}
BY_CERTIFICATE = {"right": IN, "another's": REFUSED, "stranger's": HANDSHAKE, None: REFUSED}


@pytest.fixture(scope="module")
def plain_server():
    """A server that was built with TLS and has it turned off."""
    with Cluster({"ssl": "off"}) as plain:
        yield plain


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Certificates of another authority that has the same name."""
    return make_certificates(tmp_path_factory.mktemp("strangers"))


def arguments_of(mode, does_tls, known, cluster, plain_server):
    root = {"right": cluster.certificates.authority, "wrong name": cluster.certificates.authority,
            "wrong authority": cluster.certificates.stranger, "no authority": None}[known]
    return {"host": "db.example.com" if known == "wrong name" else "localhost", "hostaddr": "127.0.0.1",
            "port": (cluster if does_tls else plain_server).port, "user": TRUST_USER, "sslmode": mode,
            **({} if root is None else {"sslrootcert": str(root)})}


async def outcome_of_ours(arguments):
    try:
        connection = await connect(database="postgres", **arguments)
    except ssl.SSLCertVerificationError:
        return "unverified"
    except ClientConfigurationError as error:
        assert "root certificate file" in str(error)
        return "no file"
    except ConnectionError as error:
        assert "rejected SSL upgrade" in str(error)
        return "no tls"
    has_tls = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    await connection.close()
    return "tls" if has_tls else "plain"


def outcome_of_libpq(arguments):
    texts = {"certificate verify failed": "unverified", "does not match host name": "unverified",
             "root certificate file": "no file", "server does not support SSL": "no tls"}
    try:
        with psycopg.connect(dbname="postgres", **arguments) as connection:
            return "tls" if connection.pgconn.ssl_in_use else "plain"
    except psycopg.OperationalError as error:
        (outcome,) = {outcome for text, outcome in texts.items() if text in str(error)}
        return outcome


@pytest.mark.parametrize("does_tls", [True, False])
@pytest.mark.parametrize("mode", MODES)
async def test_sslmode_against_server_and_certificate(cluster, plain_server, mode, does_tls):
    async with no_socket_left():
        came = [await outcome_of_ours(arguments_of(mode, does_tls, known, cluster, plain_server)) for known in KNOWN]
    assert came == [*MODES[mode][not does_tls]]


@pytest.mark.skipif(psycopg is None, reason="missing feature: libpq oracle")
@pytest.mark.parametrize("does_tls", [True, False])
def test_table_of_sslmodes_is_libpqs(cluster, plain_server, does_tls):
    for mode, outcomes in MODES.items():
        expected = [LIBPQ.get((mode, does_tls, known), outcome)
                    for known, outcome in zip(KNOWN, outcomes[not does_tls], strict=True)]
        came = [outcome_of_libpq(arguments_of(mode, does_tls, known, cluster, plain_server)) for known in KNOWN]
        assert (mode, came) == (mode, expected)


async def log_in(user, arguments):
    try:
        connection = await connect(host="127.0.0.1", user=user, database="postgres", **arguments)
    except InvalidPasswordError:
        return WRONG_PASSWORD
    except InvalidAuthorizationSpecificationError:
        return REFUSED
    except (ssl.SSLError, ConnectionError):
        # TLS 1.3 tells of a refused certificate behind the handshake, maybe together with the end.
        return HANDSHAKE
    assert await connection.fetchval("SELECT current_user::text") == user
    await connection.close()
    return IN


@pytest.mark.parametrize("user", LOG_INS)
async def test_method_against_password(cluster, user):
    async with no_socket_left():
        for sslmode in ("disable", "require"):
            given = {"port": cluster.port, "ssl": sslmode}
            came = {password: await log_in(user, given | {"password": password}) for password in LOG_INS[user]}
            assert came == LOG_INS[user]


@pytest.mark.requires("scram-plus")
@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
async def test_scram_with_every_channel_binding_against_password(cluster, binding):
    given = {"port": cluster.port, "ssl": "require", "channel_binding": binding, "require_auth": "scram-sha-256"}
    async with no_socket_left():
        came = {password: await log_in(SCRAM_USER, given | {"password": password}) for password in BY_PASSWORD}
    assert came == BY_PASSWORD


# A server's key belongs to the account that it runs as.
@pytest.mark.filterwarnings("ignore:private key file")
async def test_client_certificate_against_authority_and_name(cluster, strangers):
    ours = cluster.certificates
    pairs = {"right": (ours.client, ours.client_key), "another's": (ours.server, ours.server_key),
             "stranger's": (strangers.client, strangers.client_key), None: ("", "")}
    async with no_socket_left():
        came = {whose: await log_in(CERT_USER, {"port": cluster.port, "ssl": "require", "sslcert": str(certificate),
                                                "sslkey": str(key)}) for whose, (certificate, key) in pairs.items()}
        assert came == BY_CERTIFICATE
        assert await log_in(CERT_USER, {"port": cluster.port, "ssl": "disable"}) == REFUSED
