"""TLS: what each sslmode checks, which files it needs, in which order to try. Certificates are made here."""
import dataclasses
import shutil
import ssl
import subprocess
import sys

import pytest

from asyncpg_core.given import source
from asyncpg_core.options import SslMode, TcpAddress, TlsOptions, UnixAddress
from asyncpg_core.tls import attempts, context_of, make_context, server_hostname, tls_options, who_else_has_key
from pgproto.errors import ClientConfigurationError, InterfaceWarning

TCP, UNIX = TcpAddress("h", 5432), UnixAddress("/tmp/.s.PGSQL.5432")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="missing feature: openssl program")
posix = pytest.mark.skipif(sys.platform == "win32", reason="missing feature: POSIX file modes")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A directory with a self-signed crt, its key, and the same key under the password `pw`."""
    where = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "crt.pem",
         "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-days", "2"], cwd=where, check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-aes128", "-in", "key.pem", "-out", "locked.pem", "-passout", "pass:pw"],
                   cwd=where, check=True, capture_output=True)
    for name in ("key.pem", "locked.pem"):
        (where / name).chmod(0o600)
    return where


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".postgresql").mkdir()
    return tmp_path


@pytest.fixture
def take(home):
    def take(ssl_argument=None, direct_tls=None, has_tcp=True, **keywords):
        environ = {"HOME": str(home), "APPDATA": str(home)}
        return tls_options(source(keywords, "test"), ssl_argument, direct_tls, has_tcp=has_tcp, environ=environ)
    return take


@pytest.mark.parametrize(("mode", "expected"), [
    (SslMode.disable, ("plain",)), (SslMode.allow, ("plain", "tls")), (SslMode.prefer, ("tls", "plain")),
    (SslMode.require, ("tls",)), (SslMode.verify_ca, ("tls",)), (SslMode.verify_full, ("tls",)),
])
def test_each_mode_tries_its_transports_in_order_and_a_socket_only_plain(mode, expected):
    assert attempts(mode, TCP) == expected
    assert attempts(mode, UNIX) == ("plain",)


@needs_openssl
@pytest.mark.parametrize(("mode", "root", "verify", "hostname"), [
    ("allow", False, ssl.CERT_NONE, False), ("allow", True, ssl.CERT_NONE, False),
    ("prefer", False, ssl.CERT_NONE, False), ("prefer", True, ssl.CERT_NONE, False),
    ("require", False, ssl.CERT_NONE, False), ("require", True, ssl.CERT_REQUIRED, False),
    ("verify-ca", True, ssl.CERT_REQUIRED, False), ("verify-full", True, ssl.CERT_REQUIRED, True),
])
@pytest.mark.parametrize("place", ["keyword", "home"])
def test_each_mode_checks_what_libpq_checks(take, home, certificate, mode, root, verify, hostname, place):
    keywords = {"sslmode": mode}
    if root and place == "keyword":
        keywords["sslrootcert"] = str(certificate / "crt.pem")
    elif root and sys.platform != "win32":
        shutil.copy(certificate / "crt.pem", home / ".postgresql" / "root.crt")
    elif root:
        pytest.skip("missing feature: POSIX home directory")
    context = context_of(take(**keywords))
    assert (context.verify_mode, context.check_hostname) == (verify, hostname)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == (1 if verify else 0)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_verifying_mode_without_a_root_is_refused_with_a_hint(take, mode):
    with pytest.raises(ClientConfigurationError, match="root certificate") as caught:
        take(sslmode=mode)
    assert "sslrootcert=system" in caught.value.hint


def test_named_root_that_is_missing_is_refused(take, tmp_path):
    with pytest.raises(ClientConfigurationError, match="does not exist"):
        take(sslmode="require", sslrootcert=str(tmp_path / "none"))


def test_system_roots_mean_verify_full_and_refuse_weaker_modes(take):
    options = take(sslrootcert="system")
    assert (options.mode, options.root_certificate) == (SslMode.verify_full, "system")
    assert context_of(options).check_hostname
    for mode in ("disable", "allow", "prefer", "require", "verify-ca"):
        with pytest.raises(ClientConfigurationError, match="sslrootcert=system needs verify-full"):
            take(sslmode=mode, sslrootcert="system")


def test_ssl_true_verifies_against_the_system_as_strictly_as_the_default_context(take):
    context = context_of(take(True))
    default = ssl.create_default_context()
    assert (context.verify_mode, context.check_hostname) == (default.verify_mode, default.check_hostname)
    assert context.verify_flags == default.verify_flags


def test_context_of_the_caller_is_used_as_it_is(take):
    own = ssl.create_default_context()
    options = take(own, sslmode="disable")
    assert options.mode is SslMode.require and context_of(options) is own


def test_context_is_made_once(take):
    options = take(sslmode="require")
    assert context_of(options) is context_of(options)
    assert context_of(take(sslmode="require")) is not context_of(options)


def test_alpn_is_set_on_contexts_of_ours(monkeypatch):
    set_to = []
    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", lambda _, protocols: set_to.append(protocols))
    make_context(TlsOptions(mode=SslMode.require))
    assert set_to == [["postgresql"]]


@pytest.mark.parametrize(("keywords", "direct", "expected"), [
    ({"sslmode": "require"}, None, "postgres"), ({"sslmode": "require"}, True, "direct"),
    ({"sslmode": "require", "sslnegotiation": "direct"}, None, "direct"),
    ({"sslmode": "require", "sslnegotiation": "direct"}, False, "postgres"),
])
def test_negotiation_follows_argument_then_keyword(take, keywords, direct, expected):
    assert take(None, direct, **keywords).negotiation == expected


def test_tls_versions_are_taken_and_checked(take):
    options = take(sslmode="require", ssl_min_protocol_version="TLSv1.2", ssl_max_protocol_version="tlsv1.3")
    context = context_of(options)
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    for kind in (ClientConfigurationError, ssl.SSLError):
        with pytest.raises(kind, match="TLS version range, no protocols"):
            take(sslmode="require", ssl_min_protocol_version="TLSv1.3", ssl_max_protocol_version="TLSv1.2")
    for bad in ("SSLv3", "SSLv2", "MINIMUM_SUPPORTED", "1.2"):
        with pytest.raises(ClientConfigurationError, match="invalid ssl_min_protocol_version"):
            take(sslmode="require", ssl_min_protocol_version=bad)


@needs_openssl
def test_client_certificate_is_loaded_with_and_without_a_key_password(take, certificate):
    crt = str(certificate / "crt.pem")
    context_of(take(sslmode="allow", sslcert=crt, sslkey=str(certificate / "key.pem")))
    locked = {"sslmode": "prefer", "sslcert": crt, "sslkey": str(certificate / "locked.pem")}
    options = take(sslpassword="pw", **locked)
    assert "pw" not in repr(options.key_password)
    context_of(options)
    for wrong in ({}, {"sslpassword": "hunter2"}):
        with pytest.raises(ClientConfigurationError, match="cannot be loaded") as caught:
            context_of(take(**locked, **wrong))
        assert "hunter2" not in str(caught.value)


@posix
@needs_openssl
def test_default_certificate_is_used_unless_sslcertmode_disables_it(take, home, certificate):
    for ours, theirs in (("crt.pem", "postgresql.crt"), ("key.pem", "postgresql.key")):
        shutil.copy(certificate / ours, home / ".postgresql" / theirs)
    (home / ".postgresql" / "postgresql.key").chmod(0o600)
    options = take(sslmode="require")
    assert options.certificate.endswith("postgresql.crt") and options.key.endswith("postgresql.key")
    context_of(options)
    assert take(sslmode="require", sslcertmode="disable").certificate is None


@posix
@pytest.mark.parametrize(("owner", "mode", "is_allowed"), [
    (1000, 0o600, True), (1000, 0o400, True), (1000, 0o640, False), (1000, 0o604, False), (0, 0o600, True),
    (0, 0o640, True), (0, 0o660, False), (0, 0o644, False), (0, 0o650, False), (2000, 0o600, False),
])
def test_key_that_others_may_read_is_told_by_its_mode(tmp_path, monkeypatch, owner, mode, is_allowed):
    import os
    path = tmp_path / "key"
    path.write_text("")
    fields = list(os.stat(path))
    fields[0], fields[4] = 0o100000 | mode, owner
    monkeypatch.setattr("asyncpg_core.tls.os.stat", lambda _: os.stat_result(fields))
    monkeypatch.setattr("asyncpg_core.tls.os.geteuid", lambda: 1000)
    if is_allowed:
        assert who_else_has_key(str(path)) is None
    else:
        assert ("owner is 2000" if owner == 2000 else f"mode {mode:04o}") in who_else_has_key(str(path))


@posix
@needs_openssl
def test_key_that_others_may_read_is_warned_of_and_refused_where_security_is_strict(take, certificate, tmp_path):
    key = tmp_path / "open.pem"
    shutil.copy(certificate / "key.pem", key)
    key.chmod(0o644)
    options = take(sslmode="require", sslcert=str(certificate / "crt.pem"), sslkey=str(key))
    with pytest.warns(InterfaceWarning, match="mode 0644"):
        context_of(options)
    with pytest.raises(ClientConfigurationError, match="mode 0644"):
        make_context(dataclasses.replace(options, refuses_open_key=True))


def test_key_that_is_missing_or_a_directory_is_refused(tmp_path):
    with pytest.raises(ClientConfigurationError, match="cannot be read"):
        who_else_has_key(str(tmp_path / "none"))
    with pytest.raises(ClientConfigurationError, match="not a plain file"):
        who_else_has_key(str(tmp_path))


@needs_openssl
def test_revocation_list_turns_on_the_check_of_the_chain(take, certificate, tmp_path):
    root = str(certificate / "crt.pem")
    by_directory = take(sslmode="verify-ca", sslrootcert=root, sslcrldir=str(tmp_path))
    assert context_of(by_directory).verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN == ssl.VERIFY_CRL_CHECK_CHAIN
    with pytest.raises(ClientConfigurationError, match="invalid sslcrl"):
        context_of(take(sslmode="verify-ca", sslrootcert=root, sslcrl=str(tmp_path / "none")))
    assert take(sslmode="require", sslcrl="/none").revocation_list is None


def test_key_log_file_is_honoured(take, tmp_path):
    path = tmp_path / "keys"
    assert context_of(take(sslmode="require", sslkeylogfile=str(path))).keylog_filename == str(path)
    with pytest.raises(ClientConfigurationError, match="invalid sslkeylogfile"):
        context_of(take(sslmode="require", sslkeylogfile=str(tmp_path / "none" / "keys")))


def test_server_name_is_the_host_unless_sni_is_off(take):
    assert server_hostname(take(sslmode="require"), TcpAddress("h", 1, "127.0.0.1")) == "h"
    assert server_hostname(take(sslmode="require", sslsni="0"), TCP) is None
    assert server_hostname(take(sslmode="require"), UNIX) is None
    with pytest.raises(ClientConfigurationError, match="invalid sslsni"):
        take(sslrootcert="system", sslsni="0")


def shake_hands(client_context, server_context, name):
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return client, server


@needs_openssl
def test_handshake_negotiates_postgresql_and_verify_full_refuses_another_name(take, certificate):
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate / "crt.pem", certificate / "key.pem")
    server_context.set_alpn_protocols(["postgresql"])
    root = str(certificate / "crt.pem")
    full = context_of(take(sslmode="verify-full", sslrootcert=root))
    client, server = shake_hands(full, server_context, "localhost")
    assert client.selected_alpn_protocol() == server.selected_alpn_protocol() == "postgresql"
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(full, server_context, "other")
    client, _ = shake_hands(context_of(take(sslmode="verify-ca", sslrootcert=root)), server_context, "other")
    assert client.getpeercert() != {}
