"""The decisions of connecting that need no socket: what is local, shares of time, second tries, kinds of servers."""
import asyncio
import importlib
import socket
import ssl
import types

import pytest

from asyncpg_core import dial, opening
from asyncpg_core.dial import Route
from asyncpg_core.options import ClientOptions, ConnectOptions, SslMode, TcpAddress, TlsOptions, UnixAddress
from pgproto.errors import (
    CannotConnectNowError,
    ConnectionDoesNotExistError,
    InterfaceError,
    InternalClientError,
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    InvalidPasswordError,
)

CLEARTEXT_PASSWORD = 3
# As an attribute of the package, `connect` is the function.
connecting = importlib.import_module("asyncpg_core.connect")


def options(**given):
    return ConnectOptions(addresses=(TcpAddress("h", 1),), passwords=(None,), user="u", database="d", **given)


def tcp(sockaddr, host="somewhere"):
    return Route(socket.AF_INET, sockaddr, TcpAddress(host, 5432), False)


@pytest.mark.parametrize(("route", "expected"), [
    (tcp(("127.0.0.1", 5432)), True), (tcp(("127.8.9.1", 5432)), True), (tcp(("::1", 5432, 0, 0)), True),
    (tcp(("192.168.0.1", 5432)), False), (tcp(("10.0.0.1", 5432), "localhost"), False),
    (tcp(("fe80::1%eth0", 5432, 0, 2)), False), (tcp(("fe80::1%1", 5432, 0, 1), "localhost"), False),
    (Route(1, "/tmp/s", UnixAddress("/tmp/s"), False), True)])
def test_local_is_what_the_address_says_not_the_name(route, expected):
    assert opening.is_loopback(route) is expected


@pytest.mark.parametrize(("given", "host", "is_allowed"), [
    ({}, "127.0.0.1", True), ({}, "192.0.2.1", False), ({"allow_cleartext_password": True}, "192.0.2.1", True),
    ({"require_auth": "password"}, "192.0.2.1", True), ({"require_auth": "!md5"}, "192.0.2.1", False),
    ({"require_auth": "password,md5"}, "192.0.2.1", True)])
def test_cleartext_password_crosses_a_network_only_if_it_is_named(given, host, is_allowed):
    wish = opening.Wish(options(**given), ClientOptions())
    authentication = opening.authentication_of(tcp((host, 5432)), wish, None)
    if is_allowed:
        authentication.receive(CLEARTEXT_PASSWORD, b"")
    else:
        with pytest.raises(InterfaceError, match="allow_cleartext_password=True"):
            authentication.receive(CLEARTEXT_PASSWORD, b"")


