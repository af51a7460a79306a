"""A session that is open, and a server that stalls, drips, goes on after the end, lies about types, or sends what
nobody asked for: through the real driver, with a server scripted message by message."""
import asyncio
import io
import struct
import sys
import time

import pytest

import asyncpg_core
from asyncpg_core import canceller, exceptions, type_query
from pgproto import limits
from tests.support.fake_server import (
    BOUND,
    DESCRIBED,
    ONE_ROW,
    PARSED,
    CutReached,
    FakeServer,
    complete,
    data_row,
    error,
    message,
    notice,
    parameter_description,
    ready,
)
from tests.support.waiting import until
from tests.unit.columns.rows import array, value

ENDS = (exceptions.ConnectionDoesNotExistError, exceptions.InterfaceError, OSError)


async def simple_session(dsn, timeout):
    """Connect, query three times; the values."""
    connection = await asyncpg_core.connect(dsn, timeout=timeout)
    try:
        first = await connection.fetchval("select 1 as a", timeout=timeout)
        second = await asyncio.gather(*[connection.fetchval("select 1 as a", timeout=timeout) for _ in range(2)])
        return [first, *second, await connection.execute("select 1", timeout=timeout)]
    finally:
        connection.terminate()


# Stalls, drips, and what comes after the end

async def test_a_stall_at_every_byte_ends_at_the_timeout(monkeypatch):
    """A call waits for its own time; one that finds a cancel under way waits for that, which has its bound as well."""
    monkeypatch.setattr(canceller, "CANCEL_SECONDS", 0.1)
    cuts = iter(())

    async def script(session):
        session.cut_at = next(cuts, None)
        try:
            await session.start()
            await session.serve()
        except CutReached:
            await session.gone()

    async with FakeServer(script) as server:
        assert await simple_session(server.dsn, 5) == [1, 1, 1, "SELECT 1"]
        n_bytes = server.sessions[0].n_sent
        assert n_bytes > 300
        for first in range(0, n_bytes, 64):
            wanted = range(first, min(first + 64, n_bytes))
            cuts = iter(wanted)
            outcomes = await asyncio.wait_for(asyncio.gather(
                *[simple_session(server.dsn, 0.2) for _ in wanted], return_exceptions=True), 20)
            for outcome in outcomes:
                assert isinstance(outcome, (asyncio.TimeoutError, *ENDS)), outcome
        # Requests to cancel outlive their connections, not their bound.
        await until(lambda: asyncio.all_tasks() <= {asyncio.current_task(), *server.tasks})


async def test_answers_in_single_bytes_are_the_answers():
    async def drip(session, parts):
        while parts is not None:
            while parts:
                session.writer.write(parts[:1])
                del parts[:1]
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)

    async def script(session):
        parts = bytearray()
        session.send = lambda *sent: parts.extend(b"".join(sent))
        dripping = asyncio.get_running_loop().create_task(drip(session, parts))
        try:
            await session.start()
            await session.serve()
        finally:
            dripping.cancel()

    async with FakeServer(script) as server:
        assert await simple_session(server.dsn, 10) == [1, 1, 1, "SELECT 1"]


