"""Lending and taking back: every way to borrow, faces that are dead after their release, hooks, sizes, closing."""
import asyncio
import logging
import random
import time

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from asyncpg_core.pool_calls import ONE_SHOTS
from tests.support.backends import end_backends
from tests.support.cluster import PASSWORD, SCRAM_USER
from tests.support.waiting import until


@pytest.fixture
async def make(dsn):
    """Opens pools, keywords as `create_pool`; whatever is left of them ends with the test."""
    pools = []

    async def make_one(where=dsn, **settings):
        settings = {"min_size": 1, "max_size": 1, **settings}
        pools.append(asyncpg_core.create_pool(where, **settings))
        return await pools[-1]

    yield make_one
    for pool in pools:
        pool.terminate()
        await asyncio.gather(*pool._tasks, return_exceptions=True)


async def eventually(fact, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it has not happened in time"
        await asyncio.sleep(0.005)


def is_free(pool):
    """Whether everything that the pool has is idle and nobody waits."""
    state = pool._state
    return not state.lent and not state.leaving and not state.waiters and not state.n_connecting


async def assert_usable(pool, n=1):
    """All `n` connections can be borrowed at once, and each works."""
    held = [await asyncio.wait_for(pool.acquire(), 5) for _ in range(n)]
    assert [await c.fetchval("select 17") for c in held] == [17] * n
    assert not any(c.is_in_transaction() for c in held)
    for c in held:
        await pool.release(c)
    assert pool.get_size() <= pool.get_max_size()


# Borrowing and giving back

async def test_acquire_by_every_way(make):
    pool = await make()
    async with pool.acquire() as c:
        assert await c.fetchval("select 1") == 1 and pool.get_idle_size() == 0
    assert pool.get_idle_size() == 1
    c = await pool.acquire()
    try:
        assert await c.fetchval("select 2") == 2
    finally:
        await pool.release(c)
    context = pool.acquire()
    async with context:
        with pytest.raises(exceptions.InterfaceError, match="a connection is already acquired"):
            async with context:
                pass
    assert pool.get_idle_size() == 1


async def test_release_twice_does_nothing(make):
    pool = await make(max_size=2)
    c = await pool.acquire()
    await pool.release(c)
    other = await pool.acquire()
    await pool.release(c)
    assert pool.get_idle_size() == 0
    assert await other.fetchval("select 1") == 1


async def test_release_of_a_foreign_connection_is_refused(make, connection):
    pool, neighbour = await make(), await make()
    async with neighbour.acquire() as theirs:
        for foreign in (connection, theirs):
            with pytest.raises(exceptions.InterfaceError, match="is not a member of this pool"):
                await pool.release(foreign)


METHODS = ("prepare", "reset", "close", "reload_schema_state", "terminate", "is_closed", "is_in_transaction",
           "get_server_pid", "get_server_version", "get_settings", "transaction", "cursor", "get_reset_query",
           *ONE_SHOTS)


async def call_method(connection, name):
    """Call a method with arguments that fit, and await what it returns if that can be awaited."""
    arguments = {"executemany": ("select $1", [(1,)]), "fetchmany": ("select $1", [(1,)])}
    with_text = {"prepare", "cursor", *ONE_SHOTS}
    outcome = getattr(connection, name)(*arguments.get(name, ("select 1",) if name in with_text else ()))
    if hasattr(outcome, "__await__"):
        await outcome


async def test_a_released_face_says_what_asyncpgs_says(make, dsn):
    theirs = pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    pool = await make()
    ours_released = await pool.acquire()
    ours_released.get_server_version()
    await pool.release(ours_released)
    async with theirs.create_pool(dsn, min_size=1, max_size=1) as other:
        async with other.acquire() as theirs_released:
            pass
        for name in METHODS:
            with pytest.raises(theirs.InterfaceError) as expected:
                await call_method(theirs_released, name)
            with pytest.raises(exceptions.InterfaceError) as caught:
                await call_method(ours_released, name)
            assert str(caught.value) == str(expected.value)


async def test_a_released_face_refuses_every_method(make):
    pool = await make()
    c = await pool.acquire()
    statement = await c.prepare("select 1")
    transaction = c.transaction()
    await pool.release(c)
    borrower = await pool.acquire()
    released = "cannot call Connection.%s\\(\\): connection has been released back to the pool"
    for name, arguments in {"fetch": ("select 1",), "fetchrow": ("select 1",), "fetchval": ("select 1",),
                            "execute": ("select 1",), "executemany": ("select $1", [(1,)]),
                            "fetchmany": ("select $1", [(1,)])}.items():
        with pytest.raises(exceptions.InterfaceError, match=released % name):
            await getattr(c, name)(*arguments)
    for name in METHODS:
        with pytest.raises(exceptions.InterfaceError, match=released % name):
            await call_method(c, name)
    with pytest.raises(exceptions.InterfaceError, match="released back to the pool"):
        async with c.pipeline():
            pass
    with pytest.raises(exceptions.InterfaceError, match="released back to the pool"):
        await statement.fetch()
    with pytest.raises(exceptions.InterfaceError, match="released back to the pool"):
        await transaction.start()
    assert "released" in repr(c)
    # The one who has the session now is not disturbed.
    assert await borrower.fetchval("select 1") == 1
    await pool.release(borrower)


@pytest.mark.parametrize("end", ["close", "terminate"])
async def test_a_borrower_who_closes_frees_the_slot(make, end):
    pool = await make()
    for _ in range(3):
        async with pool.acquire() as c:
            outcome = getattr(c, end)()
            if outcome is not None:
                await outcome
    await assert_usable(pool)


async def test_one_shot_methods(make):
    pool = await make(max_size=2)
    await pool.execute("drop table if exists pool_shots; create table pool_shots (n int)")
    assert await pool.execute("insert into pool_shots values ($1)", 1) == "INSERT 0 1"
    assert await pool.executemany("insert into pool_shots values ($1)", [(2,), (3,)]) is None
    rows = await pool.fetchmany("insert into pool_shots values ($1) returning n", [(4,), (5,)])
    assert [row["n"] for row in rows] == [4, 5]
    assert [row["n"] for row in await pool.fetch("select n from pool_shots order by n")] == [1, 2, 3, 4, 5]
    assert (await pool.fetchrow("select count(*) as c from pool_shots"))["c"] == 5
    assert await pool.fetchval("select 1 as a, 2 as b", column="b") == 2
    await pool.execute("drop table pool_shots")
    assert is_free(pool)


async def test_one_shots_that_fail_leave_the_pool_free(make):
    pool = await make()
    with pytest.raises(exceptions.UndefinedColumnError):
        await pool.fetch("select nonsense")
    with pytest.raises(exceptions.DataError):
        await pool.fetch("select $1::int", "x")
    with pytest.raises(exceptions.InterfaceError):
        await pool.fetch(3)
    with pytest.raises(asyncio.TimeoutError):
        await pool.fetchval("select pg_sleep(5)", timeout=0.05)
    with pytest.raises(ValueError, match="timeout"):
        await pool.fetchval("select 1", timeout="soon")
    await assert_usable(pool)


async def test_thousands_of_waiting_calls_that_fail_at_once_do_not_recurse(make):
    pool = await make()
    outcomes = await asyncio.gather(
        *[pool.fetchval("select $1::int", "bad" if i % 100 else i) for i in range(3000)], return_exceptions=True)
    for i, outcome in enumerate(outcomes):
        assert type(outcome) is exceptions.DataError if i % 100 else outcome == i
    await assert_usable(pool)


# Classes and hooks

class Counting(asyncpg_core.Connection):
    def fetch(self, query, *args, **settings):
        self.n_fetches = getattr(self, "n_fetches", 0) + 1
        return super().fetch(query.replace("1", "2"), *args, **settings)

    async def execute(self, *args, **settings):
        return "mine " + await super().execute(*args, **settings)


async def test_an_overridden_method_is_honoured_by_one_shots(make):
    pool = await make(connection_class=Counting)
    assert (await pool.fetch("select 1 as a"))[0]["a"] == 2
    assert await pool.execute("select 1") == "mine SELECT 1"
    assert await pool.fetchval("select 1") == 1
    async with pool.acquire() as c:
        assert c.n_fetches == 1 and type(c) is Counting


async def test_an_assigned_wrapper_is_honoured_by_one_shots(make, monkeypatch):
    pool = await make()
    seen = []
    original = asyncpg_core.Connection.fetch

    async def wrapper(self, query, *args, **settings):
        seen.append(query)
        return await original(self, query, *args, **settings)

    monkeypatch.setattr(asyncpg_core.Connection, "fetch", wrapper)
    assert (await pool.fetch("select 1"))[0][0] == 1
    assert seen == ["select 1"] and is_free(pool)


async def test_what_init_puts_on_a_connection_is_on_every_face(make):
    class Tagged(asyncpg_core.Connection):
        pass

    async def init(c):
        c.tag = await c.fetchval("select pg_backend_pid()")

    pool = await make(max_size=3, connection_class=Tagged, init=init)
    for _ in range(3):
        async with pool.acquire() as a, pool.acquire() as b:
            assert (a.tag, b.tag) == (a.get_server_pid(), b.get_server_pid())


async def test_hooks_are_called_in_their_turn(make):
    calls = []

    async def connect(*args, **settings):
        calls.append("connect")
        settings.pop("loop")
        return await asyncpg_core.connect(*args, **settings)

    def hook(name):
        async def run(c):
            calls.append(name)
            await c.execute("select 1")
        return run

    pool = await make(connect=connect, init=hook("init"), setup=hook("setup"), reset=hook("reset"))
    assert calls == ["connect", "init"]
    async with pool.acquire():
        assert calls.pop() == "setup"
    assert calls == ["connect", "init", "reset"]
    assert await pool.fetchval("select 1") == 1
    await eventually(lambda: is_free(pool))
    assert calls[3:] == ["setup", "reset"]


@pytest.mark.parametrize("name", ["connect", "init", "setup", "reset"])
async def test_a_failing_hook_raises_and_the_slot_stays_usable(make, name):
    is_broken = False

    async def hook(*args, **settings):
        if is_broken:
            raise LookupError(name)
        if name == "connect":
            settings.pop("loop")
            return await asyncpg_core.connect(*args, **settings)
        return None

    pool = await make(min_size=0, **{name: hook})
    async with pool.acquire() as c:
        await c.close()
    is_broken = True
    for _ in range(2):
        with pytest.raises(LookupError, match=name):
            async with pool.acquire() as c:
                assert await c.fetchval("select 1") == 1
    if name != "reset":
        with pytest.raises(LookupError, match=name):
            await pool.fetchval("select 1")
    is_broken = False
    await eventually(lambda: is_free(pool))
    await assert_usable(pool)


async def test_a_record_class_is_used_everywhere(make):
    class Row(asyncpg_core.Record):
        pass

    pool = await make(record_class=Row)
    async with pool.acquire() as c:
        assert type(await c.fetchrow("select 1")) is Row
    assert type((await pool.fetch("select 1"))[0]) is Row
    assert type((await pool.fetchmany("select $1::int", [(1,)]))[0]) is Row


# Waiting

async def test_acquire_times_out_with_a_text(make):
    pool = await make()
    async with pool.acquire():
        with pytest.raises(exceptions.PoolTimeout, match="no connection was free within 0.02 s") as caught:
            await pool.acquire(timeout=0.02)
        assert isinstance(caught.value, asyncio.TimeoutError) and isinstance(caught.value, TimeoutError)
        with pytest.raises(exceptions.PoolTimeout, match="no connection was free for fetchval within 0.02 s"):
            await pool.fetchval("select 1", timeout=0.02)
    await assert_usable(pool)


async def test_the_time_to_acquire_covers_setup_and_is_not_that_of_release(make):
    seconds = 0.0

    async def sleep(c):
        await asyncio.sleep(seconds)

    pool = await make(setup=sleep, reset=sleep)
    async with pool.acquire(timeout=0.2):
        seconds = 0.4
    seconds = 5.0
    started = time.monotonic()
    with pytest.raises(exceptions.PoolTimeout, match="setup"):
        await pool.acquire(timeout=0.1)
    assert time.monotonic() - started < 1
    seconds = 0.0
    await assert_usable(pool)


async def test_a_cancelled_waiter_leaves_nothing(make):
    pool = await make()
    async with pool.acquire():
        for wait in (pool._acquire(None), pool.fetchval("select 1"), pool._acquire(9.0)):
            task = asyncio.create_task(wait)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not pool._state.waiters
    await assert_usable(pool)


async def test_a_waiter_cancelled_when_its_turn_has_come_hands_on(make):
    pool = await make()
    for n_steps in range(4):
        held = await pool.acquire()
        first = asyncio.create_task(pool._acquire(None))
        second = asyncio.create_task(pool.fetchval("select 5"))
        await asyncio.sleep(0)
        await pool.release(held)
        for _ in range(n_steps):
            await asyncio.sleep(0)
        first.cancel()
        try:
            await pool.release(await first)
        except asyncio.CancelledError:
            pass
        assert await asyncio.wait_for(second, 5) == 5
    await assert_usable(pool)


async def test_one_shots_cancelled_at_any_step_leave_a_usable_connection(make):
    pool = await make()
    chance = random.Random(4)
    for _ in range(25):
        tasks = [asyncio.create_task(pool.fetchval("select $1::int from pg_sleep($2)", i, 0.001)) for i in range(3)]
        for _ in range(chance.choice((0, 1, 2, 3, 5))):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.004)
        tasks[0].cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert outcomes[1:] == [1, 2]
        assert outcomes[0] == 0 or isinstance(outcomes[0], asyncio.CancelledError)
    await assert_usable(pool)


