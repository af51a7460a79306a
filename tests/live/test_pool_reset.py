"""The reset between two borrowers: nothing of a session reaches the next one, at no flight of its own."""
import asyncio
import logging
import re
import time

import pytest

import asyncpg_core
from asyncpg_core import deadlines, exceptions
from tests.support.fake_server import FakeServer, complete, error, ready
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import until


@pytest.fixture
async def pool(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1) as pool:
        yield pool


PATH = ("select current_setting('search_path')", '"$user", public')
TEMP = ("select to_regclass('never')::text", None)
LOCKS = ("select count(*) from pg_locks where locktype = 'advisory'", 0)
CHANNELS = ("select count(*) from pg_listening_channels()", 0)
# Each is one statement, so that it can be sent by any method.
CHANGES = {
    "set search_path to pg_catalog": PATH,
    "select set_config('search_path', 'pg_catalog', false)": PATH,
    "do $$ begin perform set_config('search_path', 'pg_catalog', false); end $$": PATH,
    "do $$ begin execute 'set search_path to pg_catalog'; end $$": PATH,
    "call public.keep_path()": PATH,
    "select public.keep_path_too()": PATH,
    "set role pg_monitor": ("select current_user::text", "postgres"),
    "set session authorization pg_monitor": ("select session_user::text", "postgres"),
    "set default_transaction_read_only to on": ("select current_setting('default_transaction_read_only')", "off"),
    "listen something": CHANNELS,
    "do $$ begin execute 'listen something'; end $$": CHANNELS,
    "select pg_advisory_lock(77)": LOCKS,
    "select pg_try_advisory_lock_shared(77)": LOCKS,
    "do $$ begin perform pg_advisory_lock(77); end $$": LOCKS,
    "create temp table never (n int)": TEMP,
    "create temporary view never as select 1 as n": TEMP,
    "select 1 as n into temp never": TEMP,
    "create table pg_temp.never (n int)": TEMP,
    "declare never cursor with hold for select 1": ("select count(*) from pg_cursors where name = 'never'", 0),
}
KEEPERS = """
    create or replace procedure keep_path() language plpgsql as $$
        begin perform set_config('search_path', 'pg_catalog', false); end $$;
    create or replace function keep_path_too() returns int language plpgsql as $$
        begin perform set_config('search_path', 'pg_catalog', false); return 1; end $$"""


@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_borrower_changes_does_not_reach_the_next_one(dsn, connection, change):
    question, answer = CHANGES[change]
    await connection.execute(KEEPERS)
    async with asyncpg_core.create_pool(
            dsn, min_size=1, max_size=1, session_functions=["keep_path_too"]) as pool:
        pid = await pool.fetchval("select pg_backend_pid()")
        async with pool.acquire() as c:
            await c.execute(change)
        assert await pool.fetchval(question) == answer
        async with pool.acquire() as c:
            await c.fetch(change)
        async with pool.acquire() as c:
            assert await c.fetchval(question) == answer
        for one_shot in (pool.execute, pool.fetch, pool.fetchval, pool.fetchrow):
            await one_shot(change)
            assert await pool.fetchval(question) == answer, one_shot
        await pool.executemany(change, [()])
        async with pool.acquire() as c:
            assert await c.fetchval(question) == answer
        assert await pool.fetchval("select pg_backend_pid()") == pid and pool._resets.n_errors == 0


@pytest.mark.expects_loop_errors
async def test_a_transaction_that_was_left_open_does_not_reach_the_next_one(pool):
    for change in ("begin; create temp table never (n int)", "begin; set local role pg_monitor; select 1 / 0"):
        for use in (pool.execute, None):
            try:
                if use is not None:
                    await use(change)
                else:
                    async with pool.acquire() as c:
                        await c.execute(change)
            except exceptions.DivisionByZeroError:
                pass
            assert await pool.fetchval(TEMP[0]) is None
            assert await pool.fetchval("select current_user::text") == "postgres"
            assert await pool.fetchval("select txid_current_if_assigned()") is None