@pytest.mark.parametrize("behind", [
    b"\0", b"Z\0\0\0\5I", data_row(1), error("57P01", "bye", severity="FATAL"), error("23505", "why"),
    b"\xff" * 100_000, b"D\x7f\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=lambda part: repr(part[:12]))
async def test_bytes_behind_terminate_are_nobodys(behind):
    async def script(session):
        await session.start()
        assert (await session.take())[0] == "X"
        try:
            for _ in range(50):
                session.writer.write(behind)
                await session.writer.drain()
        except ConnectionError:
            return
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        began = time.monotonic()
        await asyncio.wait_for(connection.close(), 5)
        # A server that says why it ends has a second to hang up.
        assert time.monotonic() - began < 2
        assert connection.is_closed()


@pytest.mark.parametrize("hostile", [
    b"\0\0\0\0\4", b"Z\0\0\0\3I", message("Z", b"II"), b"C\x7f\xff\xff\xff", message("R", struct.pack("!i", 11)),
    message("K", b"\0" * 8), message("G", b"\0\0\0"), message("W", b"\0\0\0"), data_row(1), message("T", b"\xff\xff")],
    ids=lambda part: repr(part[:8]))
async def test_what_breaks_the_protocol_ends_the_session_at_once(hostile):
    sent = []

    async def script(session):
        await session.start()
        await session.take_to("S")
        sent.append(time.monotonic())
        session.send(hostile)
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
            await asyncio.wait_for(connection.fetchval("select 1"), 5)
        # Ten times the promise of 50 ms.
        assert time.monotonic() - sent[0] < 0.5
        assert type(caught.value.__cause__) is exceptions.ProtocolError
        assert connection.is_closed()


async def test_listeners_hear_of_the_end_before_the_query_that_meets_it_fails():
    heard, heard_later = [], []

    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(message("G", b"\0\0\0"))
        await session.gone()

    async def hear(connection):
        heard_later.append(connection)

    async def ask(connection):
        with pytest.raises(exceptions.ConnectionDoesNotExistError):
            await connection.fetchval("select 1")
        return [*heard], [*heard_later]

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        connection.add_termination_listener(heard.append)
        connection.add_termination_listener(hear)
        assert await asyncio.wait_for(asyncio.ensure_future(ask(connection)), 5) == ([connection], [connection])


async def test_text_that_is_no_utf8_is_heard_with_replacement_and_fails_no_query():
    heard = []

    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        session.send(message("N", notice("x")[5:].replace(b"Mx", b"M\xff\xfex")),
                     message("S", b"\xffname\0\xc3\0"), BOUND, data_row(1),
                     message("E", error("22P02", "caf?")[5:].replace(b"?", b"\xe9")), ready())
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        connection.add_log_listener(lambda _, told: heard.append(told.message))
        with pytest.raises(exceptions.InvalidTextRepresentationError, match="caf\N{REPLACEMENT CHARACTER}"):
            await connection.fetchval("select 1 as a")
        await until(lambda: heard)
        assert heard == ["\N{REPLACEMENT CHARACTER}" * 2 + "x"]
        assert await connection.fetchval("select 1 as a") == 1
        connection.terminate()


# COPY that nobody asked for

@pytest.mark.parametrize("kind", ["G", "H", "W"])
async def test_a_copy_for_a_statement_without_the_word_is_a_protocol_error(kind):
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        session.send(BOUND, message(kind, b"\0\0\0"))
        await session.gone()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
            await asyncio.wait_for(connection.fetchval("select 1 as a"), 5)
        assert type(caught.value.__cause__) is exceptions.ProtocolError


@pytest.mark.parametrize("says", ["COPY from stdin failed", "the trigger raises"])
async def test_a_copy_that_the_user_fetches_is_ended_by_copy_fail_and_sync(says):
    """The server may fail before it has read the CopyFail, as a trigger does; the client cannot know."""
    sent = []

    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(PARSED, parameter_description(), message("n"), ready())
        sent.append(await session.take_to("H"))
        session.send(BOUND, message("G", b"\0\0\0"))
        if says.startswith("the trigger"):
            session.send(error("P0001", says))
            sent.append(await session.take_to("S"))
        else:
            sent.append(await session.take_to("f"))
            session.send(error("57014", says))
            sent.append(await session.take_to("S"))
        session.send(ready())
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        calls = [asyncio.ensure_future(connection.fetch("copy t from stdin")),
                 asyncio.ensure_future(connection.fetchval("select 1 as a"))]
        outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
        assert type(outcomes[0]) in (exceptions.InterfaceError, exceptions.RaiseError)
        assert outcomes[1] == 1
        assert "".join(sent).replace("D", "").replace("P", "") in ("BEHfS", "BEHSf", "BEHS")
        connection.terminate()


# A COPY that fails in the middle

ROWS = message("H", b"\0\0\0") + message("d", b"1\n") + message("d", b"2\n")
REFUSAL = error("22012", "division by zero")
BINARY = message("H", b"\1\0\1\0\1") + message("d", b"PGCOPY\n\xff\r\n\0" + bytes(8) + struct.pack("!hii", 1, 4, 7))


async def answer_in(pieces, session):
    """Send the pieces so that each is read by itself, then serve."""
    for piece in pieces:
        session.send(piece)
        await asyncio.sleep(0.05)
    await session.serve()


@pytest.mark.parametrize("pieces", [(ROWS + REFUSAL + ready(),), (ROWS + REFUSAL, ready())], ids=["whole", "cut"])
async def test_rows_that_come_with_the_error_go_to_nobody_however_it_is_cut(pieces):
    async def script(session):
        await session.start()
        await session.take_to("Q")
        await answer_in(pieces, session)

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        out = io.BytesIO()
        with pytest.raises(exceptions.DivisionByZeroError):
            await asyncio.wait_for(connection.copy_from_query("select 1", output=out), 5)
        assert out.getvalue() == b""
        assert await connection.execute("select 1") == "SELECT 1"
        connection.terminate()


async def test_rows_that_come_before_the_error_are_written():
    out = io.BytesIO()

    async def script(session):
        await session.start()
        await session.take_to("Q")
        session.send(ROWS)
        await until(out.getvalue)
        session.send(REFUSAL)
        await asyncio.sleep(0.05)
        session.send(ready())
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        with pytest.raises(exceptions.DivisionByZeroError):
            await asyncio.wait_for(connection.copy_from_query("select 1", output=out), 5)
        assert out.getvalue() == b"1\n2\n"
        assert await connection.execute("select 1") == "SELECT 1"
        connection.terminate()


@pytest.mark.parametrize("pieces", [(BINARY + REFUSAL + ready(),), (BINARY + REFUSAL, ready())], ids=["whole", "cut"])
async def test_typed_rows_that_come_with_the_error_go_to_nobody(pieces):
    async def script(session):
        await session.start()
        for end in "SQ":
            await session.take_to(end)
            if end == "S":
                session.send(DESCRIBED, ready())
        session.send(DESCRIBED, ready())
        await answer_in(pieces, session)

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        rows = connection.copy_rows("select 1 as a")
        with pytest.raises(exceptions.DivisionByZeroError):
            await asyncio.wait_for(anext(rows), 5)
        assert await connection.execute("select 1") == "SELECT 1"
        connection.terminate()


# A catalogue that lies

UNKNOWN = 70001
QUERY_NAMES, QUERY_OIDS = zip(*type_query.COLUMNS, strict=True)


def described(*oids, names=None):
    names = names or [f"c{i}" for i in range(len(oids))]
    columns = b"".join(name.encode() + b"\0" + struct.pack("!IhIhih", 0, 0, oid, -1, -1, 1)
                       for name, oid in zip(names, oids, strict=True))
    return message("T", struct.pack("!H", len(oids)) + columns)


def row(*bodies):
    return message("D", struct.pack("!H", len(bodies)) + b"".join(map(value, bodies)))


def oid_of(number):
    return struct.pack("!I", number)


def names(*texts):
    return array(25, *[text.encode() for text in texts])


def oids(*numbers):
    return array(26, *map(oid_of, numbers))


def fact(oid=UNKNOWN, name=b"t", schema=b"public", typtype=b"c", inner=0, delimiter=b",", is_visible=b"\1",
         attribute_names=None, attribute_oids=None):
    return row(oid_of(oid), name, schema, typtype, oid_of(inner), delimiter, is_visible, attribute_names,
               attribute_oids)


LIES = {
    "nothing": b"",
    "a type nobody asked for": fact(70009, typtype=b"e"),
    "itself as its part": fact(attribute_names=names("a"), attribute_oids=oids(UNKNOWN)),
    "itself as its base": fact(typtype=b"d", inner=UNKNOWN),
    "itself as its element": fact(typtype=b"a", inner=UNKNOWN),
    "two that contain each other": fact(typtype=b"d", inner=70002) + fact(70002, typtype=b"a", inner=UNKNOWN),
    "a name too many": fact(attribute_names=names("a", "b"), attribute_oids=oids(23)),
    "a type too many": fact(attribute_names=names("a"), attribute_oids=oids(23, 23)),
    "names in two dimensions": fact(attribute_names=array(25, b"a", ndim=2), attribute_oids=oids(23)),
    "a name that is null": fact(attribute_names=array(25, None), attribute_oids=oids(23)),
    "no name": fact(name=None),
    "no schema": fact(schema=None),
    "no kind": fact(typtype=None),
    "no delimiter": fact(delimiter=b""),
    "a long delimiter": fact(typtype=b"b", delimiter=b"long"),
    "a part that nobody knows": fact(attribute_names=names("a"), attribute_oids=oids(70005)),
    "a range of itself": fact(typtype=b"r", inner=UNKNOWN),
    "a multirange of a number": fact(typtype=b"m", inner=23),
    "an unknown kind": fact(typtype=b"?"),
    "ten thousand types": b"".join([fact(80000 + i, typtype=b"e") for i in range(10_000)]),
    "a row of another shape": row(b"x"),
    "a row that is cut": message("D", b"\0\x09\0\0\0\4"),
    "a number of another length": row(b"\0", b"t", b"s", b"c", oid_of(0), b",", b"\1", None, None),
}


ANSWER = described(*QUERY_OIDS, names=QUERY_NAMES)
# As if the answer were described otherwise than it was asked for.
DESCRIPTIONS = {
    "columns of other names": described(*QUERY_OIDS),
    "columns of other types": described(25, 26, 23, 17, 1007, 18, 25, 17, 1009, names=QUERY_NAMES),
    "a column less": described(*QUERY_OIDS[1:], names=QUERY_NAMES[1:]),
}


class Liar:
    """Describes every statement as one of an unknown type, and answers questions to the catalogue with `rows`."""

    def __init__(self, rows, answer=ANSWER):
        self.answer = answer
        self.rows = rows
        self.n_asked = 0

    async def script(self, session):
        await session.start()
        await session.take_to("S")
        session.send(PARSED, parameter_description(), described(UNKNOWN), ready())
        while True:
            sent = await self.flight(session)
            if b"pg_catalog.pg_type" in sent:
                self.n_asked += 1
                session.send(PARSED, BOUND, self.answer, self.rows, complete("SELECT 1"), ready())
            elif sent.startswith(b"P"):
                session.send(PARSED, parameter_description(), described(UNKNOWN), ready())
            else:
                session.send(BOUND, row(b"x"), complete("SELECT 1"), ready())

    async def flight(self, session):
        """What comes up to the next Sync, with the kind in front of each body."""
        found = b""
        while True:
            kind, body = await session.take()
            if kind == "S":
                return found
            found += kind.encode() + body

    async def run(self, session):
        try:
            await self.script(session)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass


@pytest.mark.parametrize("lie", [*LIES, *DESCRIPTIONS])
async def test_a_catalogue_that_lies_ends_in_a_value_or_a_typed_error(lie):
    liar = Liar(LIES.get(lie, fact(typtype=b"e")), DESCRIPTIONS.get(lie, ANSWER))
    async with FakeServer(liar.run) as server:
        connection = await asyncpg_core.connect(server.dsn, timeout=5)
        for n in range(1, 4):
            began = time.monotonic()
            try:
                found = await asyncio.wait_for(connection.fetchval("select t from t"), 5)
            except (exceptions.InterfaceError, exceptions.InternalClientError,
                    exceptions.ConnectionDoesNotExistError) as refused:
                assert not isinstance(refused, exceptions.InternalClientError) or type(refused) in (
                    exceptions.ProtocolError, exceptions.OutdatedSchemaCacheError)
            else:
                assert found == "x"
            # Where lines are traced each of them costs more.
            assert time.monotonic() - began < (0.5 if sys.gettrace() is None else 5)
            assert liar.n_asked <= n * limits.MAX_INTROSPECTION_ROUNDS
            if connection.is_closed():
                break
        connection.terminate()


async def test_records_that_name_a_new_type_each_time_are_asked_about_once_a_call():
    """A `record` names the types of its elements, so each answer may make a new question."""
    n_calls = 0

    async def script(session):
        nonlocal n_calls
        await session.start()
        try:
            while True:
                sent = await Liar(b"").flight(session)
                if b"pg_catalog.pg_type" in sent:
                    asked.append(sent)
                    session.send(PARSED, BOUND, ANSWER, complete("SELECT 0"), ready())
                elif sent.startswith(b"P"):
                    session.send(PARSED, parameter_description(), described(2249), ready())
                else:
                    n_calls += 1
                    record = struct.pack("!iI", 1, 90_000 + n_calls) + value(b"x")
                    session.send(BOUND, row(record), complete("SELECT 1"), ready())
        except (ConnectionError, asyncio.IncompleteReadError):
            pass

    asked = []
    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn, timeout=5)
        for n in range(1, 6):
            with pytest.raises(exceptions.DecodeError, match="cannot be read inside a record"):
                await asyncio.wait_for(connection.fetchval("select row(1)"), 5)
            assert len(asked) <= n * limits.MAX_INTROSPECTION_ROUNDS
        connection.terminate()


async def test_one_row_is_one_row_although_the_server_says_otherwise():
    """A tag that counts other rows than came is not ours to judge; the rows are those that came."""
    async def script(session):
        await session.start()
        await session.take_to("S")
        session.send(DESCRIBED, ready())
        await session.take_to("S")
        session.send(ONE_ROW.replace(b"SELECT 1", b"SELECT 9"), ready())
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        assert [tuple(found) for found in await connection.fetch("select 1 as a")] == [(1,)]
        connection.terminate()
