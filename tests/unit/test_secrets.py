"""A password, and where it is told to, what is in the tables, is in no text that a log could keep.

Looked at are all that somebody may print: the error and its causes, the locals of every frame of ours that it came
through, the repr of all settings, connections and pools, log records, and what query loggers are told.
"""
import asyncio
import copy
import logging
import pickle

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from asyncpg_core.dsn import resolve
from pgproto.codecs.registry import builtin_codec
from pgproto.copy_rows import RowWriter
from pgproto.errors import DataError, PostgresError
from pgproto.secret import Secret
from tests.support.backend_bytes import INT4, TEXT, statement
from tests.support.startup_server import (
    CLEARTEXT,
    WELCOME,
    StartupServer,
    answers,
    answers_and_closes,
    error,
    message,
    read_startup,
)

SECRET = "hunter2-secret"
MD5 = message(b"R", b"\0\0\0\x05salt")
SCRAM = message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")
# A server's proof that is none, and a first message that is bent.
BENT = message(b"R", b"\0\0\0\x0bnonsense")


def all_shown(raised):
    """Everything that a traceback with locals would print of an error, but for the frames of tests and libraries."""
    shown, seen = [], set()
    pending = [raised]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        shown += [str(one), repr(one), repr(vars(one)), repr(one.args)]
        pending += [one.__cause__, one.__context__]
        frames = one.__traceback__
        while frames is not None:
            if any(f"/{package}/" in frames.tb_frame.f_code.co_filename.replace("\\", "/")
                   for package in ("asyncpg_core", "pgproto")):
                shown.append(repr(frames.tb_frame.f_locals))
            frames = frames.tb_next
    return "\n".join(shown)


async def connect_to(script, **settings):
    async with StartupServer(script) as server:
        given = {"user": "u", "database": "d", "password": SECRET, "ssl": "disable", "timeout": 5, **settings}
        connection = await asyncpg_core.connect(host="127.0.0.1", port=server.port, **given)
        connection.terminate()


def two_messages(first, then):
    """Sends the second when the client has answered the first."""
    async def script(reader, writer):
        await read_startup(reader)
        writer.write(first)
        await reader.read(1)
        writer.write(then)
        await reader.read(-1)
    return script


@pytest.mark.parametrize("script", [
    answers(error("28P01", "password authentication failed")), answers_and_closes(CLEARTEXT), answers_and_closes(MD5),
    two_messages(CLEARTEXT, error("28P01", "no")), two_messages(MD5, error("28P01", "no")), two_messages(SCRAM, BENT),
    two_messages(CLEARTEXT, b"X nonsense"), answers(b"HTTP/1.1 400 Bad Request\r\n"), answers_and_closes(b"")],
    ids=["refused", "cleartext, closed", "md5, closed", "cleartext refused", "md5 refused", "scram bent", "nonsense",
         "http", "closed"])
