"""Every keyword of libpq 18 from every place where it can stand: what it does or why it is refused, what is sent."""
import ssl
from urllib.parse import quote

import pytest

from asyncpg_core.dsn import resolve
from asyncpg_core.keywords import ENVIRONMENT, KEYWORDS, REFUSED
from asyncpg_core.opening import startup_parameters
from asyncpg_core.options import SslMode
from pgproto.errors import ClientConfigurationError

FILE = __file__  # that exists is all that is asked of a root certificate here
VERIFYING = {"PGSSLMODE": "verify-ca", "PGSSLROOTCERT": FILE}
REQUIRING = {"PGSSLMODE": "require"}

# keyword: (value, what it does to the options, the variables that it needs beside it)
HONOURED = {
    "host": ("h.example", lambda o: o.addresses[0].host == "h.example", {}),
    "hostaddr": ("192.0.2.1", lambda o: o.addresses[0].dialled == "192.0.2.1", {}),
    "port": ("6543", lambda o: {getattr(each, "port", 6543) for each in o.addresses} == {6543}, {}),
    "dbname": ("some db", lambda o: o.database == "some db", {}),
    "user": ("some one", lambda o: o.user == "some one", {}),
    "password": ("p w", lambda o: o.passwords[0].reveal() == "p w", {}),
    "passfile": ("PASSFILE", lambda o: o.passwords[0].reveal() == "from the file", {}),
    "service": ("here", lambda o: o.database == "of the service", {"PGSERVICEFILE": "SERVICEFILE"}),
    "servicefile": ("SERVICEFILE", lambda o: o.database == "of the service", {"PGSERVICE": "here"}),
    "connect_timeout": ("7", lambda o: o.connect_timeout == 7, {}),
    "client_encoding": ("LATIN1", lambda o: startup_parameters(o)["client_encoding"] == "LATIN1", {}),
    "options": ("-c geqo=off", lambda o: startup_parameters(o)["options"] == "-c geqo=off", {}),
    "application_name": ("an app", lambda o: startup_parameters(o)["application_name"] == "an app", {}),
    "fallback_application_name": ("a way out", lambda o: startup_parameters(o)["application_name"] == "a way out", {}),
    "keepalives": ("0", lambda o: o.keepalives is False, {}),
    "keepalives_idle": ("11", lambda o: o.keepalives_idle == 11, {}),
    "keepalives_interval": ("12", lambda o: o.keepalives_interval == 12, {}),
    "keepalives_count": ("13", lambda o: o.keepalives_count == 13, {}),
    "tcp_user_timeout": ("1400", lambda o: o.tcp_user_timeout == 1400, {}),
    "sslmode": ("require", lambda o: o.tls.mode is SslMode.require, {}),
    "sslnegotiation": ("direct", lambda o: o.tls.negotiation == "direct", REQUIRING),
    "sslcompression": ("1", lambda o: True, {}),    # as in libpq, which knows the keyword and has no compression
    "sslcert": ("/c.crt", lambda o: o.tls.certificate == "/c.crt", {}),
    "sslkey": ("/c.key", lambda o: o.tls.key == "/c.key", {"PGSSLCERT": "/c.crt"}),
    "sslcertmode": ("disable", lambda o: o.tls.certificate is None, {"PGSSLCERT": "/c.crt"}),
    "sslpassword": ("k w", lambda o: o.tls.key_password.reveal() == "k w", {}),
    "sslrootcert": ("system", lambda o: (o.tls.root_certificate, o.tls.mode) == ("system", SslMode.verify_full), {}),
    "sslcrl": ("/r.crl", lambda o: o.tls.revocation_list == "/r.crl", VERIFYING),
    "sslcrldir": ("/crls", lambda o: o.tls.revocation_directory == "/crls", VERIFYING),
    "sslsni": ("0", lambda o: o.tls.server_name_indication is False, {}),
    "sslkeylogfile": ("/k.log", lambda o: o.tls.key_log_file == "/k.log", {}),
    "ssl_min_protocol_version": ("TLSv1.3", lambda o: o.tls.minimum_version is ssl.TLSVersion.TLSv1_3, {}),
    "ssl_max_protocol_version": ("TLSv1.2", lambda o: o.tls.maximum_version is ssl.TLSVersion.TLSv1_2, {}),
    "requirepeer": ("pg", lambda o: o.requirepeer == "pg", {}),
    "require_auth": ("!md5,!password", lambda o: o.require_auth == "!md5,!password", {}),
    "channel_binding": ("disable", lambda o: o.channel_binding == "disable", {}),
    "min_protocol_version": ("3.2", lambda o: o.min_protocol_version == (3, 2), {}),
    "max_protocol_version": ("latest", lambda o: o.max_protocol_version == (3, 2), {}),
    "gssencmode": ("prefer", lambda o: True, {}),   # what can be had without, and so is
    "krbsrvname": ("pg", lambda o: o.krbsrvname == "pg", {}),
    "gsslib": ("sspi", lambda o: o.gsslib == "sspi", {}),
    "gssdelegation": ("1", lambda o: o.gssdelegation, {}),
    "target_session_attrs": ("prefer-standby", lambda o: o.target_session_attrs == "prefer-standby", {}),
    "load_balance_hosts": ("random", lambda o: o.load_balance_hosts, {}),
    "replication": ("off", lambda o: True, {}),     # an ordinary session is what there is
}
# keyword: (a value that asks for what we do not do, a word of the reason)
NOT_DONE = {
    "gssencmode": ("require", "TLS"), "replication": ("database", "replication"), "sslcertmode": ("require", "ssl"),
    "scram_client_key": ("AAAA", "password"),
    "scram_server_key": ("AAAA", "password"), "oauth_issuer": ("https://i.example", "OAuth"),
    "oauth_client_id": ("x", "OAuth"), "oauth_client_secret": ("hidden", "OAuth"), "oauth_scope": ("x", "OAuth"),
}
# keyword: a value that means nothing; the others take any text, or name a file.
SENSELESS = {
    "hostaddr": "no address", "port": "none", "connect_timeout": "soon", "keepalives": "yes", "keepalives_idle": "1s",
    "keepalives_interval": "x", "keepalives_count": "1.5", "tcp_user_timeout": "99999999999", "sslmode": "perhaps",
    "sslnegotiation": "x", "sslcompression": "x", "sslcertmode": "x", "sslsni": "on",
    "ssl_min_protocol_version": "SSLv3", "ssl_max_protocol_version": "TLSv2", "require_auth": "telepathy",
    "channel_binding": "x", "min_protocol_version": "3.1", "max_protocol_version": "4.0", "gssencmode": "x",
    "gsslib": "heimdal", "gssdelegation": "x", "target_session_attrs": "leader", "load_balance_hosts": "x",
    "replication": "x",
}
# What libpq's own packet has for an ordinary session.
SENT = {"user", "database", "client_encoding", "application_name", "options"}
PLACES = ("uri", "pairs", "argument", "environment", "service")


