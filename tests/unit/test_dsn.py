"""`resolve`: who wins, what is honoured, what is refused."""
import enum
import ssl
import sys

import pytest

from asyncpg_core.dsn import resolve
from asyncpg_core.keywords import KEYWORDS, REFUSED
from asyncpg_core.options import SslMode, TcpAddress, UnixAddress
from pgproto.errors import ClientConfigurationError

try:
    from psycopg import pq
except ImportError:
    pq = None

posix = pytest.mark.skipif(sys.platform == "win32", reason="missing feature: Unix sockets")


@pytest.fixture
def take(tmp_path):
    def take(dsn=None, *, env=None, **arguments):
        arguments.setdefault("user", "u")
        environ = {"HOME": str(tmp_path), "APPDATA": str(tmp_path), **(env or {})}
        return resolve(dsn, environ=environ, **arguments)
    return take


def tcp(*pairs):
    return tuple(TcpAddress(host, port) for host, port in pairs)


@pytest.mark.parametrize(("arguments", "expected"), [
    ({"host": "a"}, tcp(("a", 5432))),
    ({"host": "a,b"}, tcp(("a,b", 5432))),
    ({"host": "::1", "port": 6}, tcp(("::1", 6))),
    ({"host": ["a", "b"], "port": [1, "2"]}, tcp(("a", 1), ("b", 2))),
    ({"host": ("a", "b"), "port": [1]}, tcp(("a", 1), ("b", 1))),
    ({"host": ["a", "b"], "port": "1,2"}, tcp(("a", 1), ("b", 2))),
    ({"host": "a", "port": "12"}, tcp(("a", 12))),
    ({"host": "a", "env": {"PGPORT": "7"}}, tcp(("a", 7))),
    ({"host": "a", "env": {"PGHOST": "b", "PGPORT": "7"}}, tcp(("a", 7))),
    ({"env": {"PGHOST": "a:7,b", "PGPORT": "1,2"}}, tcp(("a", 7), ("b", 2))),
    ({"env": {"PGHOST": "a:7,b"}}, tcp(("a", 7), ("b", 5432))),
    ({"env": {"PGHOST": "::1"}}, tcp(("::1", 5432))),
    ({"dsn": "postgres://a:1,b/db"}, tcp(("a", 1), ("b", 5432))),
    ({"dsn": "postgres://a,b/db", "env": {"PGPORT": "9"}}, tcp(("a", 9), ("b", 9))),
    ({"dsn": "postgres://a:1,b/db", "host": "x"}, tcp(("x", 5432))),
    ({"dsn": "postgres://a:1/db?host=z&port=4"}, tcp(("a", 1))),
    ({"dsn": "postgres://a/db?port=4"}, tcp(("a", 4))),
    ({"dsn": "postgres://a:1/db", "port": 9}, tcp(("a", 9))),
    ({"dsn": "postgres:///db?host=z:9,[::1]:3&port=4"}, tcp(("z", 4), ("::1", 4))),
    ({"dsn": "postgres:///db?host=z:9,[::1]:3"}, tcp(("z", 9), ("::1", 3))),
    ({"dsn": "postgres:///db?host=z&port=4", "host": "x"}, tcp(("x", 4))),
    ({"dsn": "postgres://a/db?host=z&port=4"}, tcp(("a", 5432))),
    ({"dsn": "postgres://h:5/d", "host": "h2", "env": {"PGPORT": "8"}}, tcp(("h2", 8))),
    ({"dsn": "postgres://a:1,b/db", "port": 9}, tcp(("a", 9), ("b", 9))),
    ({"dsn": "postgres://a:1,b/db", "env": {"PGPORT": "9"}}, tcp(("a", 1), ("b", 5432))),  # libpq; asyncpg: b:9
    ({"host": ["/tmp", "a"]}, (UnixAddress("/tmp/.s.PGSQL.5432"), TcpAddress("a", 5432))),
    ({"dsn": "postgres:///db?port=4", "host": "x"}, tcp(("x", 4))),
    ({"dsn": "host=a,b port=1,2"}, tcp(("a", 1), ("b", 2))),
    ({"dsn": "postgres://[::1]:5/d"}, tcp(("::1", 5))),
    ({"dsn": "postgres://h:/d"}, tcp(("h", 5432))),
    ({"dsn": "postgres://a?hostaddr=127.0.0.1"}, (TcpAddress("a", 5432, "127.0.0.1"),)),
    ({"hostaddr": "127.0.0.1,::1", "port": "1,2"},
     (TcpAddress("127.0.0.1", 1, "127.0.0.1"), TcpAddress("::1", 2, "::1"))),
    ({"dsn": "postgres://a?hostaddr=127.0.0.1", "host": "x"}, tcp(("x", 5432))),
    ({"host": "x", "env": {"PGHOSTADDR": "127.0.0.1"}}, (TcpAddress("x", 5432, "127.0.0.1"),)),
    ({"host": "/tmp"}, (UnixAddress("/tmp/.s.PGSQL.5432"),)),
    ({"host": "/tmp/.s.PGSQL.77", "port": 5}, (UnixAddress("/tmp/.s.PGSQL.77"),)),
    ({"dsn": "postgres://%2Ftmp%2Fx:77/d"}, (UnixAddress("/tmp/x/.s.PGSQL.77"),)),
    ({"env": {"PGHOST": "/a:b"}}, (UnixAddress("/a:b/.s.PGSQL.5432"),)),
    ({"host": "@pg"}, (UnixAddress("@pg/.s.PGSQL.5432"),)),
    ({"dsn": "host=@pg port=7"}, (UnixAddress("@pg/.s.PGSQL.7"),)),
])
def test_addresses_come_from_the_strongest_source_that_names_a_host(take, arguments, expected):
    arguments = dict(arguments)
    assert take(arguments.pop("dsn", None), **arguments).addresses == expected