async def test_gather_reports_a_cancelled_one_shot_among_the_others(make):
    pool = await make()
    calls = [pool.fetchval("select $1::int from pg_sleep(0.02)", i) for i in range(2)]
    gathered = asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(0.005)
    calls[0].cancel()
    outcomes = await asyncio.wait_for(gathered, 5)
    assert isinstance(outcomes[0], asyncio.CancelledError) and outcomes[1] == 1


async def test_forty_workers_over_four_connections_wait_their_turn(make):
    pool = await make(min_size=4, max_size=4)
    waits = []
    hold, rounds = 0.02, 3

    async def worker():
        for _ in range(rounds):
            started = time.monotonic()
            async with pool.acquire():
                waits.append(time.monotonic() - started)
                await asyncio.sleep(hold)

    await asyncio.gather(*[worker() for _ in range(40)])
    ideal = hold * 40 / 4
    print(f"longest wait {max(waits):.3f} s, ideal {ideal:.3f} s")
    assert max(waits) <= 1.5 * ideal


# Sizes and lives

async def test_expire_connections_replaces_idle_ones_now_and_lent_ones_at_release(make):
    pool = await make(min_size=2, max_size=2)
    lent = await pool.acquire()
    old = {member.session.frontend.backend_pid for member in (*pool._state.idle, *pool._state.lent)}
    await pool.expire_connections()
    assert await lent.fetchval("select 1") == 1
    await pool.release(lent)
    await eventually(lambda: pool.get_idle_size() == 2)
    assert not old & {member.session.frontend.backend_pid for member in pool._state.idle}
    await assert_usable(pool, 2)