class Own(asyncpg_core.Connection):
    """Has a reset of its own, which release awaits."""

    async def reset(self, *, timeout=None):
        await super().reset(timeout=timeout)


async def hook(connection):
    await connection.execute("select 'hook'")


@pytest.mark.parametrize("settings", [{}, {"reset": hook}, {"connection_class": Own}], ids=["plain", "hook", "class"])
async def test_what_a_borrower_had_not_sent_at_his_release_is_never_sent(dsn, connection, settings):
    await connection.execute("drop table if exists unsent; create table unsent (n int)")
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, **settings) as pool:
        for n, busy in enumerate([False, True]):
            async with pool.acquire() as c:
                session = c._session
                await c.fetchval("select 1 from pg_sleep($1)", 0.0)
                if busy:
                    running = asyncio.create_task(c.fetchval("select 1 from pg_sleep($1)", 0.1))
                    await until(lambda c=c: c._session.frontend.n_pending)
                # With nothing in flight the first one is written at once, the other one waits for its description.
                late = [c.execute(f"insert into unsent values ({n})"),
                        c.fetch("insert into unsent values ($1) returning n", n)]
                for call in late:
                    call.add_done_callback(str)     # starts it
            outcomes = await asyncio.gather(*late, return_exceptions=True)
            if busy:
                assert "before the statement was sent" in str(outcomes[0]) and await running == 1
            else:
                assert outcomes[0] == "INSERT 0 1"
            with pytest.raises(exceptions.InterfaceError, match="before the statement was sent"):
                raise outcomes[1]
            assert await pool.fetchval("select array_agg(n) from unsent") == [0]
            assert not session.is_closed
    await connection.execute("drop table unsent")


async def test_two_releases_in_one_tick_reset_once(dsn):
    resets = []

    async def reset(connection):
        resets.append(await connection.fetchval("select 1"))

    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, reset=reset) as pool:
        c = await pool.acquire()
        await asyncio.gather(pool.release(c), pool.release(c))
        assert resets == [1] and pool.get_idle_size() == 1


async def test_the_default_is_back_although_the_first_statement_fails(pool):
    async with pool.acquire() as c:
        await c.execute("set search_path to pg_catalog")
    async with pool.acquire() as c:
        with pytest.raises(exceptions.DivisionByZeroError):
            await c.fetchval("select 1 / 0")
        assert await c.fetchval("show search_path") == '"$user", public'


async def test_an_advisory_lock_is_gone_soon_with_nobody_borrowing(pool, connection):
    async with pool.acquire() as c:
        await c.execute("select pg_advisory_lock(78)")
    await asyncio.sleep(0.1)
    assert await connection.fetchval("select pg_try_advisory_lock(78)")


async def test_the_reset_costs_no_flight_of_its_own(cluster):
    async with FaultProxy(cluster.socket_path) as proxy, asyncpg_core.create_pool(proxy.dsn, max_size=1) as pool:
        async with pool.acquire() as c:
            await c.fetchval("select 1")
        await pool.fetchval("select 1")
        proxy.flights.clear()
        proxy.client_is_next = True
        for _ in range(5):
            await pool.fetchval("select 1")
        assert len(proxy.flights) == 5 and b"RESET" not in b"".join(proxy.flights)
        for _ in range(5):
            async with pool.acquire() as c:
                await c.fetchval("select 1")
        assert len(proxy.flights) <= 11


KEPT_RESETS = """
    select pg_backend_pid(), array_agg(statement order by name) from pg_prepared_statements
    where name ~ '^__apc_[0-9a-f]+_[0-9a-f]+_[0-9]+$'"""


async def release(pool, *statements):
    """Borrow, execute, release; return the next borrower's process and which of a reset's statements it keeps."""
    async with pool.acquire() as connection:
        for statement in statements:
            await connection.execute(statement)
    async with pool.acquire() as connection:
        return tuple(await connection.fetchrow(KEPT_RESETS))