@posix
@pytest.mark.parametrize("arguments", [{}, {"host": ""}, {"host": []}, {"dsn": "postgres://"}])
def test_without_a_host_the_usual_sockets_are_tried_before_localhost(take, arguments):
    arguments = dict(arguments)
    assert take(arguments.pop("dsn", None), port=7, **arguments).addresses == (
        UnixAddress("/run/postgresql/.s.PGSQL.7"), UnixAddress("/var/run/postgresql/.s.PGSQL.7"),
        UnixAddress("/tmp/.s.PGSQL.7"), UnixAddress("/private/tmp/.s.PGSQL.7"), TcpAddress("localhost", 7))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"host": ["a", "b"], "port": [1, 2, 3]}, "could not match 3 port numbers to 2 hosts"),
    ({"dsn": "postgres:///db?host=z,y&port=4,5,6"}, "could not match 3 port numbers to 2 hosts"),
    ({"host": "a", "hostaddr": "127.0.0.1,::1"}, "could not match 2 hostaddr values to 1 hosts"),
    ({"host": "a", "port": 0}, "invalid port"), ({"host": "a", "port": -1}, "invalid port"),
    ({"host": "a", "port": 65536}, "invalid port"), ({"host": "a", "port": "x"}, "invalid port"),
    ({"host": "a", "port": 1.5}, "invalid port"), ({"host": "a", "port": True}, "invalid port"),
    ({"host": "a", "port": [None]}, "invalid port"), ({"host": 5}, "invalid host"),
    ({"dsn": "postgres://h:x/d"}, "invalid port"), ({"hostaddr": "name"}, "invalid hostaddr"),
    ({"env": {"PGHOST": "[::1"}}, "invalid host"), ({"user": 5}, "invalid user"), ({"password": b"x"}, "password"),
    ({"target_session_attrs": "x"}, "invalid target_session_attrs"), ({"gsslib": "x"}, "gsslib parameter must be"),
    ({"dsn": "postgres://h?load_balance_hosts=x"}, "invalid load_balance_hosts"),
    ({"channel_binding": "maybe"}, "invalid channel_binding"), ({"env": {"PGSSLMODE": "x"}}, "PGSSLMODE"),
    ({"ssl": "foo"}, "invalid sslmode.*argument sslmode"), ({"ssl": 5}, "invalid ssl"),
    ({"server_settings": {"a": 1}}, "invalid server_settings"), ({"server_settings": "a"}, "invalid server_settings"),
    ({"server_settings": {"user": "x"}}, "invalid server_settings"), ({"server_settings": {"": "x"}}, "settings"),
    ({"dsn": "postgres://h?connect_timeout=x"}, "invalid connect_timeout"),
    ({"connect_timeout": float("nan")}, "invalid connect_timeout"),
    ({"dsn": "postgres://h?keepalives_idle=x"}, "invalid keepalives_idle"),
    ({"dsn": "postgres://h?tcp_user_timeout=99999999999"}, "invalid tcp_user_timeout"),
    ({"require_auth": "md5,!gss"}, "invalid require_auth"), ({"require_auth": "md5,md5"}, "invalid require_auth"),
    ({"require_auth": "telepathy"}, "invalid require_auth"), ({"min_protocol_version": "3.1"}, "min_protocol_version"),
    ({"min_protocol_version": "3.2", "max_protocol_version": "3.0"}, "above max_protocol_version"),
    ({"security": "lax"}, "invalid security"), ({"host": "h", "ssl": "prefer", "direct_tls": True}, "direct TLS"),
    ({"dsn": "postgres://h?sslmode=prefer&sslnegotiation=direct"}, "direct TLS"),
])
def test_bad_settings_are_refused_by_name(take, arguments, message):
    arguments = dict(arguments)
    with pytest.raises(ClientConfigurationError, match=message):
        take(arguments.pop("dsn", None), **arguments)