async def test_max_queries_replaces_a_connection(make):
    pool = await make(max_queries=3)
    pids = [await pool.fetchval("select pg_backend_pid()") for _ in range(7)]
    assert len(set(pids[:3])) == 1 and len(set(pids)) == 3


async def test_inactive_connections_expire_down_to_the_floor(make):
    pool = await make(min_size=2, max_size=5, max_inactive_connection_lifetime=0.1)
    held = [await pool.acquire() for _ in range(5)]
    for c in held:
        await pool.release(c)
    assert pool.get_idle_size() == 5
    await eventually(lambda: pool.get_size() == 2 and is_free(pool))
    await assert_usable(pool, 2)


async def test_the_floor_is_kept_when_all_members_are_terminated(make, connection):
    pool = await make(min_size=4, max_size=6)
    pids = [member.session.frontend.backend_pid for member in pool._state.idle]
    await connection.fetch("select pg_terminate_backend(p) from unnest($1::int[]) p", pids)
    await eventually(lambda: pool.get_idle_size() == 4 and not set(pids) & {
        member.session.frontend.backend_pid for member in pool._state.idle})
    await assert_usable(pool, 6)


async def test_thirty_queries_after_ten_idle_members_were_terminated_all_succeed(make, connection):
    pool = await make(min_size=10, max_size=10)
    for _ in range(5):
        await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                                 " and backend_type = 'client backend'")
        outcomes = await asyncio.wait_for(
            asyncio.gather(*[pool.fetchval("select $1::int", i) for i in range(30)], return_exceptions=True), 10)
        assert outcomes == list(range(30))
        await eventually(lambda: is_free(pool) and pool.get_size() == 10)


