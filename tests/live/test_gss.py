"""GSSAPI with a real server and a real realm: where the server has it, and MIT Kerberos and `gssapi` are installed."""
import importlib.util
import os
import shutil
import subprocess

import pytest

import asyncpg_core
from pgproto.errors import InterfaceError, InternalClientError, InvalidAuthorizationSpecificationError
from tests.support.cluster import Cluster
from tests.support.features import REASON
from tests.support.open_sockets import no_socket_left
from tests.support.postgres_binaries import INSTALLED, find_bin_dir
from tests.support.realm import NAME, Realm, missing_programs

HBA = "host all alice,bob 127.0.0.1/32 gss include_realm=0 krb_realm=" + NAME + "\n"


def server_with_gss():
    """The programs of a server that was built with GSSAPI: the tests' own, or an installed one."""
    places = [find_bin_dir(), *sorted(INSTALLED.glob("*/bin"), reverse=True)]
    for place in places:
        if not (place / "initdb").exists():
            continue
        program = shutil.which("ldd")
        linked = subprocess.run([program, place / "postgres"], capture_output=True, text=True).stdout if program else ""
        if "libgssapi" in linked:
            return place
    return None


@pytest.fixture(scope="module")
def realm():
    if importlib.util.find_spec("gssapi") is None:
        pytest.skip(REASON + "gssapi")
    if missing_programs():
        pytest.skip(REASON + "kdc")
    with Realm() as realm:
        realm.add("postgres/localhost", keytab=True)
        realm.add("alice", password="wonderland")
        realm.log_in("alice", "wonderland")
        yield realm


@pytest.fixture(scope="module")
def server(realm):
    """A cluster that lets alice and bob in by GSSAPI; its processes know the realm."""
    place = server_with_gss()
    if place is None:
        pytest.skip(REASON + "gss")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in realm.environ.items():
            patch.setenv(name, value)
        with Cluster({"krb_server_keyfile": f"FILE:{realm.keytab}"}, bin_dir=place) as cluster:
            cluster.give_to_server(realm.keytab)
            lines = cluster.data_dir / "pg_hba.conf"
            lines.write_text(HBA + lines.read_text())
            cluster.sql("CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN")
            cluster.pg_ctl("reload")
            yield cluster


@pytest.fixture
def to_server(server, realm, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in realm.environ.items():
        monkeypatch.setenv(name, value)

    def connect(user="alice", **arguments):
        return asyncpg_core.connect(host="localhost", hostaddr="127.0.0.1", port=server.port, user=user,
                                    database="postgres", **arguments)

    return connect


@pytest.mark.parametrize("arguments", [{}, {"ssl": "require"}, {"require_auth": "gss"}, {"krbsrvname": "postgres"}])
async def test_ticket_lets_in(to_server, arguments):
    async with no_socket_left():
        connection = await to_server(**arguments)
        assert await connection.fetchrow(
            "SELECT gss_authenticated, principal FROM pg_stat_gssapi WHERE pid = pg_backend_pid()") == (
                True, f"alice@{NAME}")
        await connection.close()


async def test_pool_logs_each_of_its_connections_in(to_server, server):
    async with asyncpg_core.create_pool(host="localhost", hostaddr="127.0.0.1", port=server.port, user="alice",
                                        database="postgres", min_size=3, max_size=3) as pool:
        assert await pool.fetchval("SELECT current_user::text") == "alice"


async def test_service_that_the_realm_does_not_know_is_an_error_of_the_client(to_server):
    async with no_socket_left():
        with pytest.raises(InternalClientError, match="Server .* not found"):
            await to_server(krbsrvname="wrong")


async def test_ticket_of_somebody_else_is_refused_by_the_server(to_server):
    async with no_socket_left():
        with pytest.raises(InvalidAuthorizationSpecificationError, match="GSSAPI authentication failed for user"):
            await to_server(user="bob")


async def test_without_a_ticket_the_library_says_what_is_missing(to_server, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'none'}")
    async with no_socket_left():
        with pytest.raises(InternalClientError, match="(?i)credential"):
            await to_server()


@pytest.mark.parametrize("arguments", [{"require_auth": "scram-sha-256"}, {"require_auth": "!gss"},
                                       {"channel_binding": "require", "ssl": "require"}])
async def test_policy_that_forbids_it_is_kept_to(to_server, arguments):
    async with no_socket_left():
        with pytest.raises(InterfaceError, match="refused|channel binding"):
            await to_server(**arguments)
