"""What a pool does by the clock and at a server that refuses it, without either: lifetimes, pauses, departures."""
import asyncio
import time

import pytest

from asyncpg_core import exceptions
from asyncpg_core.pool_end import weakly
from asyncpg_core.pool_state import PoolState
from asyncpg_core.pool_turnover import Departures
from asyncpg_core.pool_upkeep import PAUSE_SECONDS_MAX, Upkeep
from tests.unit.test_pool_fairness import Opening, settled
from tests.unit.test_pool_state import Member


def waiting(pool):
    waiter = asyncio.get_running_loop().create_future()
    pool._state.waiters.append(waiter)
    return waiter


async def test_everybody_is_told_of_a_wrong_password_and_nobody_knocks_during_the_pause():
    pool = Opening(min_size=0)
    pool.error = exceptions.InvalidPasswordError("no")
    upkeep = Upkeep(pool)
    waiters = [waiting(pool) for _ in range(30)]
    upkeep.fill()
    assert pool._state.n_connecting == 10
    await settled(pool)
    assert all(isinstance(waiter.exception(), exceptions.InvalidPasswordError) for waiter in waiters)
    assert pool.n_tried == 10, "those under way when the first was refused, none for each that waits"
    late = waiting(pool)
    upkeep.fill()
    assert isinstance(late.exception(), exceptions.InvalidPasswordError) and pool.n_tried == 10


async def test_the_pause_is_twice_as_long_each_time_and_ends_with_new_arguments():
    pool = Opening(min_size=0)
    upkeep = Upkeep(pool)
    seconds = []
    for _ in range(7):
        upkeep.pause(exceptions.InvalidPasswordError("no"))
        seconds.append(pool._loop.timers.pop()[0])
    assert seconds == [0.25, 0.5, 1.0, 2.0, 4.0, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MAX]
    upkeep.end_pause()
    pool.error = None
    waiter = waiting(pool)
    pool._lender = Handing()
    upkeep.fill()
    assert isinstance(await asyncio.wait_for(waiter, 1), Member)


async def test_what_failed_with_arguments_that_are_no_longer_used_is_tried_with_the_new_ones():
    pool = Opening(min_size=0)
    pool.error = exceptions.InvalidPasswordError("no")
    pool._lender = Handing()
    upkeep = Upkeep(pool)
    waiter = waiting(pool)
    connect = pool._connect_member

    async def connect_and_rotate():
        try:
            return await connect()
        finally:
            pool._arguments, pool.error = "new", None

    pool._connect_member = connect_and_rotate
    upkeep.fill()
    assert isinstance(await asyncio.wait_for(waiter, 1), Member)
    assert (upkeep.n_failed, pool.n_tried, upkeep.refusal) == (1, 2, None)


class Handing:
    def hand_over(self, waiter, member):
        waiter.set_result(member)


async def test_who_can_wait_for_a_connection_that_is_lent_is_not_told_of_a_wrong_password():
    pool = Opening(min_size=0)
    lent = Member()
    assert pool._state.may_connect()
    pool._state.connected(lent, 0.0)
    pool._state.take_idle()
    upkeep = Upkeep(pool)
    upkeep.pause(exceptions.InvalidPasswordError("no"))
    waiter = waiting(pool)
    upkeep.fill()
    assert not waiter.done() and pool._state.give_back(lent, 1.0) is waiter
    waiter.cancel()


async def test_a_timer_for_an_earlier_end_takes_the_place_of_a_later_one():
    class Timer:
        def __init__(self, seconds):
            self.seconds = seconds
            self.is_cancelled = False

        def cancel(self):
            self.is_cancelled = True

    class TimerLoop:
        def call_later(self, seconds, callback):
            timers.append(Timer(seconds))
            return timers[-1]

    timers = []
    pool = Opening(min_size=0)
    pool._loop = TimerLoop()
    pool._state = PoolState(0, 10, 300.0, max_lifetime=60.0)
    upkeep = Upkeep(pool)
    now = time.monotonic()
    for lifetime in (50.0, 20.0, 40.0):
        assert pool._state.may_connect()
        member = Member(idle_since=now)
        member.leaves_at = now + lifetime
        upkeep.place(member, now)
    assert [round(timer.seconds) for timer in timers] == [50, 20]
    assert [timer.is_cancelled for timer in timers] == [True, False]


async def test_who_waits_for_departures_hears_when_the_last_is_gone_and_when_time_is_over():
    departures = Departures()
    await departures.wait(set(), None)
    waits = asyncio.ensure_future(departures.wait({1, 2}, None))
    with pytest.raises(exceptions.PoolTimeout, match=r"^1 connections of the pool are still in use after 0\.01 s$"):
        await departures.wait({3}, 0.01)
    departures.on_gone(1)
    await asyncio.sleep(0)
    assert not waits.done()
    departures.on_gone(2)
    await asyncio.wait_for(waits, 1)
    assert not departures.waits


def test_a_weak_callback_calls_as_long_as_its_object_is_there():
    class Owner:
        def method(self, *args):
            return args

    owner = Owner()
    call = weakly(owner.method)
    assert call(1, 2) == (1, 2)
    del owner
    assert call(1, 2) is None