async def test_no_error_of_a_connect_shows_the_password(script, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises((PostgresError, OSError, asyncpg_core.InterfaceError, asyncpg_core.ProtocolError)) as caught:
        await connect_to(script)
    assert SECRET not in all_shown(caught.value)
    assert SECRET not in caplog.text


async def test_neither_does_one_that_ends_by_its_time_or_is_cancelled():
    async def silent(reader, writer):
        await reader.read(-1)

    with pytest.raises(asyncio.TimeoutError) as caught:
        await connect_to(silent, timeout=0.05)
    assert SECRET not in all_shown(caught.value)
    task = asyncio.ensure_future(connect_to(silent))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    assert SECRET not in all_shown(cancelled.value)


BAD_SETTINGS = [
    {"port": "none"}, {"sslmode": "maybe"}, {"timeout": "soon"}, {"statement_cache_size": -1}, {"command_timeout": -1},
    {"require_auth": "nothing"}, {"channel_binding": "maybe"}, {"dsn": f"postgresql://u:{SECRET}@h:port/d"},
    {"dsn": f"postgresql://u:{SECRET}@[::1/d"}, {"dsn": f"host='h password={SECRET}"}, {"sslmode": "verify-full"},
    {"gssencmode": "require"}, {"no_such_keyword": 1}, {"server_settings": {"a": "b\0"}}, {"user": "a\0b"},
    {"sslpassword": SECRET, "sslcert": "/nowhere", "sslmode": "require"},
]


@pytest.mark.parametrize("settings", BAD_SETTINGS, ids=[str(n) for n in range(len(BAD_SETTINGS))])
async def test_no_error_of_the_settings_shows_the_password(settings):
    given = {"host": "127.0.0.1", "user": "u", "password": SECRET, **settings}
    with pytest.raises((ValueError, TypeError, OSError, asyncpg_core.InterfaceError)) as caught:
        await asyncpg_core.connect(**given)
    assert SECRET not in all_shown(caught.value)
    with pytest.raises((ValueError, TypeError, OSError, asyncpg_core.InterfaceError)) as caught:
        await asyncpg_core.create_pool(**given)
    assert SECRET not in all_shown(caught.value)


async def test_no_repr_and_no_query_logger_shows_the_password():
    async def script(reader, writer):
        await read_startup(reader)
        writer.write(WELCOME)
        await reader.read(-1)

    async with StartupServer(script) as server:
        dsn = f"postgresql://u:{SECRET}@127.0.0.1:{server.port}/d?sslmode=disable&sslpassword={SECRET}"
        pool = asyncpg_core.create_pool(dsn, password=SECRET, min_size=1, max_size=1)
        assert SECRET not in repr(pool)
        async with pool:
            connection = await pool.acquire()
            raw = connection._lease.connection
            told = []
            connection.add_query_logger(told.append)
            with pytest.raises(asyncio.TimeoutError):
                await connection.execute("SELECT 1", timeout=0.01)
            for thing in (pool, connection, raw, connection._params, connection._config, connection._params.tls,
                          connection._session, connection._protocol, pool._arguments, pool._state, pool._lender):
                assert SECRET not in repr(thing) + str(thing)
            assert SECRET not in repr(connection._params.passwords)
            connection.terminate()
            await asyncio.sleep(0)
            assert told and SECRET not in repr(told)


def test_a_secret_is_not_shown_copied_out_or_pickled():
    secret = Secret(SECRET)
    assert SECRET not in f"{secret} {secret!r} {secret!s} {[secret]} {vars(type(secret))}"
    assert copy.deepcopy(secret) is secret and copy.copy(secret) is secret
    assert secret.reveal() == SECRET
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(resolve(host="h", user="u", password=SECRET))


# What is in the tables

@pytest.fixture
def hidden():
    exceptions.show_values(False)
    yield
    exceptions.show_values(True)


def test_detail_and_values_are_shown_unless_somebody_says_otherwise():
    told = PostgresError.new({"M": "duplicate key", "D": f"Key (a)=({SECRET}) already exists", "C": "23505"})
    assert SECRET in str(told)
    with pytest.raises(DataError, match=SECRET):
        statement(parameters=(INT4,)).encode_bind((SECRET,))


def test_detail_can_be_switched_off_and_is_kept_as_an_attribute(hidden):
    told = PostgresError.new({"M": "duplicate key", "D": f"Key (a)=({SECRET}) already exists", "C": "23505", "H": "h"})
    assert str(told) == "duplicate key\nHINT:  h"
    assert SECRET in told.detail
    interface = asyncpg_core.InterfaceError("no", detail=SECRET)
    assert str(interface) == "no" and interface.detail == SECRET


@pytest.mark.parametrize(("oid", "value"), [
    (INT4, SECRET), (1082, SECRET), (2950, SECRET), (1007, [1, SECRET]), (1700, SECRET), (TEXT, SECRET.encode())])
def test_values_of_arguments_can_be_switched_off(hidden, oid, value):
    with pytest.raises(DataError) as caught:
        statement(parameters=(TEXT, oid)).encode_bind(("x", value))
    text = "".join([str(caught.value), repr(caught.value), repr(vars(caught.value)), str(caught.value.__cause__)])
    assert SECRET not in text
    assert "query argument $2" in text and "is not shown" in text
    assert caught.value.parameter == 2


def test_the_values_of_a_copy_can_be_switched_off_too(hidden):
    rows = RowWriter(("a", "b"), (builtin_codec(TEXT), builtin_codec(INT4)))
    with pytest.raises(DataError) as caught:
        rows.put(("x", SECRET))
    assert SECRET not in str(caught.value) + str(caught.value.__cause__) and "column 'b'" in str(caught.value)