@pytest.mark.parametrize(("host", "expected"), [
    ("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 1))), ("::1", (socket.AF_INET6, ("::1", 1, 0, 0)))])
async def test_an_address_that_is_a_number_is_asked_of_nobody(monkeypatch, host, expected):
    async def ask(*arguments, **options):
        raise AssertionError("a thread was asked")
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", ask)
    assert await dial.resolve_address(TcpAddress(host, 1)) == [expected]


async def test_a_name_is_looked_up_by_the_loop(monkeypatch):
    async def ask(*arguments, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 1))]
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", ask)
    assert await dial.resolve_address(TcpAddress("db.example", 1)) == [(socket.AF_INET, ("192.0.2.7", 1))]


async def test_attempts_share_the_time_that_is_left(monkeypatch):
    search = connecting.Search(opening.Wish(options(timeout=60), ClientOptions()))
    now = search.deadline - 60
    monkeypatch.setattr(search.loop, "time", lambda: now)
    shares = []
    for n_left in (4, 3, 2):
        shares.append(search.seconds(n_left))
        now += shares[-1]
    assert shares == pytest.approx([15, 15, 15])
    assert search.seconds(1) is None  # the whole search is bounded
    assert connecting.Search(opening.Wish(options(timeout=None), ClientOptions())).seconds(3) is None
    assert connecting.Search(opening.Wish(options(timeout=3), ClientOptions())).seconds(3) == 2
    assert connecting.Search(opening.Wish(options(connect_timeout=5), ClientOptions())).seconds(1) == 5


def attempt(*, is_on_transport=True, is_let_in=False):
    one = opening.Attempt(tcp(("127.0.0.1", 1)), None, opening.Wish(options(), ClientOptions()))
    one.is_on_transport = is_on_transport
    one.startup = types.SimpleNamespace(is_authenticated=is_let_in)
    return one


@pytest.mark.parametrize(("error", "expected"), [
    (InvalidAuthorizationSpecificationError("no entry"), True), (InvalidPasswordError(""), True),
    (InvalidCatalogNameError(""), True), (ssl.SSLError(), True), (ConnectionResetError(), True),
    (CannotConnectNowError(""), False), (TimeoutError(), False), (InternalClientError(""), False),
    (InterfaceError(""), False), (asyncio.CancelledError(), False)])
def test_other_transport_is_tried_for_what_it_can_cure(error, expected):
    assert attempt().is_curable(error) is expected
    assert not attempt(is_let_in=True).is_curable(error)
    assert not attempt(is_on_transport=False).is_curable(error)


@pytest.mark.parametrize(("first", "second", "is_connected", "told"), [
    (InvalidPasswordError("p"), InvalidAuthorizationSpecificationError("hba"), True, "first"),
    (InvalidPasswordError("p"), ConnectionDoesNotExistError(""), True, "first"),
    (InvalidPasswordError("p"), ConnectionResetError(), True, "first"),
    (InvalidPasswordError("p"), InvalidCatalogNameError(""), True, "second"),
    (InvalidPasswordError("p"), ConnectionRefusedError(), False, "second"),
    (InvalidAuthorizationSpecificationError("hba"), InvalidPasswordError("p"), True, "second"),
    (InvalidAuthorizationSpecificationError("hba"), ssl.SSLError(), True, "first"),
    (ssl.SSLError(), InvalidAuthorizationSpecificationError("hba"), True, "second"),
    (ssl.SSLError(), ConnectionResetError(), True, "second"),
    (opening.StartCutShort(""), ConnectionResetError(), True, "second"),
    (opening.StartCutShort(""), InvalidAuthorizationSpecificationError("hba"), True, "second"),
    (InvalidPasswordError("p"), opening.StartCutShort(""), True, "first"),
    (InvalidPasswordError("p"), asyncio.CancelledError(), True, "second")])
def test_error_that_says_more_is_told_and_the_other_is_its_cause(first, second, is_connected, told):
    expected = (first, second) if told == "first" else (second, first)
    assert opening.which_is_told(first, second, is_connected) == expected


@pytest.mark.parametrize(("wanted", "primary", "read_only", "standby"), [
    ("any", True, True, True), ("primary", True, True, False), ("standby", False, False, True),
    ("prefer-standby", False, False, True), ("read-write", True, False, False), ("read-only", False, True, True)])
def test_kinds_of_servers(wanted, primary, read_only, standby):
    assert [connecting.fits(wanted, *role) for role in ((False, False), (False, True), (True, False))] == [
        primary, read_only, standby]


async def test_every_address_of_a_name_is_tried(monkeypatch):
    tried = []

    async def resolve(address):
        return [(socket.AF_INET6, ("::1", 1, 0, 0)), (socket.AF_INET, ("127.0.0.1", 1))]

    async def fail(route, password, wish):
        tried.append(route.sockaddr[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(connecting, "resolve_address", resolve)
    monkeypatch.setattr(connecting, "open_either_way", fail)
    with pytest.raises(ConnectionRefusedError):
        await connecting.find_session(options(tls=TlsOptions(mode=SslMode.disable)), ClientOptions(), None)
    assert tried == ["::1", "127.0.0.1"]


async def test_balanced_load_shuffles_the_addresses_of_a_name_too(monkeypatch):
    first = set()

    async def resolve(address):
        return [(socket.AF_INET, (f"127.0.0.{n}", 1)) for n in range(1, 4)]

    async def open_it(route, password, wish):
        first.add(route.sockaddr[0])
        raise InterfaceError("that is enough")

    monkeypatch.setattr(connecting, "resolve_address", resolve)
    monkeypatch.setattr(connecting, "open_either_way", open_it)
    for is_random, expected in ((False, 1), (True, 3)):
        first.clear()
        for _ in range(100):
            with pytest.raises(InterfaceError):
                await connecting.find_session(options(load_balance_hosts=is_random), ClientOptions(), None)
        assert len(first) == expected


async def test_session_opened_in_the_moment_of_a_cancel_is_closed(monkeypatch):
    class Opened:
        is_closed = False

        def say_goodbye(self):
            self.is_closed = True

    session = Opened()
    reached = asyncio.Event()

    async def open_it(route, password, wish):
        return session, route

    async def never(session):
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(connecting, "open_either_way", open_it)
    monkeypatch.setattr(connecting, "server_role", never)
    monkeypatch.setattr(connecting, "resolve_address", lambda address: asyncio.sleep(0, [(2, ("127.0.0.1", 1))]))
    search = asyncio.create_task(
        connecting.find_session(options(target_session_attrs="primary"), ClientOptions(), None))
    await reached.wait()
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    assert session.is_closed