async def test_a_reset_is_parsed_once_per_connection(pool):
    pid, kept = await release(pool, "select 1")
    assert sorted(kept) == sorted([
        "BEGIN", "RESET SESSION AUTHORIZATION", "SELECT pg_catalog.pg_advisory_unlock_all()", "CLOSE ALL", "UNLISTEN *",
        "RESET ALL", "DISCARD TEMP", "COMMIT"])
    for _ in range(3):
        assert await release(pool, "select 1", "set search_path to pg_catalog") == (pid, kept)
        assert await pool.fetchval(PATH[0]) == PATH[1]


@pytest.mark.parametrize("lose", ["discard all", "deallocate all", "deallocate prepare all",
                                  "select 1; deallocate all; select 2"])
async def test_a_reset_is_parsed_again_after_its_statements_were_dropped(pool, caplog, lose):
    first = await release(pool, "select 1")
    for _ in range(3):
        assert await release(pool, lose) == first
    assert not caplog.records and pool._resets.n_errors == 0


async def test_a_reset_whose_statements_were_dropped_unseen_costs_the_connection_and_nothing_else(pool, caplog):
    pid, _ = await release(pool, "select 1")
    other, kept = await release(pool, "do $$ begin execute 'deallocate all'; end $$")
    assert other != pid and kept is None and pool._resets.n_errors == 1


@pytest.mark.parametrize("settings", [{"statement_cache_size": 0}, {"prepare": "auto"}])
async def test_behind_a_pooler_a_reset_has_no_names(dsn, settings):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, **settings) as pool:
        for _ in range(3):
            assert (await release(pool, "set search_path to pg_catalog"))[1] is None
            assert await pool.fetchval(PATH[0]) == PATH[1]


@pytest.mark.expects_loop_errors
async def test_a_reset_that_rolls_back_has_no_names(pool):
    pid, kept = await release(pool, "select 1")
    assert await release(pool, "begin", "create temp table never (n int)") == (pid, kept)
    assert await pool.fetchval(TEMP[0]) is TEMP[1]


async def test_a_failed_reset_moves_the_borrowers_statements_unsent(caplog):
    caplog.set_level(logging.WARNING, "asyncpg_core.pool")

    async def script(session):
        await session.start()
        if server.sessions[0] is not session:
            await session.serve()
            return
        while True:
            kind, body = await session.take()
            if b"RESET" in body:
                await session.take_to("S")
                await asyncio.sleep(0.05)   # the test borrows first
                session.send(error("XX000", "no reset today"), ready())
                await session.gone()
                return
            if kind == "Q":
                session.send(complete("SET"), ready())

    async with FakeServer(script) as server:
        async with asyncpg_core.create_pool(server.dsn, min_size=1, max_size=1) as pool:
            async with pool.acquire() as c:
                await c.execute("set a to b")
            async with pool.acquire() as c:
                assert await asyncio.wait_for(c.execute("mine"), 5) == "SELECT 1"
                assert await asyncio.wait_for(c.execute("again"), 5) == "SELECT 1"
        bodies = b"".join(body for _, body in server.sessions[0].taken)
        assert b"mine" not in bodies and len(server.sessions) == 2
    assert [record.message for record in caplog.records] == ["the reset of a pooled connection failed: no reset today"]


# A reset that is not answered

@pytest.fixture
async def swallowed(cluster):
    """A line that can be made a black hole, and a pool of one connection over it."""
    async with FaultProxy(cluster.socket_path) as proxy:
        pool = await asyncpg_core.create_pool(proxy.dsn, min_size=1, max_size=1)
        yield proxy, pool
        proxy.is_black_hole = False
        pool.terminate()
        await asyncio.gather(*pool._tasks, return_exceptions=True)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(deadlines, "RESET_SECONDS", 0.2)


async def test_a_reset_that_is_not_answered_ends_the_connection_in_five_seconds(swallowed, caplog):
    caplog.set_level(logging.WARNING, "asyncpg_core.pool")
    proxy, pool = swallowed
    async with pool.acquire() as c:
        pid = await c.fetchval("select pg_backend_pid()")
        session = c._session
        proxy.is_black_hole = True
    started = time.monotonic()
    while not session.is_closed:
        assert time.monotonic() < started + 6
        await asyncio.sleep(0.02)
    assert time.monotonic() > started + 4.5
    assert [record.message for record in caplog.records] == [
        "the reset of a pooled connection failed: the server has not answered within 5 s"]
    proxy.is_black_hole = False
    assert await asyncio.wait_for(pool.fetchval("select pg_backend_pid()"), 5) != pid
    assert pool._resets.n_errors == 1 and pool.get_size() == 1


