"""Every public coroutine is cancelled at each of its suspensions, once and twice, and leaves everything in order.

Which coroutines there are is read from tests/public_api.txt; how each is called stands in
tests/support/public_calls.py.
"""
import asyncio
import functools
import inspect
import logging
import types

import pytest

import asyncpg_core
from asyncpg_core import Connection
from asyncpg_core.compat.homes import METHODS
from asyncpg_core.exceptions import PostgresError
from asyncpg_core.protocol import Protocol
from tests.support.public_calls import CASES, PLAIN, SEAMS, Place, is_coroutine, public_names, uncovered
from tests.support.suspensions import MAX_SUSPENSIONS, Moment, cancelled_at
from tests.support.waiting import until

MAX_SIZE = 3
SCHEDULES = [(Moment.AT_ONCE, 1), (Moment.WRITTEN, 1), (Moment.DONE, 1), (Moment.AT_ONCE, 2), (Moment.WRITTEN, 2)]


@pytest.fixture
async def observer(connect):
    """A connection of its own that sees what the server has, with the tables that the cases use."""
    observer = await connect()
    await observer.execute("""
        DROP TABLE IF EXISTS calls, filled_calls; DROP TYPE IF EXISTS calls_mood;
        CREATE TABLE calls (a int, b text); CREATE TABLE filled_calls (a int, b text);
        CREATE TYPE calls_mood AS ENUM ('sad', 'glad');
        INSERT INTO filled_calls SELECT i, repeat('x', 1000) FROM generate_series(1, 400) i""")
    return observer


async def open_place(dsn):
    place = Place(dsn, None)
    place.pool = await asyncpg_core.create_pool(place.dsn, min_size=MAX_SIZE, max_size=MAX_SIZE)
    return place


async def check_connection(place):
    """The borrowed connection is closed, or usable when the transaction that the case has begun is over."""
    connection = place.connection
    if connection.is_closed():
        return
    if place.listener is not None:
        await asyncio.wait_for(connection.remove_listener("calls", place.listener), 5)
    if connection.is_in_transaction():
        if place.transaction is not None and place.transaction._state.name == "STARTED":
            await asyncio.wait_for(place.transaction.rollback(), 5)
        else:
            await asyncio.wait_for(connection.execute("ROLLBACK"), 5)
    assert await asyncio.wait_for(connection.fetchval("SELECT 17"), 5) == 17
    session = connection._session
    assert not connection.is_in_transaction() and session.frontend.transaction_status == "I"
    assert session.pipeline is None
    await until(lambda: session.frontend.n_pending == 0)    # statements that nobody holds are being closed


async def check_pool(pool):
    """All places of the pool can be had, and what is on them answers outside of a transaction."""
    held = [await pool.acquire(timeout=5) for _ in range(pool.get_max_size())]
    assert await asyncio.wait_for(asyncio.gather(*[one.fetchval("SELECT 17") for one in held]), 5) == [17] * len(held)
    assert not any(one.is_in_transaction() for one in held)
    assert pool.get_size() == pool.get_max_size()
    for one in held:
        await pool.release(one)


async def n_backends(observer, place, at_most):
    """Wait until no more backends of the place are left than there may be: the server takes a moment to end one."""
    deadline = asyncio.get_running_loop().time() + 5
    while True:
        n = await observer.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", place.name)
        if n <= at_most or asyncio.get_running_loop().time() > deadline:
            return n
        await asyncio.sleep(0.005)


async def one_run(place, label, at, moment, n_cancels):
    place.transaction = place.listener = None
    place.connection = await place.pool.acquire(timeout=5)
    ready = await CASES[label].prepare(place)
    run = await cancelled_at(ready(), at, moment, n_cancels=n_cancels)
    said = f"{label}, cancelled {n_cancels} times at suspension {at}, {moment.value}: {run}"
    try:
        if run.is_cancelled:
            assert type(run.error) is asyncio.CancelledError, f"the cancel was lost: {said}"
        elif run.error is not None:
            raise run.error
        await check_connection(place)
        for pool in place.made:
            if isinstance(pool, asyncpg_core.Pool) and pool._lender.is_open and not pool.is_closing():
                await check_pool(pool)
        place.end()
        await place.pool.release(place.connection)
        await check_pool(place.pool)
    except (AssertionError, TimeoutError, PostgresError, asyncpg_core.InterfaceError) as error:
        raise AssertionError(said) from error
    return run


@pytest.mark.timeout(120)
@pytest.mark.parametrize("label", CASES)
async def test_cancelled_anywhere_it_leaves_everything_in_order(label, dsn, observer, caplog):
    caplog.set_level(logging.WARNING, "asyncpg_core")
    place = await open_place(dsn)
    try:
        for moment, n_cancels in SCHEDULES:
            for at in range(1, MAX_SUSPENSIONS):
                run = await one_run(place, label, at, moment, n_cancels)
                if run.n_suspensions < at:
                    break
        assert await n_backends(observer, place, MAX_SIZE) <= MAX_SIZE
        began = asyncio.get_running_loop().time()
        await place.pool.close()
        assert asyncio.get_running_loop().time() - began < 1
        assert await n_backends(observer, place, 0) == 0
    finally:
        place.end()
        place.pool.terminate()
    assert [record.getMessage() for record in caplog.records] == []


SEEN_CLASSES = ("Connection.", "PreparedStatement.", "Cursor", "Transaction.")
SEEN_WAYS = [label for label, case in CASES.items() if label.startswith(SEEN_CLASSES) and not case.ends]


@pytest.mark.timeout(120)
async def test_so_does_what_tracers_have_put_their_wrappers_around(dsn, observer, monkeypatch):
    """Calls then go by coroutines of other modules."""
    for cls, names in ((Connection, ("_execute", "_executemany", "execute")), (Protocol, METHODS)):
        for name in names:
            monkeypatch.setattr(cls, name, wrapped(getattr(cls, name)))
    place = await open_place(dsn)
    try:
        for label in SEEN_WAYS:
            for at in range(1, MAX_SUSPENSIONS):
                if (await one_run(place, label, at, Moment.DONE, 1)).n_suspensions < at:
                    break
        await place.pool.close()
    finally:
        place.end()
        place.pool.terminate()


def wrapped(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


def test_every_public_coroutine_has_a_case():
    assert uncovered() == []


def test_what_needs_no_case_is_no_coroutine_and_exists():
    assert [name for name in PLAIN if is_coroutine(name)] == []
    assert sorted((PLAIN | SEAMS) - set(public_names())) == []


async def test_a_seam_of_tracers_refuses_at_once_who_calls_it_by_hand(connection):
    state = types.SimpleNamespace(query="SELECT 1")
    for name in SEAMS:
        method = getattr(connection._protocol, name.partition(".")[2])
        parameters = inspect.signature(method).parameters
        arguments = [state if parameter == "state" else "SELECT 1" for parameter in parameters]
        with pytest.raises(asyncpg_core.InterfaceError, match="called by connections"):
            method(*arguments).send(None)
