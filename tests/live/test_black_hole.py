"""A network on which nothing moves any more and nothing is closed: every call ends in its time, and what has none too.

The calls are those of tests/support/public_calls.py, each on a path of its own. Many wait at the same time, because
waiting is all that they do.
"""
import asyncio
import contextlib

import pytest

import asyncpg_core
from tests.support import bounds
from tests.support.fault_proxy import FaultProxy
from tests.support.public_calls import CASES, Place
from tests.support.waiting import until

SECONDS = 0.3
# What a call may need beyond its timeout.
GRACE_SECONDS = 1.0
TOGETHER = 12
LABELS = list(CASES)
GROUPS = [LABELS[at:at + TOGETHER] for at in range(0, len(LABELS), TOGETHER)]
# What may come of a call that is in a black hole, but for success: some need no network.
EXPECTED = (asyncio.TimeoutError, asyncpg_core.InterfaceError, asyncpg_core.exceptions.PostgresConnectionError, OSError)


@pytest.fixture
async def tables(connection):
    await connection.execute("""
        DROP TABLE IF EXISTS calls, filled_calls; DROP TYPE IF EXISTS calls_mood;
        CREATE TABLE calls (a int, b text); CREATE TABLE filled_calls (a int, b text);
        CREATE TYPE calls_mood AS ENUM ('sad', 'glad')""")


@pytest.fixture
def five_seconds(monkeypatch):
    """What is left of the driver's own five seconds."""
    return bounds.shorten(monkeypatch, 0.06)


@contextlib.asynccontextmanager
async def place_behind(proxy, seconds):
    place = Place(proxy.dsn, seconds)
    place.pool = await asyncpg_core.create_pool(place.dsn, min_size=2, max_size=2, command_timeout=seconds)
    place.connection = await place.pool.acquire()
    try:
        yield place
    finally:
        place.end()
        place.pool.terminate()


async def awaited(awaitable):
    return await awaitable


async def in_the_hole(label, cluster, seconds, five_seconds):
    """Make one call when nothing moves any more; return what is wrong with it and with what follows.

    Without a timeout it is cancelled after a while.
    """
    async with FaultProxy(cluster.socket_path) as proxy, place_behind(proxy, seconds) as place:
        ready = await CASES[label].prepare(place)
        proxy.is_black_hole = True
        call = asyncio.ensure_future(awaited(ready()))
        if seconds is None:
            await asyncio.wait([call], timeout=0.1)
            call.cancel()
            bound, expected = GRACE_SECONDS, (*EXPECTED, asyncio.CancelledError)
        else:
            # Two calls in a row have two timeouts, and what closes has the driver's own.
            bound, expected = 2 * seconds + five_seconds + GRACE_SECONDS, EXPECTED
        faults = [await judged(label, call, bound, expected)]
        if place.transaction is not None and place.transaction._state.name == "STARTED":
            leaving = place.transaction.__aexit__(asyncio.TimeoutError, asyncio.TimeoutError(), None)
            faults.append(await judged(f"{label}, leaving the block", leaving, GRACE_SECONDS))
        faults.append(await judged(f"{label}, release", place.pool.release(place.connection), GRACE_SECONDS))
        proxy.is_black_hole = False
        faults.append(await judged(
            f"{label}, the first call afterwards", place.pool.fetchval("SELECT 17", timeout=5), GRACE_SECONDS))
        proxy.is_black_hole = True
        faults.append(await judged(
            f"{label}, closing the pool", place.pool.close(), five_seconds + GRACE_SECONDS, EXPECTED))
        return [fault for fault in faults if fault]


