"""Client options and the server's version: what is accepted, what is refused with which error."""
import pytest

from asyncpg_core.options import ClientOptions, SslMode, TcpAddress, UnixAddress, client_options
from asyncpg_core.server_version import ServerVersion, capabilities, split_server_version_string
from pgproto.errors import ClientConfigurationError

SIZES = ("statement_cache_size", "max_cached_statement_lifetime", "max_cacheable_statement_size", "prepare_threshold")


def test_defaults_are_the_documented_ones():
    assert client_options() == ClientOptions(100, 300, 15360, None, None, 5)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [None, True, False, -1, float("nan"), float("inf")])
def test_size_must_be_zero_or_more(name, value):
    with pytest.raises(ValueError, match=f"{name} is expected to be greater or equal to 0"):
        client_options(**{name: value})


@pytest.mark.parametrize("name", SIZES)
def test_size_that_is_no_number_is_a_type_error(name):
    with pytest.raises(TypeError):
        client_options(**{name: "5"})


@pytest.mark.parametrize("value", [0, -1, True, False, "x", [], float("nan"), float("inf")])
def test_command_timeout_must_be_a_number_above_zero(value):
    with pytest.raises(ValueError, match="invalid command_timeout.*greater than 0"):
        client_options(command_timeout=value)


def test_command_timeout_takes_any_number():
    assert client_options(command_timeout=1).command_timeout == 1.0
    assert client_options(command_timeout=0.5).command_timeout == 0.5


def test_cache_of_size_zero_means_never_prepared():
    assert client_options(statement_cache_size=0).prepare == "never"
    assert client_options(prepare="auto").prepare == "auto"
    assert client_options().prepare is None, "nobody has chosen: what stands between decides"
    with pytest.raises(ClientConfigurationError, match="invalid prepare"):
        client_options(prepare="sometimes")


def test_modes_are_ordered_and_named_as_libpqs():
    assert [mode.libpq_name for mode in sorted(SslMode)] == [
        "disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
    for bad in ("", "Require", "verify full"):
        with pytest.raises(ValueError, match="sslmode must be one of"):
            SslMode.parse(bad)


def test_addresses_say_what_is_dialled():
    assert TcpAddress("h", 1).dialled == "h"
    assert TcpAddress("h", 1, "127.0.0.1").dialled == "127.0.0.1"
    assert str(TcpAddress("::1", 1)) == "[::1]:1"
    assert UnixAddress("@x/.s.PGSQL.1").dialled == "\0x/.s.PGSQL.1"
    assert UnixAddress("/x/.s.PGSQL.1").dialled == str(UnixAddress("/x/.s.PGSQL.1")) == "/x/.s.PGSQL.1"


@pytest.mark.parametrize(("text", "expected"), [
    ("15.18 (Debian)", (15, 0, 18, "final", 0)), ("18beta1", (18, 0, 0, "beta", 1)), ("9.6.3", (9, 6, 3, "final", 0)),
    ("16devel", (16, 0, 0, "devel", 0)), ("17rc2", (17, 0, 0, "rc", 2)), ("PostgreSQL 9.2.4", (9, 2, 4, "final", 0)),
    ("12.3-extra", (12, 0, 3, "final", 0)), ("9.6rc1", (9, 6, 0, "rc", 1)), ("11", (11, 0, 0, "final", 0)),
    ("Postgres-XL 9.2.1", (9, 2, 1, "final", 0)),
    ("14.0.1", (14, 0, 0, "final", 0)), ("10.1 foo", (10, 0, 1, "final", 0)),
])
def test_server_version_is_split(text, expected):
    assert split_server_version_string(text) == ServerVersion(*expected)


def test_server_version_without_a_number_is_refused():
    for text in ("", "devel", "x" * 1000):
        with pytest.raises(ValueError, match="invalid server version") as caught:
            split_server_version_string(text)
        assert len(str(caught.value)) < 200


def test_capabilities_follow_version_and_kind_of_server():
    new, old = split_server_version_string("15.1"), split_server_version_string("10.1")
    assert all(capabilities(new, {}))
    assert capabilities(old, {})[-2:] == (False, False)
    assert capabilities(new, {"padb_revision": "x"}) == (False, False, False, True, False, False, False)
    assert not any(capabilities(new, {"crdb_version": "x"}))
    assert not any(capabilities(new, {"crate_version": "x"}))