def test_timeout_nan_is_refused_and_none_is_unlimited(take):
    with pytest.raises(ValueError, match="invalid timeout"):
        take(timeout=float("nan"))
    assert take(timeout=None).timeout is None
    assert take(timeout=0).timeout == 0


def test_unknown_argument_is_a_type_error(take):
    with pytest.raises(TypeError, match="'hots'"):
        take(hots="a")


@pytest.mark.parametrize("name", ["user", "password", "database", "host", "service", "passfile", "application_name",
                                  "krbsrvname", "options", "sslrootcert", "requirepeer"])
def test_nul_is_refused_naming_the_option(take, name):
    with pytest.raises(ClientConfigurationError, match=f"invalid {name}: it contains a NUL byte"):
        take(**{name: "hunter2\0"})


def test_nul_and_lone_surrogates_are_refused_in_settings_and_dsn(take):
    for settings in ({"a\0": "b"}, {"a": "b\0"}, {"a": "\ud800"}):
        with pytest.raises(ClientConfigurationError, match="invalid server_settings"):
            take(server_settings=settings)
    with pytest.raises(ClientConfigurationError, match="NUL"):
        take("postgres://h/d%00")
    with pytest.raises(ClientConfigurationError, match="NUL"):
        take("host=a\0")


def test_precedence_is_argument_location_query_service_environment(take, tmp_path):
    (tmp_path / ".pg_service.conf").write_text("[s]\ndbname=from_service\nuser=s\n")
    rest = {"service": "s", "user": None, "env": {"PGDATABASE": "from_env", "PGUSER": "e"}}
    assert take("postgres://h/path?dbname=query", database="argument", **rest).database == "argument"
    assert take("postgres://h/path?dbname=query", **rest).database == "path"
    assert take("postgres://h?dbname=query", **rest).database == "query"
    assert take("postgres://h/", **rest).database == "from_service"
    assert take("postgres://h/", **rest).user == "s"
    assert take("postgres://h/", env={"PGDATABASE": "from_env"}).database == "from_env"
    assert take("postgres://h/", env={"PGDATABASE": ""}).database == "u"


def test_service_is_honoured_from_argument_query_and_environment_without_a_dsn(take, tmp_path):
    (tmp_path / ".pg_service.conf").write_text("[s]\nhost=sh\nport=77\nsslmode=disable\n")
    for arguments in ({"service": "s"}, {"dsn": "postgres://?service=s"}, {"env": {"PGSERVICE": "s"}},
                      {"dsn": "service=s"}):
        dsn = arguments.pop("dsn", None)
        assert take(dsn, **arguments).addresses == tcp(("sh", 77))


def test_user_defaults_to_the_operating_systems(take, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "me")
    assert take(user=None, env={"PGUSER": ""}).user == "me"
    assert take(user=None).database == "me"


def test_str_subclasses_become_plain_text(take):
    class Word(str, enum.Enum):
        user = "alice"
        host = "h"
        read_write = "read-write"

        def __str__(self):
            return "not this"

    options = take(user=Word.user, password=Word.user, host=Word.host, database=Word.user, port="5432",
                   target_session_attrs=Word.read_write, server_settings={Word.user: Word.user})
    assert type(options.user) is str and options.user == options.database == "alice"
    assert type(options.addresses[0].host) is str
    assert options.target_session_attrs == "read-write"
    assert [(type(name), value) for name, value in options.server_settings.items()] == [(str, "alice")]
    assert options.passwords[0].reveal() == "alice"


