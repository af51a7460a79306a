"""What a pool refuses before it opens anything, and what it says in each state of its life."""
import asyncio
import gc
import sys

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from asyncpg_core.pool import Pool
from asyncpg_core.pool_member import RELEASED_CALLS

NOWHERE = "postgresql://someone@127.0.0.1:1/none?sslmode=disable"


def make(**settings):
    return asyncpg_core.create_pool(NOWHERE, **settings)


@pytest.mark.parametrize(("settings", "text"), [
    ({"max_size": 0}, "max_size is expected to be greater than zero"),
    ({"max_size": -1}, "max_size is expected to be greater than zero"),
    ({"min_size": -1}, "min_size is expected to be greater or equal to zero"),
    ({"min_size": 6, "max_size": 5}, "min_size is greater than max_size"),
    ({"min_size": 10, "max_size": 5}, "min_size is greater than max_size"),
    ({"min_size": 2, "max_size": 4, "init_size": 1}, "init_size is smaller than min_size"),
    ({"min_size": 2, "max_size": 4, "init_size": 5}, "init_size is greater than max_size"),
    ({"min_size": 0, "max_size": 4, "init_size": -1}, "init_size is expected to be greater or equal to zero"),
    ({"max_queries": 0}, "max_queries is expected to be greater than zero"),
    ({"max_inactive_connection_lifetime": -0.1}, "max_inactive_connection_lifetime is expected"),
    ({"max_lifetime": 0}, "max_lifetime is expected to be greater than zero"),
    ({"max_lifetime": float("nan")}, "max_lifetime is expected to be greater than zero"),
    ({"max_waiting": 0}, "max_waiting is expected to be greater than zero"),
    ({"max_waiting": True}, "max_waiting is expected to be greater than zero"),
    ({"check": "yes"}, "check must be True, an async function"),
    ({"check": True, "check_after": -1}, "check_after is expected to be greater or equal to zero"),
    ({"check": True, "check_timeout": 0}, "check_timeout is expected to be greater than zero"),
    ({"read_replicas": True, "replica_timeout": 0}, "replica_timeout is expected to be greater than zero"),
    ({"read_replicas": "http://elsewhere"}, "the scheme must be"),
])
def test_sizes_that_make_no_sense_are_value_errors(settings, text):
    with pytest.raises(ValueError, match=text):
        make(**settings)


@pytest.mark.parametrize(("settings", "text"), [
    ({"connection_class": dict}, "connection_class is expected to be a subclass of"),
    ({"connection_class": 3}, "connection_class is expected to be a subclass of"),
    ({"record_class": dict}, "record_class is expected to be a subclass of"),
])
def test_classes_that_cannot_be_used_are_type_errors(settings, text):
    with pytest.raises(TypeError, match=text):
        make(**settings)


def test_the_defaults_are_ten_and_ten():
    pool = make()
    assert (pool.get_min_size(), pool.get_max_size(), pool.get_init_size()) == (10, 10, 10)
    assert (pool.get_size(), pool.get_idle_size(), pool.is_closing()) == (0, 0, False)


def test_max_size_alone_lowers_min_size():
    pool = make(max_size=5)
    assert (pool.get_min_size(), pool.get_max_size(), pool.get_init_size()) == (5, 5, 5)


def test_init_size_between_the_sizes_is_kept():
    pool = make(min_size=0, max_size=5, init_size=3)
    assert (pool.get_min_size(), pool.get_max_size(), pool.get_init_size()) == (0, 5, 3)


def test_several_positional_arguments_are_deprecated():
    with pytest.warns(DeprecationWarning, match="positional"), pytest.raises(TypeError):
        Pool(NOWHERE, "more", min_size=1, max_size=1, max_queries=1, max_inactive_connection_lifetime=1.0)


async def test_a_pool_that_is_not_opened_says_so():
    pool = make()
    for use in (pool.fetch("select 1"), pool.execute("select 1"), pool.executemany("select $1", [(1,)]),
                pool.acquire(), pool.close()):
        with pytest.raises(exceptions.InterfaceError, match="pool is not initialized"):
            await use
    with pytest.raises(exceptions.InterfaceError, match="pool is not initialized"):
        async with pool.acquire():
            pass


async def test_a_pool_that_is_being_opened_says_so():
    release = asyncio.Event()

    async def wait(*args, **settings):
        await release.wait()
        raise OSError("nobody there")

    pool = make(connect=wait)
    opening = asyncio.ensure_future(pool._open())
    await asyncio.sleep(0)
    with pytest.raises(exceptions.InterfaceError, match="pool is being initialized in another task"):
        await pool
    with pytest.raises(exceptions.InterfaceError, match="pool is being initialized, but not yet ready"):
        await pool.acquire()
    with pytest.raises(exceptions.InterfaceError, match="pool is being initialized, but not yet ready"):
        await pool.fetch("select 1")
    release.set()
    with pytest.raises(OSError, match="nobody there"):
        await opening


async def test_an_opening_that_failed_can_be_tried_again():
    n_calls = 0

    async def refuse(*args, **settings):
        nonlocal n_calls
        n_calls += 1
        raise OSError("nobody there")

    pool = make(connect=refuse)
    for attempt in (1, 2):
        with pytest.raises(OSError, match="nobody there"):
            await pool
        # The first connection alone: a wrong setting is told once.
        assert (n_calls, pool.get_size(), pool._state.size) == (attempt, 0, 0)


async def test_a_cancelled_opening_leaves_nothing():
    async def wait(*args, **settings):
        await asyncio.Event().wait()

    pool = make(connect=wait)
    opening = asyncio.ensure_future(pool._open())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.sleep(0)
    assert pool._state.size == 0 and not pool._tasks


async def test_a_connect_hook_must_return_a_connection():
    async def strange(*args, **settings):
        return "connection"

    with pytest.raises(exceptions.InterfaceError, match="expected pool connect callback to return an instance of"):
        await make(connect=strange)


async def test_release_of_what_is_no_connection_of_the_pool_is_refused():
    with pytest.raises(exceptions.InterfaceError, match="is not a member of this pool"):
        await make().release(object())


def test_a_call_of_a_released_connection_that_nobody_looks_at_is_forgotten_in_silence():
    """It has failed at once, and there is no loop to tell."""
    unraisable = []
    sys.unraisablehook, before = unraisable.append, sys.unraisablehook
    try:
        call = RELEASED_CALLS.fetch("SELECT 1", (), None, None)
        call.begin()
        assert call.done()
        del call
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert unraisable == []