async def test_a_loop_that_was_busy_notices_dead_members_at_acquire(make, cluster):
    pool = await make(min_size=3, max_size=3)
    pids = [member.session.frontend.backend_pid for member in pool._state.idle]
    end_backends(cluster, pids)     # the loop does not run: nobody hears of their end
    async with pool.acquire() as c:
        assert await c.fetchval("select pg_backend_pid()") not in pids
    await assert_usable(pool, 3)


async def test_a_loop_that_was_busy_keeps_a_member_whose_reset_is_answered(make):
    pool = await make()
    async with pool.acquire() as c:
        pid = await c.fetchval("select pg_backend_pid()")
    for _ in range(3):
        await asyncio.sleep(0)      # the reset is written
    time.sleep(0.2)     # its answer has come, and nobody has read it  # noqa: ASYNC251
    async with pool.acquire() as c:
        assert await c.fetchval("select pg_backend_pid()") == pid


# Opening and closing

async def test_no_server_is_an_error_at_once():
    with pytest.raises(OSError):
        await asyncio.wait_for(
            asyncpg_core.create_pool("postgresql://someone@127.0.0.1:1/none?sslmode=disable")._open(), 5)


async def test_a_wrong_password_is_told(cluster):
    pool = asyncpg_core.create_pool(cluster.dsn(SCRAM_USER), password="wrong", min_size=3, max_size=3)
    with pytest.raises(exceptions.InvalidPasswordError):
        await pool
    assert pool.get_size() == 0