async def test_a_borrower_behind_a_reset_that_is_not_answered_goes_on_elsewhere(short):
    async def script(session):
        await session.start()
        if server.sessions[0] is session:
            await session.take_to("Q")
            session.send(complete("SET"), ready())
            await session.gone()
        else:
            await session.serve()

    async with FakeServer(script) as server:
        async with asyncpg_core.create_pool(server.dsn, min_size=1, max_size=1) as pool:
            async with pool.acquire() as c:
                await c.execute("set a to b")
            async with pool.acquire() as c:
                assert await asyncio.wait_for(c.execute("mine"), 5) == "SELECT 1"
        assert b"mine" not in b"".join(body for _, body in server.sessions[0].taken)


async def test_a_reset_in_front_of_a_statement_has_the_time_of_the_statement(swallowed, short):
    proxy, pool = swallowed
    query = "select $1::text from pg_sleep($2)"
    async with pool.acquire() as c:
        session = c._session
        await c.fetchval(query, "once", 0.0)
    await until(lambda: not session.is_resetting)
    async with pool.acquire() as c:
        await c.fetchval(query, "twice", 0.0)
    async with pool.acquire() as c:     # the tick of the release has not come yet
        assert await c.fetchval(query, "together", 0.7) == "together"
    assert any(re.search(rb"__apc_\w+_5\0", flight) and b"together" in flight for flight in proxy.flights)
    assert not session.is_closed


async def test_a_reset_behind_a_statement_that_somebody_waits_for_waits_too(pool, short):
    async with pool.acquire() as c:
        session = c._session
        query = "select 5 from pg_sleep($1)"
        await c.fetchval(query, 0.0)
        sleeping = asyncio.create_task(c.fetchval(query, 0.7))
        await until(lambda: session.frontend.n_pending)
    assert await sleeping == 5
    await until(lambda: not session.is_resetting)
    assert not session.is_closed


@pytest.mark.parametrize("what", ["a prepare", "its own statement", "a rollback", "nothing"])
async def test_what_the_driver_alone_waits_for_does_not_keep_a_reset_for_ever(swallowed, short, what):
    proxy, pool = swallowed
    async with pool.acquire() as c:
        session = c._session
        await c.fetchval("select 1")
        if what == "a rollback":
            with pytest.raises(asyncio.TimeoutError):
                async with c.transaction():
                    await c.fetchval("select 1")
                    proxy.is_black_hole = True
                    raise asyncio.TimeoutError
        proxy.is_black_hole = True
        if what == "a prepare":
            with pytest.raises(asyncio.TimeoutError):
                await c.fetchval("select 'unheard of'", timeout=0.05)
            assert session.frontend.n_pending == 1
    if what == "its own statement":
        async with pool.acquire() as other:
            with pytest.raises(asyncio.TimeoutError):
                await other.fetchval("select 1", timeout=0.05)
    started = time.monotonic()
    await until(lambda: session.is_closed)
    assert time.monotonic() < started + 2
    proxy.is_black_hole = False
    assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1


# Resets of a subclass

class Marked(asyncpg_core.Connection):
    """Its reset leaves a mark of its own."""

    def get_reset_query(self):
        return super().get_reset_query() + "\nset application_name to 'marked';"


class Counted(asyncpg_core.Connection):
    """Counts its resets, and fails when it is told to."""

    n_resets = 0
    is_broken = False

    async def reset(self, *, timeout=None):
        type(self).n_resets += 1
        if type(self).is_broken:
            raise LookupError("no reset today")
        await super().reset(timeout=timeout)


