"""Callbacks and what they are told."""
import asyncio
import functools

import pytest

import asyncpg_core
from asyncpg_core.options import ConnectOptions, TcpAddress, TlsOptions
from asyncpg_core.watchers import Callbacks, Hearing, Watchers
from pgproto.errors import InterfaceError, InterfaceWarning
from pgproto.secret import Secret


class Connection:
    """Something to refer to."""


@pytest.fixture
async def heard():
    return []


async def told(callbacks, *args):
    callbacks.call(*args)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_functions_and_coroutine_functions_are_called_from_the_loop(heard):
    callbacks = Callbacks(asyncio.get_running_loop())

    async def later(*args):
        await asyncio.sleep(0)
        heard.append(("later", *args))

    class Callable:
        async def __call__(self, *args):
            heard.append(("object", *args))

    callbacks.add(lambda *args: heard.append(("now", *args)))
    callbacks.add(later)
    callbacks.add(functools.partial(later, "partial"))
    callbacks.add(Callable())
    callbacks.call(1, 2)
    assert heard == []
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(heard, key=str) == sorted(
        [("now", 1, 2), ("later", 1, 2), ("later", "partial", 1, 2), ("object", 1, 2)], key=str)


async def test_equal_callbacks_are_one_and_are_removed_by_equality(heard):
    class Listener:
        def hear(self, *args):
            heard.append(args)

    callbacks = Callbacks(asyncio.get_running_loop())
    listener = Listener()
    callbacks.add(listener.hear)
    callbacks.add(listener.hear)
    assert len(callbacks) == 1
    await told(callbacks, 1)
    assert heard == [(1,)]
    callbacks.remove(print)
    callbacks.remove(listener.hear)
    callbacks.remove(listener.hear)
    await told(callbacks, 2)
    assert (len(callbacks), heard) == (0, [(1,)])


@pytest.mark.parametrize("bad", [None, 3, "print"])
async def test_what_cannot_be_called_is_refused(bad):
    with pytest.raises(InterfaceError, match="expected a callable or an `async def` function, got"):
        Callbacks(asyncio.get_running_loop()).add(bad)


async def test_notifications_go_to_their_channel_and_notices_to_the_log(heard):
    connection = Connection()
    hearing = Hearing(connection, asyncio.get_running_loop())
    hearing.add("a", lambda *args: heard.append(args))
    hearing(None, [{"S": "NOTICE", "M": "unheard"}], [(1, "a", "x"), (1, "b", "y")])
    hearing.log.add(lambda *args: heard.append(args))
    hearing(None, [{"S": "WARNING", "V": "WARNING", "C": "01000", "M": "heard"}], [])
    await asyncio.sleep(0)
    assert heard[0] == (connection, 1, "a", "x")
    assert heard[1][0] is connection
    assert isinstance(heard[1][1], asyncpg_core.PostgresWarning)
    assert heard[1][1].message == "heard"
    assert len(heard) == 2


async def test_the_last_callback_of_a_channel_is_known():
    hearing = Hearing(Connection(), asyncio.get_running_loop())
    hearing.add("a", print)
    hearing.add("a", repr)
    assert [hearing.remove("b", print), hearing.remove("a", print), hearing.remove("a", print),
            hearing.remove("a", repr), hearing.remove("a", repr)] == [False, False, False, True, False]


async def test_a_callback_that_is_refused_leaves_no_channel_behind():
    hearing = Hearing(Connection(), asyncio.get_running_loop())
    with pytest.raises(InterfaceError):
        hearing.add("a", 3)
    assert hearing.channels == {}


async def test_listeners_that_are_left_are_warned_of():
    connection = Connection()
    hearing = Hearing(connection, asyncio.get_running_loop())
    hearing.warn_of_rest()
    hearing.add("a", print)
    with pytest.warns(InterfaceWarning, match="is being released to the pool but has 1 active notification listener$"):
        hearing.warn_of_rest()
    hearing.add("a", repr)
    hearing.add("b", print)
    hearing.log.add(print)
    with pytest.warns(InterfaceWarning) as warned:
        hearing.warn_of_rest()
    assert [str(one.message).partition(" but has ")[2] for one in warned] == [
        "3 active notification listeners", "1 active log listener"]
    hearing.clear()
    hearing.warn_of_rest()


async def test_loggers_get_no_password(heard):
    params = ConnectOptions(
        addresses=(TcpAddress("h", 1),) * 2, passwords=(Secret("pass-word"), lambda: "pass-word"), user="u",
        database="d", tls=TlsOptions(key_password=Secret("pass-word")))
    watchers = Watchers(Connection(), asyncio.get_running_loop(), ("h", 1), params)
    watchers.query_loggers.add(heard.append)
    watchers.tell_query("select $1", (1,), 2.0, 0.5, None)
    await asyncio.sleep(0)
    (record,) = heard
    assert record[:6] == ("select $1", (1,), 2.0, 0.5, None, ("h", 1))
    assert record._fields == ("query", "args", "timeout", "elapsed", "exception", "conn_addr", "conn_params")
    assert (record.conn_params.user, record.conn_params.database) == ("u", "d")
    assert record.conn_params.passwords == (None, None)
    assert record.conn_params.tls.key_password is None
    assert params.passwords[0] is not None