async def test_scram_keys_are_derived_once(cluster, make, monkeypatch):
    from asyncpg_core.opening import scram
    derived = []
    original = scram.derive_keys

    def count(*arguments):
        derived.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(scram, "derive_keys", count)
    pool = await make(cluster.dsn(SCRAM_USER), password=PASSWORD, min_size=5, max_size=5)
    assert pool.get_size() == 5 and len(derived) == 1


async def test_an_open_pool_can_be_awaited_again_and_a_closed_one_too(make):
    pool = await make()
    assert await pool is pool
    await pool.close()
    assert await pool is pool
    with pytest.raises(exceptions.PoolClosed, match="^pool is closed"):
        await pool.fetchval("select 1")


async def n_backends(connection, name):
    return await connection.fetchval("select count(*) from pg_stat_activity where application_name = $1", name)


async def gone(connection, name):
    deadline = time.monotonic() + 5
    while await n_backends(connection, name):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_close_waits_for_borrowers_and_refuses_waiters(make, connection):
    pool = await make(min_size=2, max_size=2, server_settings={"application_name": "closing"})
    before = asyncio.all_tasks()
    a, b = await pool.acquire(), await pool.acquire()
    waiters = [asyncio.create_task(pool._acquire(None)), asyncio.create_task(pool._acquire(9.0)),
               asyncio.create_task(pool.fetchval("select 1"))]
    await asyncio.sleep(0)
    closing = [asyncio.create_task(pool.close()) for _ in range(2)]
    for waiter in waiters:
        with pytest.raises(exceptions.PoolClosed, match="^pool is closing"):
            await waiter
    assert pool.is_closing()
    for use in (pool.acquire(), pool.fetchval("select 1")):
        with pytest.raises(exceptions.PoolClosed, match="^pool is closing"):
            await use
    assert await a.fetchval("select 1") == 1 and not any(task.done() for task in closing)
    await pool.release(a)
    assert await b.fetchval("select 1") == 1
    await pool.release(b)
    await asyncio.wait_for(asyncio.gather(*closing), 5)
    await pool.close()
    assert pool.get_size() == 0 and asyncio.all_tasks() == before
    await gone(connection, "closing")


async def test_close_that_runs_out_of_time_terminates(make, connection):
    pool = await make(server_settings={"application_name": "late"})
    c = await pool.acquire()
    running = asyncio.create_task(c.fetchval("select pg_sleep(10)"))
    await asyncio.sleep(0)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(pool.close(), 0.05)
    with pytest.raises(exceptions.ConnectionDoesNotExistError):
        await running
    assert pool.get_size() == 0
    await pool.release(c)
    await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'late'")
    await gone(connection, "late")


