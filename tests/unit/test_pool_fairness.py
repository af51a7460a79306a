"""Who waits how long, and how often an opening that fails is tried again: the pool's decisions against a clock."""
import asyncio
import heapq

import pytest

from asyncpg_core.pool_state import PoolState
from asyncpg_core.pool_upkeep import RECONNECT_SECONDS_MAX, Upkeep
from tests.unit.test_pool_state import Member


def longest_wait(n_workers, n_members, rounds, hold):
    """Let each worker borrow, hold and give back, `rounds` times at once again; return the longest wait in seconds."""
    state = PoolState(n_members, n_members)
    for _ in range(n_members):
        assert state.may_connect()
        state.connected(Member(), 0.0)
    asked, left, ends, waits = {}, {}, [], []
    now, n = 0.0, 0

    def lend(worker, member):
        nonlocal n
        n += 1
        waits.append(now - asked[worker])
        heapq.heappush(ends, (now + hold(n), n, worker, member))

    def borrow(worker):
        asked[worker] = now
        member = state.take_idle()
        if member is None:
            state.waiters.append(worker)
        else:
            lend(worker, member)

    for worker in range(n_workers):
        left[worker] = rounds
        borrow(worker)
    while ends:
        now, _, worker, member = heapq.heappop(ends)
        waiter = state.give_back(member, now)
        if waiter is not None:
            lend(waiter, member)
        left[worker] -= 1
        if left[worker]:
            borrow(worker)
    assert len(waits) == n_workers * rounds and not state.waiters
    return max(waits)


@pytest.mark.parametrize("hold", [lambda n: 0.02, lambda n: 0.016 + 0.002 * (n % 5)], ids=["alike", "uneven"])
def test_forty_workers_on_four_connections_wait_at_most_a_fifth_longer_than_the_ideal(hold):
    ideal = 0.02 * 40 / 4
    assert longest_wait(40, 4, rounds=25, hold=hold) <= 1.2 * ideal


class Loop:
    """Keeps timers for the test to fire."""

    def __init__(self):
        self.timers = []

    def call_later(self, seconds, callback):
        self.timers.append((seconds, callback))
        return self

    def time(self):
        return 0.0


class Opening:
    """As much of a pool as its upkeep needs: an opening ends as the test says."""

    def __init__(self, min_size):
        self._state = PoolState(min_size, 10)
        self._loop = Loop()
        self.n_tried = 0
        self.error = OSError("nobody there")
        self._arguments = "old"

    async def _connect_member(self):
        self.n_tried += 1
        if self.error is not None:
            raise self.error
        return Member()

    def _start(self, coroutine):
        return asyncio.ensure_future(coroutine)


async def settled(pool):
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_floor_that_cannot_be_reached_is_tried_less_and_less_often_and_then_kept(caplog):
    pool = Opening(min_size=2)
    upkeep = Upkeep(pool)
    upkeep.fill()
    await settled(pool)
    seconds = []
    for _ in range(9):
        assert len(pool._loop.timers) == 1, "one timer, however many openings have failed"
        upkeep.fill()
        assert pool.n_tried == 2 * (len(seconds) + 1), "nobody waits, so nothing is tried before the timer"
        delay, retry = pool._loop.timers.pop()
        seconds.append(delay)
        retry()
        await settled(pool)
    assert seconds == [1, 2, 4, 8, 16, 32, RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_MAX]
    assert "nobody there" in caplog.text
    pool.error = None
    pool._loop.timers.pop()[1]()
    await settled(pool)
    assert (len(pool._state.idle), pool._state.shortage(), pool._loop.timers, upkeep.retry_seconds) == (2, 0, [], 0)


async def test_who_waits_is_told_at_once_and_does_not_wait_for_the_timer():
    pool = Opening(min_size=1)
    upkeep = Upkeep(pool)
    upkeep.fill()
    await settled(pool)
    assert pool._loop.timers
    waiter = asyncio.get_running_loop().create_future()
    pool._state.waiters.append(waiter)
    upkeep.fill()
    with pytest.raises(OSError, match="nobody there"):
        await asyncio.wait_for(waiter, 1)
