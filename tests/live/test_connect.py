"""Connecting to the embedded server: ways to name it, ways to log in, errors, several hosts, kinds of servers."""
import asyncio
import enum
import errno
import getpass
import os
import pwd
import socket
import time
from urllib.parse import quote

import pytest

import asyncpg_core
from pgproto.errors import (
    ClientConfigurationError,
    InterfaceError,
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    InvalidPasswordError,
    TargetServerAttributeNotMatched,
    UndefinedObjectError,
)
from tests.support.cluster import CLEARTEXT_USER, MD5_USER, PASSWORD, SCRAM_USER, SUPERUSER, TRUST_USER
from tests.support.open_sockets import no_socket_left
from tests.support.startup_server import StartupServer

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def here(cluster):
    """The arguments that lead to the server over TCP, without a user."""
    return {"host": "127.0.0.1", "port": cluster.port, "database": "postgres"}


@pytest.fixture
def dead_port():
    """A port that refuses connections: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


async def whoami(**arguments):
    connection = await asyncpg_core.connect(**arguments)
    try:
        return await connection.fetchval("SELECT current_user::text")
    finally:
        await connection.close()


# --- naming the server

async def test_keywords_lead_to_the_server(here):
    assert await whoami(**here, user=TRUST_USER) == TRUST_USER


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
async def test_uri_leads_to_the_server(cluster, scheme):
    uri = f"{scheme}://{SCRAM_USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{cluster.port}/postgres"
    assert await whoami(dsn=uri) == SCRAM_USER


async def test_key_value_dsn_leads_to_the_server(cluster):
    dsn = f"host=127.0.0.1 port={cluster.port} user={SCRAM_USER} password='{PASSWORD}' dbname=postgres"
    assert await whoami(dsn=dsn) == SCRAM_USER


async def test_environment_leads_to_the_server(cluster, monkeypatch):
    for name, value in {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGUSER": SCRAM_USER,
                        "PGPASSWORD": PASSWORD, "PGDATABASE": "postgres"}.items():
        monkeypatch.setenv(name, value)
    assert await whoami() == SCRAM_USER


async def test_keywords_overrule_the_uri_and_the_uri_the_environment(cluster, monkeypatch):
    monkeypatch.setenv("PGDATABASE", "nowhere")
    monkeypatch.setenv("PGUSER", "nobody_at_all")
    assert await whoami(dsn=f"postgres://nobody_else@127.0.0.1:{cluster.port}/postgres", user=TRUST_USER) == TRUST_USER


async def test_password_file_gives_the_password(here, tmp_path):
    path = tmp_path / "passwords"
    path.write_text(f"*:*:*:{SCRAM_USER}:{PASSWORD.replace(':', chr(92) + ':')}\n")
    path.chmod(0o600)
    assert await whoami(**here, user=SCRAM_USER, passfile=path) == SCRAM_USER


async def test_service_file_leads_to_the_server(cluster, tmp_path):
    path = tmp_path / "services"
    path.write_text(f"[here]\nhost=127.0.0.1\nport={cluster.port}\nuser={TRUST_USER}\ndbname=postgres\n")
    assert await whoami(service="here", servicefile=path) == TRUST_USER


@pytest.mark.parametrize("as_directory", [True, False])
async def test_unix_socket_is_named_by_its_directory_or_its_path(cluster, as_directory):
    host = str(cluster.socket_dir if as_directory else cluster.socket_path)
    connection = await asyncpg_core.connect(host=host, port=cluster.port, user=SUPERUSER, database="postgres")
    assert await connection.fetchval("SELECT inet_client_addr() IS NULL")
    await connection.close()


async def test_strenum_serves_for_every_text(cluster):
    class Text(str, enum.Enum):
        host = "127.0.0.1"
        user = SCRAM_USER
        password = PASSWORD
        database = "postgres"
        ssl = "disable"
        target_session_attrs = "read-write"
        channel_binding = "prefer"
        require_auth = "scram-sha-256"
        load_balance_hosts = "random"
        setting = "application_name"
        value = "from an enum"

        def __str__(self):
            return f"Text.{self.name}"

    given = {text.name: text for text in Text if text.name not in ("setting", "value")}
    connection = await asyncpg_core.connect(**given, port=cluster.port, server_settings={Text.setting: Text["value"]})
    assert await connection.fetchrow("SELECT current_user::text, current_setting('application_name')") == (
        SCRAM_USER, "from an enum")
    await connection.close()


async def test_server_settings_reach_the_server(here):
    settings = {"application_name": "it is me", "statement_timeout": "12345", "search_path": "pg_catalog"}
    connection = await asyncpg_core.connect(**here, user=TRUST_USER, server_settings=settings)
    for name, value in settings.items():
        assert await connection.fetchval("SELECT current_setting($1)", name) in (value, "12345ms")
    assert connection.get_settings().application_name == "it is me"
    await connection.close()


async def test_unknown_server_setting_is_the_servers_error(here):
    async with no_socket_left():
        with pytest.raises(UndefinedObjectError) as caught:
            await asyncpg_core.connect(**here, user=TRUST_USER, server_settings={"no_such_setting": "1"})
    assert caught.value.sqlstate == "42704"


async def test_server_pid_is_the_backends(here):
    connection = await asyncpg_core.connect(**here, user=TRUST_USER)
    assert connection.get_server_pid() == await connection.fetchval("SELECT pg_backend_pid()")
    await connection.close()


# --- logging in

@pytest.mark.parametrize("user", [TRUST_USER, CLEARTEXT_USER, MD5_USER, SCRAM_USER])
@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
@pytest.mark.filterwarnings("ignore:the server asks for the password itself")
async def test_every_method_lets_the_right_password_in(here, user, sslmode):
    assert await whoami(**here, user=user, password=PASSWORD, ssl=sslmode) == user


@pytest.mark.parametrize("user", [CLEARTEXT_USER, MD5_USER, SCRAM_USER])
@pytest.mark.parametrize("password", ["wrong", "", None])
@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer", "require"])
@pytest.mark.filterwarnings("ignore:the server asks for the password itself")
async def test_wrong_password_is_an_invalid_password_error(here, user, password, sslmode):
    async with no_socket_left():
        with pytest.raises(InvalidPasswordError) as caught:
            await asyncpg_core.connect(**here, user=user, password=password, ssl=sslmode)
    assert caught.value.sqlstate == "28P01"


async def test_unknown_database_is_an_invalid_catalog_name_error(here):
    async with no_socket_left():
        with pytest.raises(InvalidCatalogNameError, match="nowhere"):
            await asyncpg_core.connect(**(here | {"database": "nowhere"}), user=TRUST_USER)


async def test_unknown_role_is_an_invalid_authorization_error(cluster, here):
    async with no_socket_left():
        with pytest.raises(InvalidAuthorizationSpecificationError, match="nobody_at_all"):
            await asyncpg_core.connect(host=str(cluster.socket_dir), port=cluster.port, user="nobody_at_all",
                                       database="postgres")
        with pytest.raises(InvalidAuthorizationSpecificationError, match=r"pg_hba\.conf"):
            await asyncpg_core.connect(**here, user="nobody_at_all")


def returns(value):
    return lambda: value


def awaits(value):
    async def give():
        await asyncio.sleep(0)
        return value
    return give


@pytest.mark.parametrize("make", [returns, awaits])
async def test_password_callable_is_called_once_and_kept_as_it_is(here, make):
    calls = []
    give = make(PASSWORD)

    def password():
        calls.append(1)
        return give()

    connection = await asyncpg_core.connect(**here, user=SCRAM_USER, password=password)
    assert (len(calls), connection._params.passwords) == (1, (password,))
    await connection.close()


async def test_password_callable_is_called_once_for_both_transports(here):
    calls = []
    with pytest.raises(InvalidPasswordError):
        await asyncpg_core.connect(**here, user=SCRAM_USER, password=lambda: calls.append(1) or "wrong", ssl="prefer")
    assert calls == [1]


@pytest.mark.parametrize(("make", "value", "expected"), [
    (returns, b"bytes", InterfaceError), (awaits, 17, InterfaceError), (returns, "nul\0", ClientConfigurationError)])
async def test_password_callable_that_gives_no_text_is_refused(here, make, value, expected):
    async with no_socket_left():
        with pytest.raises(expected):
            await asyncpg_core.connect(**here, user=MD5_USER, password=make(value))


async def test_error_of_the_password_callable_is_raised_as_it_is(here):
    def password():
        raise LookupError("no password today")

    async with no_socket_left():
        with pytest.raises(LookupError, match="no password today"):
            await asyncpg_core.connect(**here, user=SCRAM_USER, password=password)


async def test_password_is_in_no_error_and_no_repr(here):
    with pytest.raises(InvalidPasswordError) as caught:
        await asyncpg_core.connect(**here, user=SCRAM_USER, password="hunter2-secret", ssl="prefer")
    shown, frames = repr(caught.value) + repr(caught.value.__cause__), caught.tb
    while frames is not None:
        if "asyncpg_core" in frames.tb_frame.f_code.co_filename:
            shown += repr(frames.tb_frame.f_locals)
        frames = frames.tb_next
    assert "hunter2" not in shown


@pytest.mark.parametrize(("user", "policy"), [
    (TRUST_USER, "none"), (CLEARTEXT_USER, "password"), (MD5_USER, "md5"), (SCRAM_USER, "scram-sha-256"),
    (MD5_USER, "md5,scram-sha-256"), (SCRAM_USER, "!md5,!password"), (TRUST_USER, "!password")])
async def test_require_auth_lets_the_named_method_pass(here, user, policy):
    assert await whoami(**here, user=user, password=PASSWORD, require_auth=policy, ssl="disable") == user


@pytest.mark.parametrize(("user", "policy"), [
    (TRUST_USER, "scram-sha-256"), (TRUST_USER, "!none"), (CLEARTEXT_USER, "scram-sha-256"), (MD5_USER, "!md5"),
    (SCRAM_USER, "md5,password"), (SCRAM_USER, "!scram-sha-256")])
async def test_require_auth_refuses_every_other_method(here, user, policy):
    async with no_socket_left():
        with pytest.raises(InterfaceError, match="authentication method refused") as caught:
            await asyncpg_core.connect(**here, user=user, password=PASSWORD, require_auth=policy, ssl="disable")
    assert policy in str(caught.value)


# --- no server

async def test_refused_connection_keeps_type_and_number_and_names_the_address(dead_port):
    async with no_socket_left():
        with pytest.raises(ConnectionRefusedError) as caught:
            await asyncpg_core.connect(host="127.0.0.1", port=dead_port, user="u", database="d")
    assert caught.value.errno == errno.ECONNREFUSED
    assert f"127.0.0.1:{dead_port}" in str(caught.value)


async def test_missing_unix_socket_is_a_file_not_found_error(tmp_path):
    async with no_socket_left():
        with pytest.raises(FileNotFoundError) as caught:
            await asyncpg_core.connect(host=str(tmp_path), port=5432, user="u", database="d")
    assert caught.value.errno == errno.ENOENT
    assert str(tmp_path / ".s.PGSQL.5432") in str(caught.value)


async def test_stale_unix_socket_is_a_refused_connection(tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / ".s.PGSQL.5432"))
    with pytest.raises(ConnectionRefusedError):
        await asyncpg_core.connect(host=str(tmp_path), port=5432, user="u", database="d")


async def test_name_without_address_is_an_os_error():
    with pytest.raises(socket.gaierror):
        await asyncpg_core.connect(host="no-such-host.invalid", user="u", database="d", ssl="disable", timeout=20)


@pytest.mark.parametrize("timeout", [0, -1])
async def test_timeout_of_zero_is_over_at_once(here, timeout):
    async with no_socket_left():
        started = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncpg_core.connect(**here, user=TRUST_USER, timeout=timeout)
    assert time.monotonic() - started < 5


async def test_no_timeout_connects(here):
    assert await whoami(**here, user=TRUST_USER, timeout=None) == TRUST_USER


# --- several hosts

async def test_dead_host_gives_way_to_the_living(cluster, dead_port):
    dsn = f"postgres://{TRUST_USER}@127.0.0.1:{dead_port},127.0.0.1:{cluster.port}/postgres"
    connection = await asyncpg_core.connect(dsn)
    assert connection._addr == ("127.0.0.1", cluster.port)
    await connection.close()


async def test_lists_of_hosts_and_ports_are_paired(cluster, dead_port, tmp_path):
    assert await whoami(host=[str(tmp_path), "127.0.0.1", "127.0.0.1"], port=[5432, dead_port, cluster.port],
                        user=TRUST_USER, database="postgres") == TRUST_USER


async def test_last_error_is_raised_when_all_hosts_are_dead(dead_port, tmp_path):
    with pytest.raises(ConnectionRefusedError):
        await asyncpg_core.connect(host=[str(tmp_path), "127.0.0.1"], port=[5432, dead_port], user="u", database="d")


async def test_refused_log_in_ends_the_search(cluster, dead_port):
    with pytest.raises(InvalidPasswordError):
        await asyncpg_core.connect(host=["127.0.0.1", "127.0.0.1"], port=[cluster.port, dead_port], user=SCRAM_USER,
                                   password="wrong", database="postgres")


@pytest.mark.parametrize("limit", [{"timeout": 4.2}, {"timeout": 60, "connect_timeout": 0.5}])
@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
async def test_silent_host_holds_up_the_next_for_a_second_or_for_its_own_bound(cluster, limit, sslmode):
    async with no_socket_left(), StartupServer() as silent:
        started = time.monotonic()
        connection = await asyncpg_core.connect(host=["127.0.0.1"] * 2, port=[silent.port, cluster.port],
                                                user=TRUST_USER, database="postgres", ssl=sslmode, **limit)
        seconds = time.monotonic() - started
        assert connection._addr == ("127.0.0.1", cluster.port)
        await connection.close()
    held_up = limit.get("connect_timeout", 1.0)
    assert held_up <= seconds + 0.05 < held_up + 1.5


async def test_connect_timeout_bounds_the_only_host():
    async with no_socket_left(), StartupServer() as silent:
        started = time.monotonic()
        with pytest.raises(asyncio.TimeoutError, match=str(silent.port)):
            await asyncpg_core.connect(host="127.0.0.1", port=silent.port, user="u", database="d", ssl="disable",
                                       connect_timeout=0.3)
    assert 0.25 < time.monotonic() - started < 2


async def test_cancelled_connect_leaves_nothing_open(here):
    async with no_socket_left(), StartupServer() as silent:
        task = asyncio.ensure_future(asyncpg_core.connect(host="127.0.0.1", port=silent.port, user="u", database="d"))
        await silent.connected.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("sslmode", ["disable", "require"])
async def test_connect_cancelled_at_any_moment_leaves_no_session(cluster, here, sslmode):
    name = f"cancelled at any moment {sslmode}"
    async with no_socket_left():
        for n in range(40):
            task = asyncio.ensure_future(asyncpg_core.connect(
                **here, user=TRUST_USER, ssl=sslmode, target_session_attrs="primary",
                server_settings={"application_name": name}))
            for _ in range(n):
                await asyncio.sleep(0)
            await asyncio.sleep(n / 5000)
            task.cancel()
            try:
                await (await task).close()
            except asyncio.CancelledError:
                pass
    deadline = time.monotonic() + 5
    query = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'"
    while cluster.sql(query) and time.monotonic() < deadline:  # nothing tells
        await asyncio.sleep(0.02)
    assert cluster.sql(query) == []


# --- kinds of servers

@pytest.mark.parametrize("wanted", ["any", "primary", "read-write", "prefer-standby"])
async def test_a_primary_is_what_these_ask_for(here, wanted):
    async with no_socket_left():
        assert await whoami(**here, user=TRUST_USER, target_session_attrs=wanted) == TRUST_USER


@pytest.mark.parametrize("wanted", ["standby", "read-only"])
async def test_a_primary_is_not_what_these_ask_for(here, wanted):
    async with no_socket_left():
        with pytest.raises(TargetServerAttributeNotMatched, match=wanted):
            await asyncpg_core.connect(**here, user=TRUST_USER, target_session_attrs=wanted)


async def test_a_read_only_default_makes_a_primary_read_only(here):
    settings = {"default_transaction_read_only": "on"}
    assert await whoami(**here, user=TRUST_USER, target_session_attrs="read-only", server_settings=settings)
    with pytest.raises(TargetServerAttributeNotMatched):
        await asyncpg_core.connect(**here, user=TRUST_USER, target_session_attrs="read-write",
                                   server_settings=settings)


async def test_candidates_that_do_not_fit_are_closed(cluster, here):
    async with no_socket_left():
        with pytest.raises(TargetServerAttributeNotMatched):
            await asyncpg_core.connect(host=["127.0.0.1"] * 3, port=cluster.port, user=TRUST_USER, database="postgres",
                                       target_session_attrs="standby")
        assert await whoami(host=["127.0.0.1"] * 3, port=cluster.port, user=TRUST_USER, database="postgres",
                            target_session_attrs="prefer-standby") == TRUST_USER


async def test_load_balancing_reaches_every_host(cluster):
    hosts = ["127.0.0.1", str(cluster.socket_dir)]
    seen = set()
    for _ in range(40):
        connection = await asyncpg_core.connect(host=hosts, port=cluster.port, user=TRUST_USER, database="postgres",
                                                load_balance_hosts="random", ssl="disable")
        seen.add(connection._addr)
        await connection.close()
    assert seen == {("127.0.0.1", cluster.port), str(cluster.socket_path)}


# --- whom the socket belongs to

async def test_requirepeer_names_the_servers_user(cluster):
    account = pwd.getpwuid(os.stat(cluster.socket_path).st_uid).pw_name
    where = {"host": str(cluster.socket_dir), "port": cluster.port, "user": SUPERUSER, "database": "postgres"}
    assert await whoami(**where, requirepeer=account) == SUPERUSER
    async with no_socket_left():
        with pytest.raises(InterfaceError, match=f"'somebody', but the server runs as '{account}'"):
            await asyncpg_core.connect(**where, requirepeer="somebody")


async def test_requirepeer_is_checked_before_a_byte_is_sent(tmp_path):
    async with no_socket_left(), StartupServer(path=str(tmp_path / ".s.PGSQL.5432")) as server:
        with pytest.raises(InterfaceError, match=getpass.getuser()):
            await asyncpg_core.connect(host=str(tmp_path), user="u", database="d", requirepeer="somebody")
        await server.all_closed()
        assert server.received == [b""]


async def test_requirepeer_says_nothing_about_tcp(here):
    assert await whoami(**here, user=TRUST_USER, requirepeer="somebody") == TRUST_USER


async def test_a_password_callable_may_say_that_there_is_none(cluster):
    with pytest.raises(asyncpg_core.InvalidPasswordError):
        await asyncpg_core.connect(
            host="127.0.0.1", port=cluster.port, user=SCRAM_USER, database="postgres", password=lambda: None)


@pytest.mark.requires("tls")
@pytest.mark.parametrize("tls", [False, True])
async def test_whether_tls_is_on_and_who_the_peer_is_can_be_asked(cluster, tls):
    connection = await asyncpg_core.connect(cluster.dsn(TRUST_USER, tls=tls))
    transport = connection._transport
    assert connection._protocol.is_ssl == tls
    assert (transport.get_extra_info("ssl_object") is not None) == tls
    assert transport.get_extra_info("peername")[:2] == ("127.0.0.1", cluster.port)
    assert transport.get_extra_info("sockname") == transport.get_extra_info("socket").getsockname()
    assert transport.get_extra_info("nothing", 7) == 7
    await connection.close()
    assert transport.get_extra_info("peername", 7) == 7
