"""Which of several attempts begins and which one counts: decisions at given moments, nothing waits."""
import asyncio

import pytest

from asyncpg_core import racing
from asyncpg_core.racing import BUSY_HERE, HEDGE_SECONDS, PATIENCE_SECONDS, Entry, Race

NOW = 1000.0
A, B, C = (0, 0), (1, 0), (2, 0)
A2 = (0, 1)


def entry(order, silent=0.0):
    one = Entry(order, None)
    one.heard_at = NOW - silent
    return one


def race_of(*, running=(), waiting=(), decided=(), is_ordered=True, is_content=False):
    """`running` is (order, seconds of silence), `decided` (order, result or exception)."""
    race = Race(is_ordered=is_ordered, is_content=lambda: is_content)
    loop = asyncio.get_running_loop()
    for order, silent in running:
        race.running[loop.create_future()] = entry(order, silent)
    for order in waiting:
        race.add(entry(order))
    for order, outcome in decided:
        future = loop.create_future()
        future.add_done_callback(racing.retrieve)
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        race.running[future] = entry(order)
    race.collect()
    return race


@pytest.mark.parametrize(("running", "starts"), [
    ([], True), ([(A, 0.0)], False), ([(A, HEDGE_SECONDS)], True), ([(A, 9), (A2, 0.1)], False),
    ([(A, 9), (A2, 9)], True),
    ([(C, 0.0)], True),     # what comes later in the order keeps nothing from its beginning
    ([(A, -BUSY_HERE)], False)])
async def test_next_attempt_begins_when_all_before_it_are_silent(running, starts):
    race = race_of(running=running, waiting=[B])
    assert (race.next_to_start(NOW) is not None) is starts


async def test_nothing_begins_behind_a_decision():
    race = race_of(running=[(A, 0.5)], decided=[(B, "b")], waiting=[C])
    assert race.next_to_start(NOW) is None
    assert race_of(decided=[(B, "b")], waiting=[A]).next_to_start(NOW).order == A


@pytest.mark.parametrize(("running", "is_ordered", "wins"), [
    ([], True, True), ([(A, 0.0)], True, False), ([(A, PATIENCE_SECONDS - 0.01)], True, False),
    ([(A, PATIENCE_SECONDS)], True, True),
    ([(A, HEDGE_SECONDS)], False, True), ([(A, 0.1)], False, False),
    ([((1, -1), HEDGE_SECONDS)], True, True),   # another address of the same host
    ([(C, 0.0)], True, True)])
async def test_session_counts_when_earlier_hosts_are_silent_for_long(running, is_ordered, wins):
    race = race_of(running=running, decided=[(B, "b")], is_ordered=is_ordered)
    winner = race.winner(NOW)
    assert (winner is not None) is wins and (winner is None or winner.result() == "b")


async def test_an_error_counts_in_its_turn_only():
    refused = ValueError("refused")
    assert race_of(running=[(A, 9)], decided=[(B, refused)]).winner(NOW) is None
    assert race_of(waiting=[A], decided=[(B, refused)]).winner(NOW) is None
    assert race_of(decided=[(B, refused), (C, "c")]).winner(NOW).exception() is refused
    assert race_of(decided=[(B, "b"), (A, refused)]).winner(NOW).exception() is refused


async def test_what_came_to_nothing_decides_nothing():
    race = race_of(decided=[(A, None)])
    assert race.winner(NOW) is None and race.is_over(NOW) and not race.running


@pytest.mark.parametrize(("silent", "is_content", "is_over"), [
    (9, False, False), (PATIENCE_SECONDS, True, True), (PATIENCE_SECONDS - 0.01, True, False)])
async def test_who_is_content_waits_for_the_silent_no_longer(silent, is_content, is_over):
    assert race_of(running=[(A, silent)], is_content=is_content).is_over(NOW) is is_over
    assert not race_of(running=[(A, 9)], waiting=[B], is_content=is_content).is_over(NOW)


async def test_time_is_watched_only_where_it_decides():
    assert race_of(running=[(A, 0.1)]).pause(NOW) is None
    assert race_of(running=[(A, 0.1)], waiting=[B]).pause(NOW) == pytest.approx(HEDGE_SECONDS - 0.1)
    assert race_of(running=[(A, 0.9)], decided=[(B, "b")]).pause(NOW) == pytest.approx(0.1)
    # While our own side takes time nothing is known of the other; it is looked at again.
    assert race_of(running=[(A, -BUSY_HERE)], waiting=[B]).pause(NOW) == HEDGE_SECONDS


async def test_one_attempt_after_the_other_needs_no_task():
    tasks = []
    race = Race(is_ordered=True, is_content=lambda: False)

    async def second(one):
        tasks.append(asyncio.current_task())
        return "found"

    async def first(one):
        tasks.append(asyncio.current_task())
        race.add(Entry(A2, second))

    race.add(Entry(A, first))
    assert await race.run() == "found"
    assert set(tasks) == {asyncio.current_task()}


@pytest.mark.parametrize("has_rival", [True, False])
async def test_what_is_watched_counts_while_there_is_something_else_to_wait_for(has_rival):
    race = Race(is_ordered=True, is_content=lambda: False)

    async def silent(one):
        one.heard_at = -BUSY_HERE
        await asyncio.Event().wait()

    async def unfit(one):
        race.watch(Entry(one.order, turned))

    async def turned(one):
        await asyncio.sleep(0 if has_rival else 60)
        return "turned"

    for order, attempt in ((A, silent if has_rival else unfit), (B, unfit)):
        race.add(Entry(order, attempt))
    assert await asyncio.wait_for(race.run(), 5) == ("turned" if has_rival else None)
    assert all(task.done() for task in race.watched)


async def test_losers_have_ended_when_the_race_is_over():
    ended = []

    async def silent(one):
        one.heard_at = -BUSY_HERE
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(one.order)

    async def found(one):
        return "found"

    race = Race(is_ordered=True, is_content=lambda: False)
    for order, attempt in ((A, silent), (B, silent), (C, found)):
        race.add(Entry(order, attempt))
    assert await race.run() == "found"
    assert sorted(ended) == [A, B]
