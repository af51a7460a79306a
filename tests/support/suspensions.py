"""Cancels a coroutine at a chosen one of its suspensions: the first time it waits, the second time, and so on.

    run = await cancelled_at(connection.fetch("select 1"), 1, Moment.WRITTEN)
    assert run.is_cancelled and type(run.error) is asyncio.CancelledError

Trying 1, 2, 3 .. until a run has fewer suspensions is trying all of them.
"""
import asyncio
import enum
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

# A coroutine that never comes to its end is a failure; none needs as many suspensions.
MAX_SUSPENSIONS = 400
RUN_SECONDS = 10.0


class Moment(enum.Enum):
    """When within a suspension the cancel comes."""

    AT_ONCE = "before anything is sent"
    WRITTEN = "two iterations of the loop later"
    DONE = "when what it waits for is there, and it does not know yet"


@dataclass
class Run:
    """What came of one run."""

    n_suspensions: int = 0
    n_cancels: int = 0
    value: Any = None
    error: BaseException | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled at all: a run may be over before the chosen suspension."""
        return self.n_cancels > 0


@types.coroutine
def counted(coroutine: Coroutine[Any, Any, Any], on_suspension: Callable[[Any], None]) -> Generator[Any, Any, Any]:
    """Run a coroutine and tell of each thing that it waits for, before the task hears of it."""
    error: BaseException | None = None
    while True:
        try:
            waited = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration as stop:
            return stop.value
        error = None
        on_suspension(waited)
        try:
            yield waited
        except BaseException as raised:
            error = raised


async def awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def cancelled_at(awaitable: Awaitable[Any], at: int, moment: Moment, *, n_cancels: int = 1) -> Run:
    """Await, and cancel at suspension `at` and, if `n_cancels` is more than 1, at as many of those that follow."""
    loop = asyncio.get_running_loop()
    run = Run()

    def cancel(n: int) -> None:
        if run.n_suspensions == n and not task.done():
            run.n_cancels += 1
            task.cancel()

    def on_suspension(waited: Any) -> None:
        run.n_suspensions += 1
        n = run.n_suspensions
        assert n < MAX_SUSPENSIONS
        if not at <= n < at + n_cancels:
            return
        if moment is Moment.WRITTEN:
            loop.call_soon(loop.call_soon, cancel, n)
        elif moment is Moment.DONE and hasattr(waited, "add_done_callback"):
            waited.add_done_callback(lambda _: cancel(n))
        else:
            cancel(n)

    async def all_of_it() -> None:
        run.value = await counted(awaited(awaitable), on_suspension)

    task = loop.create_task(all_of_it())
    done, _ = await asyncio.wait([task], timeout=RUN_SECONDS)
    assert done, f"it did not end within {RUN_SECONDS} s of a cancel at suspension {at}, {moment.value}"
    if task.cancelled():
        run.error = asyncio.CancelledError()
    else:
        run.error = task.exception()
    return run
