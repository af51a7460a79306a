"""Arguments that are callables, called for each connect; what is asked once and what every time."""
import asyncio
import enum

import pytest

from asyncpg_core.connect_arguments import ConnectArguments, is_settled, settle
from asyncpg_core.dsn import resolve

BARE = {"user": "u", "password": "p", "ssl": False}


def counted(*values):
    """Return an async callable that gives the values one after the other, and the list of those it has given."""
    given = []

    async def call():
        await asyncio.sleep(0)
        given.append(values[len(given) % len(values)])
        return given[-1]

    return call, given


async def test_any_argument_and_the_dsn_may_be_a_callable_async_or_not():
    host, _ = counted("here")
    arguments = ConnectArguments(
        lambda: "postgresql://someone@elsewhere/base",
        {"host": host, "port": lambda: 1234, "user": lambda: "me", "database": counted("other")[0],
         "ssl": lambda: "disable", "server_settings": lambda: {"jit": "off"},
         "target_session_attrs": lambda: "standby"})
    options = await arguments.options()
    assert [str(address) for address in options.addresses] == ["here:1234"]
    assert (options.user, options.database, options.server_settings) == ("me", "other", {"jit": "off"})
    assert options.target_session_attrs == "standby"


async def test_they_are_called_for_each_connect_and_plain_ones_are_read_once():
    user, given = counted("a", "b", "c")
    arguments = ConnectArguments(None, {**BARE, "host": "h", "user": user})
    assert [(await arguments.options()).user for _ in range(3)] == ["a", "b", "c"] == given
    plain = ConnectArguments(None, {**BARE, "host": "h"})
    assert await plain.options() is await plain.options()


async def test_a_password_that_is_callable_is_left_to_the_moment_that_it_is_asked():
    password, given = counted("secret")
    arguments = ConnectArguments(None, {**BARE, "host": "h", "password": password})
    options = await arguments.options()
    assert options.passwords == (password,) and given == [] and await arguments.options() is options


async def test_what_the_client_uses_is_not_called():
    def loads(text):
        raise AssertionError

    arguments = ConnectArguments(None, {**BARE, "host": "h", "json_loads": loads, "command_timeout": 3})
    await arguments.options()
    assert arguments.client_options().command_timeout == 3


async def test_the_time_of_callables_is_part_of_the_time_to_connect():
    async def slow():
        await asyncio.sleep(0.05)
        return "h"

    _, settled = await settle(None, {"host": slow, "timeout": 10})
    assert 9 < settled["timeout"] < 9.96
    with pytest.raises(asyncio.TimeoutError, match=r"arguments that are callables have not returned within 0\.01 s"):
        await settle(None, {"host": slow, "timeout": 0.01})


async def test_the_error_of_a_callable_is_raised_as_it_is():
    async def failing():
        raise LookupError("no such secret")

    async def out_of_time():
        raise asyncio.TimeoutError("the vault is slow")

    with pytest.raises(LookupError, match="^no such secret$"):
        await settle(None, {"user": failing})
    with pytest.raises(asyncio.TimeoutError, match="^the vault is slow$"):
        await settle(None, {"user": out_of_time})


def test_nothing_is_called_where_nothing_is_callable():
    assert is_settled("dsn", {"password": lambda: "p", "host": "h", "user": None})
    assert not is_settled(lambda: "dsn", {}) and not is_settled(None, {"ssl": lambda: True})


@pytest.mark.parametrize(("role", "is_forced", "given", "expected"), [
    (None, False, None, "any"), ("primary", False, None, "primary"), ("primary", False, "read-write", "read-write"),
    ("standby", True, "read-write", "standby"), ("standby", False, "prefer-standby", "prefer-standby")])
async def test_the_role_holds_where_nothing_else_was_said_or_in_any_case(role, is_forced, given, expected):
    arguments = ConnectArguments(None, {**BARE, "host": "h", "target_session_attrs": given}, role, is_forced)
    options = await arguments.options()
    assert options.target_session_attrs == expected
    assert options.load_balance_hosts is (expected == "standby")


async def test_changed_arguments_leave_the_others_and_the_earlier_ones_alone():
    before = ConnectArguments("postgresql://h/base", {**BARE}, "primary")
    after = before.changed(None, {"user": "other"})
    assert (await after.options()).user == "other" and (await after.options()).target_session_attrs == "primary"
    assert (await before.options()).user == "u" and (await after.options()).database == "base"
    assert (await before.changed("postgresql://h/new", {}).options()).database == "new"


TEXTS = {
    "dsn": "postgresql://u@h/d", "host": "h", "port": "5433", "user": "u", "password": "p", "passfile": "/none",
    "database": "d", "ssl": "disable", "target_session_attrs": "primary", "krbsrvname": "k", "gsslib": "gssapi",
    "connect_timeout": "3", "security": None, "application_name": "a", "options": "-c jit=off", "hostaddr": "127.0.0.1",
    "channel_binding": "disable", "require_auth": "scram-sha-256", "load_balance_hosts": "random",
    "fallback_application_name": "f", "keepalives": "1", "keepalives_idle": "2", "tcp_user_timeout": "3",
    "ssl_min_protocol_version": "TLSv1.2", "sslnegotiation": "postgres", "sslsni": "1", "requirepeer": "r",
    "min_protocol_version": "3.0", "max_protocol_version": "3.2", "client_encoding": "utf8", "gssencmode": "disable"}
Text = enum.Enum("Text", {name: value for name, value in TEXTS.items() if value is not None}, type=str)


class Loud(str):
    def __str__(self):
        return "not this"

    __repr__ = __format__ = __str__


@pytest.mark.parametrize("make", [lambda name, value: Text[name], lambda name, value: Loud(value)],
                         ids=["StrEnum", "subclass"])
@pytest.mark.parametrize("name", [name for name, value in TEXTS.items() if value is not None])
def test_a_str_of_another_class_is_its_text_in_every_argument(name, make, monkeypatch):
    monkeypatch.setenv("HOME", "/none")
    base = {"host": "h", "user": "u", "ssl": "disable", "environ": {}}
    base.pop(name, None)
    expected = resolve(**{**base, name: TEXTS[name]})
    found = resolve(**{**base, name: make(name, TEXTS[name])})
    assert repr(found) == repr(expected) and found.addresses == expected.addresses
    assert "not this" not in repr(found)