async def judged(what, awaitable, bound, expected=()):
    """Return what is wrong: an unexpected error, or more time than the bound."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    error = None
    try:
        await asyncio.wait_for(asyncio.ensure_future(awaitable), 20)
    except (Exception, asyncio.CancelledError) as raised:
        error = raised
    seconds = loop.time() - began
    if seconds <= bound and (error is None or isinstance(error, expected)):
        return ""
    return f"{what}: {seconds:.2f} s of {bound:.2f} s, {error!r}"


@pytest.mark.parametrize("labels", GROUPS, ids=[group[0] for group in GROUPS])
async def test_every_call_ends_within_its_timeout(labels, cluster, tables, five_seconds, caplog):
    outcomes = await asyncio.gather(*[in_the_hole(label, cluster, SECONDS, five_seconds) for label in labels])
    assert [fault for faults in outcomes for fault in faults] == []


@pytest.mark.parametrize("labels", GROUPS, ids=[group[0] for group in GROUPS])
async def test_without_a_timeout_cancel_release_and_close_end_nevertheless(labels, cluster, tables, five_seconds):
    outcomes = await asyncio.gather(*[in_the_hole(label, cluster, None, five_seconds) for label in labels])
    assert [fault for faults in outcomes for fault in faults] == []


def test_the_bounds_are_the_documented_ones():
    assert {getattr(module, name) for module, name in bounds.FIVE_SECONDS} == {5.0}
    assert {getattr(module, name) for module, name in bounds.ONE_SECOND} == {1.0}


@pytest.mark.parametrize("how", ["close", "close of the pool", "block of a transaction", "close while a query runs"])
async def test_what_has_no_timeout_gives_up_by_itself(how, cluster, five_seconds):
    async with FaultProxy(cluster.socket_path) as proxy, place_behind(proxy, None) as place:
        connection = place.connection
        running = None
        if how == "close while a query runs":
            running = asyncio.ensure_future(connection.execute("SELECT pg_sleep(30)"))
            await until(lambda: connection._session.n_executed == 1)
        transaction = connection.transaction()
        if how == "block of a transaction":
            await transaction.__aenter__()
            await connection.execute("SELECT 1")
        proxy.is_black_hole = True
        if how == "block of a transaction":
            ending = transaction.__aexit__(LookupError, LookupError(), None)
        elif how == "close of the pool":
            await place.pool.release(connection)
            ending = place.pool.close()
        else:
            ending = connection.close()
        assert await judged(how, ending, five_seconds + GRACE_SECONDS, EXPECTED) == ""
        assert how == "close of the pool" or connection.is_closed()
        if running is not None:
            with pytest.raises((asyncpg_core.InterfaceError, asyncpg_core.exceptions.PostgresConnectionError)):
                await running


async def test_a_pool_of_one_is_usable_as_soon_as_the_network_is_back(cluster, five_seconds):
    async with FaultProxy(cluster.socket_path) as proxy:
        async with asyncpg_core.create_pool(proxy.dsn, min_size=1, max_size=1, timeout=5,
                                            max_inactive_connection_lifetime=0.1) as pool:
            for is_borrowed in (False, True):
                held = await pool.acquire() if is_borrowed else None
                proxy.is_black_hole = True
                if held is not None:
                    with pytest.raises(asyncio.TimeoutError):
                        await held.fetchval("SELECT 1", timeout=0.1)
                    await pool.release(held)
                # Longer than the driver's five seconds: whatever was under way on the connection has been given up.
                await asyncio.sleep(1.2 * five_seconds)
                proxy.is_black_hole = False
                assert await judged("the first call", pool.fetchval("SELECT 17"), GRACE_SECONDS) == ""
                assert pool.get_size() == 1


@pytest.mark.parametrize("seconds", [0.2])
async def test_asyncio_timeout_bounds_whatever_is_inside(cluster, seconds):
    if not hasattr(asyncio, "timeout"):
        pytest.skip("missing feature: asyncio.timeout")
    async with FaultProxy(cluster.socket_path) as proxy, place_behind(proxy, None) as place:
        proxy.is_black_hole = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(seconds):
                async with place.pool.acquire() as connection, connection.transaction():
                    await connection.fetchval("SELECT 1", timeout=30)
        assert loop.time() - began < seconds + GRACE_SECONDS
        assert not isinstance(caught.value, asyncpg_core.exceptions.QueryTimeout)
        assert asyncio.current_task().cancelling() == 0
        # The shorter of the two counts, whichever is outside.
        with pytest.raises(asyncpg_core.exceptions.QueryTimeout):
            async with asyncio.timeout(5):
                await place.connection.fetchval("SELECT 1", timeout=0.05)