def test_tables_name_every_keyword():
    assert HONOURED.keys() | NOT_DONE.keys() == KEYWORDS
    assert NOT_DONE.keys() <= REFUSED.keys()


@pytest.fixture
def take(tmp_path):
    """Resolve one keyword from one place; None where it cannot stand there."""
    passfile = tmp_path / "passfile"
    passfile.write_text("*:*:*:*:from the file\n")
    passfile.chmod(0o600)
    services = tmp_path / "services"
    services.write_text("[here]\ndbname=of the service\n")

    def located(value):
        return {"PASSFILE": str(passfile), "SERVICEFILE": str(services)}.get(value, value)

    def take(place, name, value, beside=()):
        value = located(value)
        environ = {"HOME": str(tmp_path), "APPDATA": str(tmp_path)} | {
            variable: located(text) for variable, text in dict(beside).items()}
        if name not in ("user", "service"):
            environ.setdefault("PGUSER", "u")
        dsn, arguments = None, {}
        if place == "uri":
            dsn = f"postgresql:///?{name}={quote(value, safe='')}"
        elif place == "pairs":
            dsn = f"{name} = '{value}'"
        elif place == "argument":
            arguments = {"database" if name == "dbname" else "ssl" if name == "sslmode" else name: value}
        elif place == "environment":
            if name not in ENVIRONMENT:
                return None
            environ[ENVIRONMENT[name]] = value
        else:
            if name in ("service", "servicefile"):
                return None     # a service cannot name another
            (tmp_path / "more").write_text(f"[it]\n{name}={value}\n")
            environ |= {"PGSERVICE": "it", "PGSERVICEFILE": str(tmp_path / "more")}
        return resolve(dsn, environ=environ, **arguments)

    return take


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", sorted(HONOURED))
def test_keyword_does_what_it_says_wherever_it_stands(take, name, place):
    value, does_it, beside = HONOURED[name]
    options = take(place, name, value, beside)
    if options is None:
        return
    assert does_it(options)
    assert startup_parameters(options).keys() <= SENT
    assert options.server_settings.keys() <= {"application_name", "client_encoding", "options"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", sorted(NOT_DONE))
def test_keyword_that_asks_for_what_is_not_done_is_refused_with_the_reason(take, name, place):
    value, reason = NOT_DONE[name]
    if place == "environment" and name not in ENVIRONMENT:
        return
    with pytest.raises(ClientConfigurationError, match=f"invalid {name}: .*{reason}") as caught:
        take(place, name, value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", sorted(SENSELESS))
def test_senseless_value_is_refused_by_the_name_of_the_keyword(take, name, place):
    if place == "environment" and name not in ENVIRONMENT:
        return
    with pytest.raises(ClientConfigurationError, match=name):
        take(place, name, SENSELESS[name], VERIFYING if name.startswith("sslcrl") else {})


@pytest.mark.parametrize("name", sorted(KEYWORDS))
def test_blank_value_is_as_good_as_none(take, name):
    for place in ("uri", "pairs", "environment", "service"):
        options = take(place, name, "")
        if options is not None:
            assert startup_parameters(options).keys() <= SENT


def test_variable_for_a_terminals_encoding_is_not_asked():
    options = resolve(environ={"PGUSER": "u", "PGCLIENTENCODING": "LATIN1"})
    assert startup_parameters(options)["client_encoding"] == "UTF8"