@pytest.mark.parametrize("mode", list(SslMode))
def test_ssl_takes_a_mode_by_enum_or_name_and_the_argument_beats_the_dsn(take, mode, tmp_path):
    root = tmp_path / "root.crt"
    root.write_text("")
    for value in (mode, mode.libpq_name, mode.name):
        assert take("postgres://h?sslmode=allow", ssl=value, sslrootcert=str(root)).tls.mode is mode


def test_ssl_default_is_prefer_with_tcp_and_disable_without(take):
    assert take(host="h").tls.mode is SslMode.prefer
    assert take(host="/tmp").tls.mode is SslMode.disable
    assert take(host="h", ssl=False).tls.mode is SslMode.disable
    assert take(host="h", env={"PGSSLMODE": "require"}).tls.mode is SslMode.require
    assert take(host="h", ssl=True).tls.root_certificate == "system"
    context = ssl.create_default_context()
    assert take(host="h", ssl=context).tls.context is context
    assert take(host="h", ssl=context, direct_tls=True).tls.negotiation == "direct"


def test_unknown_dsn_names_become_settings_and_the_argument_overrides_them(take):
    options = take("postgres://h/d?application_name=a+b&options=-c%20a=b&foo=bar", server_settings={"FOO": "baz"})
    assert options.server_settings == {"application_name": "a b", "options": "-c a=b", "FOO": "baz"}


def test_environment_settings_are_sent_as_libpq_does(take):
    env = {"PGTZ": "UTC", "PGDATESTYLE": "default", "PGGEQO": "off", "PGAPPNAME": "app", "PGOPTIONS": "-c x=1",
           "PGCLIENTENCODING": "latin1"}
    assert take(env=env).server_settings == {
        "timezone": "UTC", "geqo": "off", "application_name": "app", "options": "-c x=1"}
    assert take(env=env, server_settings={"TimeZone": "GMT"}).server_settings["TimeZone"] == "GMT"
    assert "timezone" not in take(env=env, server_settings={"TimeZone": "GMT"}).server_settings


def test_how_to_prepare_can_stand_in_the_dsn_and_is_no_setting_of_the_server(take):
    options = take("postgres://h/d?prepare=never&foo=bar")
    assert (options.prepare, options.server_settings) == ("never", {"foo": "bar"})
    assert take("host=h").prepare is None
    with pytest.raises(ClientConfigurationError, match=r"invalid prepare: .* got 'maybe' \(DSN\)"):
        take("postgres://h/d?prepare=maybe")


def test_fallback_application_name_gives_way(take):
    assert take("postgres://h?fallback_application_name=f").server_settings == {"application_name": "f"}
    assert take("postgres://h?fallback_application_name=f",
                env={"PGAPPNAME": "a"}).server_settings == {"application_name": "a"}


HONOURED = [
    ("connect_timeout=2", "connect_timeout", 2.0), ("connect_timeout=0", "connect_timeout", None),
    ("connect_timeout=-1", "connect_timeout", None), ("keepalives=0", "keepalives", False),
    ("keepalives_idle=5", "keepalives_idle", 5), ("keepalives_interval=6", "keepalives_interval", 6),
    ("keepalives_count=7", "keepalives_count", 7), ("tcp_user_timeout=8", "tcp_user_timeout", 8),
    ("keepalives_idle=0", "keepalives_idle", None), ("channel_binding=require", "channel_binding", "require"),
    ("load_balance_hosts=random", "load_balance_hosts", True), ("requirepeer=pg", "requirepeer", "pg"),
    ("target_session_attrs=standby", "target_session_attrs", "standby"), ("krbsrvname=k", "krbsrvname", "k"),
    ("gsslib=sspi", "gsslib", "sspi"), ("require_auth=md5,password", "require_auth", "md5,password"),
    ("require_auth=!md5,!none", "require_auth", "!md5,!none"),
    ("min_protocol_version=3.2", "max_protocol_version", (3, 2)), ("user=x", "max_protocol_version", (3, 0)),
    ("max_protocol_version=latest", "max_protocol_version", (3, 2)), ("client_encoding=UTF-8", "server_settings", {}),
    ("client_encoding=auto", "server_settings", {}), ("Client_Encoding='utf8'", "server_settings", {}),
    ("gssencmode=prefer&gssdelegation=0&sslcompression=1&replication=false&sslcertmode=allow", "server_settings", {}),
    ("require_auth=password", "allow_cleartext_password", False),
    ("require_auth=!md5", "allow_cleartext_password", False),
]