async def test_an_overridden_reset_query_is_what_is_executed(dsn):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, connection_class=Marked) as pool:
        async with pool.acquire() as c:
            await c.execute("set search_path to pg_catalog")
            pid = c.get_server_pid()
        async with pool.acquire() as c:
            assert await c.fetchval("show application_name") == "marked"
            assert await c.fetchval("show search_path") == '"$user", public'
            assert c.get_server_pid() == pid
        await pool.execute("set application_name to 'mine'")
        assert await pool.fetchval("show application_name") == "marked"


async def test_an_overridden_reset_is_awaited_by_release_and_its_error_is_told(dsn, monkeypatch):
    monkeypatch.setattr(Counted, "n_resets", 0)
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, connection_class=Counted) as pool:
        async with pool.acquire() as c:
            await c.execute("set search_path to pg_catalog")
            pid = c.get_server_pid()
        assert Counted.n_resets == 1
        assert await pool.fetchval("show search_path") == '"$user", public'
        monkeypatch.setattr(Counted, "is_broken", True)
        with pytest.raises(LookupError, match="no reset today"):
            async with pool.acquire() as c:
                assert c.get_server_pid() == pid
        monkeypatch.setattr(Counted, "is_broken", False)
        assert await pool.fetchval("select pg_backend_pid()") != pid


# What waits behind a reset that fails

@pytest.fixture
async def failing():
    """A pool whose first connection fails its reset, and the server's sessions."""
    async def script(session):
        await session.start()
        if server.sessions[0] is not session:
            await session.serve()
            return
        while True:
            kind, body = await session.take()
            if b"RESET" in body:
                await session.take_to("S")
                await asyncio.sleep(0.05)   # the test borrows first
                session.send(error("XX000", "no reset today"), ready())
                await session.gone()
                return
            if kind == "Q":
                session.send(complete("SET"), ready())

    async with FakeServer(script) as server:
        async with asyncpg_core.create_pool(server.dsn, min_size=1, max_size=1) as pool:
            async with pool.acquire() as c:
                await c.execute("set a to b")
            yield pool, server.sessions


def texts_of(session):
    """What a session was asked to parse or to run, in order."""
    return [body.split(b"\0")["QP".index(kind)].decode() for kind, body in session.taken if kind in "QP"]


async def test_a_transaction_behind_a_reset_that_fails_begins_elsewhere(failing):
    pool, sessions = failing
    async with pool.acquire() as c:
        async with c.transaction(isolation="serializable"):
            assert await asyncio.wait_for(c.fetchval("insert mine"), 5) == 1
            assert c.is_in_transaction()
        assert not c.is_in_transaction() and not c.is_closed()
    assert texts_of(sessions[1])[:3] == ["BEGIN ISOLATION LEVEL SERIALIZABLE", "insert mine", "COMMIT"]
    assert not {"insert mine", "BEGIN ISOLATION LEVEL SERIALIZABLE"} & {*texts_of(sessions[0])}


async def test_calls_gathered_behind_a_reset_that_fails_keep_their_order(failing):
    pool, sessions = failing
    async with pool.acquire() as c:
        words = [f"word {i}" for i in range(5)]
        outcomes = await asyncio.wait_for(asyncio.gather(*[c.execute(word) for word in words], c.fetchval("last")), 5)
        assert outcomes == ["SELECT 1"] * 5 + [1]
    assert [text for text in texts_of(sessions[1]) if "word" in text] == words
    assert "last" in texts_of(sessions[1])
    assert not any("word" in text or text == "last" for text in texts_of(sessions[0]))


async def test_a_one_shot_behind_a_reset_that_fails_is_executed_elsewhere(failing):
    pool, sessions = failing
    assert await asyncio.wait_for(pool.fetchval("mine"), 5) == 1
    assert "mine" in texts_of(sessions[1]) and pool.get_idle_size() == 1
    assert await asyncio.wait_for(pool.execute("again"), 5) == "SELECT 1"


async def test_a_pipeline_behind_a_reset_that_fails_is_told(failing):
    pool, _ = failing
    async with pool.acquire() as c:
        with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
            async with c.pipeline() as p:
                first = p.execute("mine")
                await asyncio.sleep(0.1)
                await first
        assert caught.value.safe_to_retry
    assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1
