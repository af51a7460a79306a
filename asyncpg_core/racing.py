"""Attempts in an order, the next of which begins beside one that stays silent; what they attempt is not known here.

The order still counts: an earlier attempt that has been heard of lately is waited for, and an error never comes from an
attempt that began before its turn. So where everybody answers promptly the outcome is that of one after the other.
"""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
# (number of the host, number of its address)
Order = tuple[int, int]

# Longer than a round trip to anywhere, as RFC 8305 chooses it: so long after the last sign of life the next one begins.
HEDGE_SECONDS = 0.25
# A host named earlier is preferred as long as it is not silent for this time, so that a busy server keeps its place.
PATIENCE_SECONDS = 1.0
BUSY_HERE = float("inf")


class Entry(Generic[T]):
    """One attempt: `attempt(entry)` returns what is sought, None if it has come to nothing, or raises what ends all.

    `heard_at` is when the other side last gave a sign of life, or BUSY_HERE while it is our own side that takes time.
    """

    __slots__ = ("attempt", "heard_at", "order")

    def __init__(self, order: Order, attempt: Callable[[Entry[T]], Awaitable[T | None]]) -> None:
        self.order = order
        self.attempt = attempt
        self.heard_at = 0.0

    def heard(self) -> None:
        self.heard_at = asyncio.get_running_loop().time()

    def busy_here(self) -> None:
        self.heard_at = BUSY_HERE

    def begin(self) -> asyncio.Task[T | None]:
        task = asyncio.ensure_future(self.run())
        task.add_done_callback(retrieve)
        return task

    async def run(self) -> T | None:
        self.heard()
        return await self.attempt(self)


class Race(Generic[T]):
    """Entries in their order: waiting, under way, or decided (with what is sought, or with an error).

    Without `is_ordered` an earlier host is not preferred. `is_content` says whether something came along meanwhile
    that will do if nothing better is left but attempts that are silent. What is watched may come to something as long
    as there is something else to wait for; nothing waits for it.
    """

    def __init__(self, *, is_ordered: bool, is_content: Callable[[], bool]) -> None:
        self.is_ordered = is_ordered
        self.is_content = is_content
        self.waiting: list[Entry[T]] = []
        self.running: dict[asyncio.Task[T | None], Entry[T]] = {}
        self.watched: dict[asyncio.Task[T | None], Entry[T]] = {}
        self.decided: list[tuple[Entry[T], asyncio.Task[T | None]]] = []

    def add(self, entry: Entry[T]) -> None:
        self.waiting.append(entry)
        self.waiting.sort(key=lambda one: one.order)

    def watch(self, entry: Entry[T]) -> None:
        if self.running:
            self.watched[entry.begin()] = entry

    async def run(self) -> T | None:
        """Return the first thing found in the order; None if nothing is there, or nothing to wait for."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if len(self.waiting) == 1 and not (self.running or self.watched or self.decided):
                    # The ordinary case, one address: no task is needed.
                    found = await self.waiting.pop().run()
                    if found is not None:
                        return found
                    continue
                self.collect()
                now = loop.time()
                winner = self.winner(now)
                if winner is not None:
                    return winner.result()
                entry = self.next_to_start(now)
                if entry is not None:
                    self.start(entry)
                elif self.is_over(now):
                    return None
                else:
                    await asyncio.wait([*self.running, *self.watched], timeout=self.pause(now),
                                       return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.stop()

    def start(self, entry: Entry[T]) -> None:
        self.waiting.remove(entry)
        entry.heard()       # of what the task has not begun yet nothing can be expected
        self.running[entry.begin()] = entry

    def collect(self) -> None:
        """Take what has ended out of what is under way."""
        for task in [task for task in self.running if task.done()]:
            entry = self.running.pop(task)
            if task.cancelled() or task.exception() is not None or task.result() is not None:
                self.decided.append((entry, task))
        for task in [task for task in self.watched if task.done()]:
            entry = self.watched.pop(task)
            if not task.cancelled() and task.exception() is None and task.result() is not None:
                self.decided.append((entry, task))
        self.decided.sort(key=lambda one: one[0].order)

    def before(self, order: Order) -> list[Entry[T]]:
        """What is under way and has precedence."""
        return [entry for entry in self.running.values() if entry.order < order]

    def winner(self, now: float) -> asyncio.Task[T | None] | None:
        """The decision that holds now: the first in the order, unless an earlier attempt may still count."""
        if not self.decided:
            return None
        first, task = self.decided[0]
        before = self.before(first.order)
        is_error = task.cancelled() or task.exception() is not None
        if is_error and (before or (self.waiting and self.waiting[0].order < first.order)):
            return None
        if all(now - entry.heard_at >= self.patience(entry, first) for entry in before):
            return task
        return None

    def patience(self, earlier: Entry[T], later: Entry[T]) -> float:
        is_same_host = earlier.order[0] == later.order[0]
        return PATIENCE_SECONDS if self.is_ordered and not is_same_host else HEDGE_SECONDS

    def next_to_start(self, now: float) -> Entry[T] | None:
        """What may begin now: nothing has precedence but what is silent."""
        if not self.waiting:
            return None
        entry = self.waiting[0]
        if self.decided and self.decided[0][0].order < entry.order:
            return None
        return entry if all(now - one.heard_at >= HEDGE_SECONDS for one in self.before(entry.order)) else None

    def is_over(self, now: float) -> bool:
        if not self.running:
            return True
        return (not self.waiting and not self.decided and self.is_content()
                and all(now - entry.heard_at >= PATIENCE_SECONDS for entry in self.running.values()))

    def pause(self, now: float) -> float | None:
        """Return after how long the mere passing of time may change something, None if it may not."""
        if not (self.waiting or self.decided or self.is_content()):
            return None
        moments = (entry.heard_at + seconds for entry in self.running.values()
                   for seconds in (HEDGE_SECONDS, PATIENCE_SECONDS))
        return min([moment - now for moment in moments if moment > now] + [HEDGE_SECONDS])

    async def stop(self) -> None:
        """Cancel what is under way, and wait for the end of it."""
        tasks = [*self.running, *self.watched]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def retrieve(task: asyncio.Task[T | None]) -> None:
    """Look at a task's exception, which need not interest anybody else."""
    if not task.cancelled():
        task.exception()