@pytest.mark.parametrize(("query", "field", "expected"), HONOURED)
def test_keyword_is_honoured_and_not_sent_as_a_setting(take, query, field, expected):
    options = take(f"postgres://h?{query}", user=None, env={"PGUSER": "u"})
    assert getattr(options, field) == expected
    assert options.server_settings == {}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_keyword_we_do_not_do_is_refused_by_name_from_every_source(take, name, tmp_path):
    with pytest.raises(ClientConfigurationError, match=f"invalid {name}: .*DSN"):
        take(f"postgres://h?{name}=require")
    with pytest.raises(ClientConfigurationError, match=f"invalid {name}: .*argument {name}"):
        take(**{name: "require"})
    (tmp_path / ".pg_service.conf").write_text(f"[s]\n{name}=require\n")
    with pytest.raises(ClientConfigurationError, match=f"invalid {name}: .*service 's'"):
        take(service="s")


@pytest.mark.parametrize("name", sorted(KEYWORDS - {"service"}))
def test_no_keyword_of_libpq_reaches_the_server_by_its_own_name(take, name):
    try:
        settings = take(f"postgres://h?{name}=1", user=None, env={"PGUSER": "u"}).server_settings
    except ClientConfigurationError as exc:
        assert name in str(exc)  # either is right
        return
    if name not in ("application_name", "client_encoding", "options"):
        assert name not in settings


@pytest.mark.skipif(pq is None, reason="missing feature: libpq oracle")
def test_table_of_keywords_and_variables_is_libpqs():
    from asyncpg_core.keywords import ENVIRONMENT
    for option in pq.Conninfo.get_defaults():
        name = option.keyword.decode()
        assert name in KEYWORDS
        if option.envvar and name != "client_encoding":
            assert ENVIRONMENT[name] == option.envvar.decode()


def test_password_comes_from_argument_dsn_environment_file_in_this_order(take, tmp_path):
    passfile = tmp_path / "pass"
    passfile.write_text("a:1:*:u:one\nb:2:d:u:two\nlocalhost:*:*:u:sock\n*:*:*:*:any\n")
    passfile.chmod(0o600)
    arguments = {"passfile": passfile, "env": {"PGPASSWORD": "env"}}

    def revealed(options):
        return [each and each.reveal() for each in options.passwords]

    assert revealed(take("postgres://u:dsn@a", password="arg", **arguments)) == ["arg"]
    assert revealed(take("postgres://u:dsn@a", **arguments)) == ["dsn"]
    assert revealed(take("postgres://a", **arguments)) == ["env"]
    assert revealed(take("postgres://a", password="", passfile=tmp_path / "none", env={"PGPASSWORD": "env"})) == [None]
    assert revealed(take("postgres://a:1,b:2,c:3/d", passfile=passfile)) == ["one", "two", "any"]
    assert revealed(take(host="/tmp", passfile=passfile)) == ["sock"]
    assert revealed(take(env={"PGPASSFILE": str(passfile)}, host="a", port=1)) == ["one"]

    def ask():
        return "later"

    assert take("postgres://a,b", password=ask).passwords == (ask, ask)


def test_secrets_are_in_no_repr(take):
    options = take("postgres://u:hunter2@h?sslpassword=hunter2&sslmode=require")
    assert options.passwords[0].reveal() == "hunter2" and options.tls.key_password.reveal() == "hunter2"
    assert "hunter2" not in repr(options)
    with pytest.raises(ClientConfigurationError) as caught:
        take("postgres://h?oauth_client_secret=hunter2")
    assert "hunter2" not in str(caught.value)


def test_strict_security_demands_verification_scram_and_binding(take):
    options = take(host="h", security="strict")
    assert (options.tls.mode, options.tls.root_certificate) == (SslMode.verify_full, "system")
    assert (options.require_auth, options.channel_binding) == ("scram-sha-256", "require")
    assert take(host="h", security="strict", ssl=True).tls.mode is SslMode.verify_full
    for contradiction in ({"ssl": "require"}, {"ssl": False}, {"channel_binding": "prefer"}, {"require_auth": "md5"},
                          {"allow_cleartext_password": True}, {"ssl": ssl._create_unverified_context()}):
        with pytest.raises(ClientConfigurationError, match="strict"):
            take(host="h", security="strict", **contradiction)


def test_endpoints_pair_each_address_with_its_password(take):
    options = take("postgres://u:p@a,b")
    assert [(str(address), password.reveal()) for address, password in options.endpoints] == [
        ("a:5432", "p"), ("b:5432", "p")]