async def test_close_does_not_wait_for_connections_being_opened(make):
    is_slow = False

    async def connect(*args, **settings):
        if is_slow:
            await asyncio.Event().wait()
        settings.pop("loop")
        return await asyncpg_core.connect(*args, **settings)

    pool = await make(max_size=2, connect=connect)
    c = await pool.acquire()
    is_slow = True
    waiter = asyncio.create_task(pool._acquire(None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await pool.release(c)
    await pool.release(await waiter)
    await asyncio.wait_for(pool.close(), 2)
    assert not pool._tasks


async def test_terminate_closes_at_once(make, connection):
    pool = await make(min_size=2, max_size=2, server_settings={"application_name": "ended"})
    c = await pool.acquire()
    pool.terminate()
    pool.terminate()
    assert pool.is_closing() and pool.get_size() == 0
    with pytest.raises(exceptions.InterfaceError, match="connection is closed"):
        await c.fetchval("select 1")
    await pool.release(c)
    await pool.close()
    await gone(connection, "ended")


async def test_a_block_left_by_an_error_closes_at_once(dsn):
    before = asyncio.all_tasks()
    with pytest.raises(LookupError):
        async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2) as pool:
            await pool.acquire()
            raise LookupError
    assert pool.get_size() == 0 and asyncio.all_tasks() == before


async def test_a_pool_whose_server_is_away_tells_every_waiter_and_comes_back(make, dsn, caplog):
    caplog.set_level(logging.CRITICAL, "asyncpg_core.pool")
    is_away = False

    async def connect(*args, **settings):
        if is_away:
            raise ConnectionRefusedError("nobody there")
        settings.pop("loop")
        return await asyncpg_core.connect(*args, **settings)

    pool = await make(connect=connect)
    is_away = True
    async with pool.acquire() as c:
        c.terminate()
    for _ in range(2):
        outcomes = await asyncio.wait_for(
            asyncio.gather(*[pool.fetchval("select 1") for _ in range(5)], return_exceptions=True), 3)
        assert {type(outcome) for outcome in outcomes} == {ConnectionRefusedError}
    is_away = False
    await assert_usable(pool)


async def test_connections_that_nobody_has_borrowed_expire_too(dsn):
    async with asyncpg_core.create_pool(
            dsn, min_size=0, init_size=2, max_size=2, max_inactive_connection_lifetime=0.05) as pool:
        assert pool.get_size() == 2
        await until(lambda: pool.get_size() == 0)
        assert await pool.fetchval("select 1") == 1


async def test_a_connection_under_way_when_all_were_replaced_is_not_used(dsn):
    names, go_on = [], asyncio.Event()

    async def init(connection):
        names.append(connection.get_settings().application_name)
        if len(names) == 2:
            await go_on.wait()

    async with asyncpg_core.create_pool(
            dsn, min_size=1, max_size=1, init=init, server_settings={"application_name": "old"}) as pool:
        pool._holders[0]._con.terminate()
        await until(lambda: len(names) == 2)
        pool.set_connect_args(dsn, server_settings={"application_name": "new"})
        await pool.expire_connections()
        go_on.set()
        async with pool.acquire(timeout=5) as connection:
            assert connection.get_settings().application_name == "new"
    assert names == ["old", "old", "new"]


async def test_a_borrower_whose_setup_has_failed_sees_that_his_connection_is_closed(dsn):
    seen = []

    async def setup(connection):
        seen.append(connection)
        if len(seen) == 1:
            raise RuntimeError("no")

    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, setup=setup) as pool:
        with pytest.raises(RuntimeError, match="no"):
            await pool.acquire()
        assert seen[0].is_closed()
        await pool.release(seen[0])
        async with pool.acquire() as connection:
            assert connection is seen[1] and await connection.fetchval("select 1") == 1


async def test_a_plan_that_no_longer_fits_is_forgotten_by_the_whole_pool(dsn, connection):
    await connection.execute("drop table if exists replanned; create table replanned (a int)")
    async with asyncpg_core.create_pool(dsn, min_size=2, max_size=2) as pool:
        async with pool.acquire() as one, pool.acquire() as two:
            for lent in (one, two):
                assert await lent.fetch("select * from replanned") == []
            await connection.execute("alter table replanned add b int; insert into replanned values (1, 2)")
            assert await one.fetchrow("select * from replanned") == (1, 2)
            async with two.transaction():
                assert await two.fetchrow("select * from replanned") == (1, 2)
    await connection.execute("drop table replanned")
