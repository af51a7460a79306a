"""What the modules with asyncpg's names do, without a server."""
import asyncio
import datetime
import inspect
import pathlib
import uuid

import pytest

from asyncpg_core import compat, connect_utils, connresource, introspection, utils
from asyncpg_core.pgproto import pgproto
from asyncpg_core.pool import PoolConnectionProxy
from asyncpg_core.protocol import BUILTIN_TYPE_NAME_MAP
from asyncpg_core.protocol import protocol as inner
from asyncpg_core.transaction import ISOLATION_LEVELS_BY_VALUE, Transaction
from pgproto.errors import InterfaceError


@pytest.mark.parametrize("text, ident, literal", [
    ("a", '"a"', "'a'"), ('a"b', '"a""b"', "'a\"b'"), ("it's", '"it\'s"', "'it''s'"), ("", '""', "''"),
    ("a\\b", '"a\\b"', "'a\\b'"),
])
def test_quoting_doubles_the_quote(text, ident, literal):
    assert (utils._quote_ident(text), utils._quote_literal(text)) == (ident, literal)


def test_a_record_is_made_from_names_and_from_positions():
    for mapping in (("a", "b"), {"a": 0, "b": 1}, {"b": 1, "a": 0}):
        assert dict(inner._create_record(mapping, (1, 2))) == {"a": 1, "b": 2}
    assert len(inner._create_record(None, ())) == 0
    assert [*inner._create_record({"b": 1, "c": 5}, (1, 2)).items()] == [("", 1), ("b", 2)]


def test_a_timer_counts_only_inside_its_block(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    timer = inner.Timer(5.0)
    now[0] += 50
    assert timer.get_remaining_budget() == 5.0
    with timer:
        now[0] += 2
    assert timer.get_remaining_budget() == 3.0
    assert timer.has_budget_greater_than(2.5) and not timer.has_budget_greater_than(3.0)


def test_a_timer_without_a_budget_never_runs_out():
    timer = inner.Timer(None)
    with timer:
        assert timer.has_budget_greater_than(1e9)
    assert timer.get_remaining_budget() is None


def test_words_of_the_connection_settings_are_strings():
    assert connect_utils.SSLMode.parse("verify-full") is connect_utils.SSLMode.verify_full
    assert connect_utils.SSLMode.require > connect_utils.SSLMode.prefer
    assert connect_utils.SessionAttribute("prefer-standby") is connect_utils.SessionAttribute.prefer_standby
    assert str(connect_utils.SSLNegotiation.direct) == connect_utils.SSLNegotiation.direct == "direct"
    assert connect_utils._SSL_REQUEST_CODE == 80877103


def test_settings_are_shown_as_asyncpg_shows_them(monkeypatch):
    for name in ("PGSSLMODE", "PGUSER", "PGPASSWORD", "PGHOST", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    addresses, settings = connect_utils._parse_connect_dsn_and_args(
        dsn="postgresql://ann:s%20x@one:1,two:2/db?sslmode=disable", server_settings={"a": "b"},
        target_session_attrs="read-only")
    assert addresses == [("one", 1), ("two", 2)]
    assert settings._asdict() == {
        "user": "ann", "password": "s x", "database": "db", "ssl": False, "sslmode": connect_utils.SSLMode.disable,
        "ssl_negotiation": "postgres", "server_settings": {"a": "b"}, "target_session_attrs": "read-only",
        "krbsrvname": None, "gsslib": "gssapi"}
    addresses, settings = connect_utils._parse_connect_dsn_and_args(dsn=None, host="/tmp", user="u", database="d")
    assert (addresses, settings.ssl, settings.server_settings) == (["/tmp/.s.PGSQL.5432"], None, None)


def test_kinds_of_types():
    scalar = introspection.TypeRecord((25, 0, b"b"))
    assert dict(scalar) == {"oid": 25, "elemtype": 0, "kind": b"b"}
    assert introspection.is_scalar_type(scalar)
    assert not introspection.is_scalar_type({"kind": b"b", "elemtype": 25})
    assert introspection.is_domain_type({"kind": b"d"}) and introspection.is_scalar_type({"kind": b"d", "elemtype": 0})
    assert introspection.is_composite_type({"kind": b"c"}) and not introspection.is_composite_type({"kind": b"b"})


def test_names_of_types_are_the_catalogues_and_sqls():
    for name in ("int4", "int", "integer", "timestamptz", "character varying", "varchar"):
        assert inner.BUILTIN_TYPE_OID_MAP[BUILTIN_TYPE_NAME_MAP[name]] in ("int4", "timestamptz", "varchar")


def test_isolation_levels_by_the_servers_words():
    assert ISOLATION_LEVELS_BY_VALUE["repeatable read"] == "repeatable_read"
    assert len(ISOLATION_LEVELS_BY_VALUE) == 4


def test_names_of_the_protocol_core():
    assert pgproto.UUID is uuid.UUID
    assert pgproto.pg_epoch_datetime_utc.utcoffset() == datetime.timedelta(0)
    assert pgproto.infinity_date == datetime.date.max and repr(pgproto.infinity_date) == "infinity"


def test_an_ordinary_object_is_no_lent_connection():
    assert not isinstance(object(), PoolConnectionProxy)
    assert PoolConnectionProxy[int] is PoolConnectionProxy


def test_our_own_resources_are_resources():
    assert issubclass(Transaction, connresource.ConnectionResource)


class Connection:
    """As much of a connection as a resource looks at."""

    _session = "first"
    closed = False

    def is_closed(self):
        return self.closed


class Reader(connresource.ConnectionResource):
    @connresource.guarded
    def read(self, n, *, twice=False):
        """Read."""
        return n * 2 if twice else n


def test_a_guarded_method_is_refused_after_release_and_after_close():
    connection = Connection()
    reader = Reader(connection)
    assert reader.read(2, twice=True) == 4 and reader.read.__doc__ == "Read."
    connection.closed = True
    with pytest.raises(InterfaceError, match=r"cannot call Reader.read\(\): the underlying connection is closed"):
        reader.read(1)
    connection._session = None
    with pytest.raises(InterfaceError, match=r"cannot call Reader.read\(\): .* has been released back to the pool"):
        reader.read(1)


async def test_wait_for_is_bounded():
    assert await compat.wait_for(asyncio.sleep(0, "done"), 1) == "done"
    with pytest.raises(asyncio.TimeoutError):
        await compat.wait_for(asyncio.Event().wait(), 0.01)


async def test_a_stream_that_is_reset_is_closed():
    class Reset:
        async def wait_closed(self):
            raise ConnectionResetError

    await compat.wait_closed(Reset())


def test_home_of_postgresql_files(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("APPDATA", r"C:\ann")
    assert compat.get_pg_home_directory() in (pathlib.Path("/home/ann"), pathlib.Path(r"C:\ann\postgresql"))


def test_a_marked_function_is_a_coroutine_function_where_python_knows_that():
    def plain():
        return None

    assert inspect.iscoroutinefunction(compat.markcoroutinefunction(plain)) == hasattr(inspect, "markcoroutinefunction")
