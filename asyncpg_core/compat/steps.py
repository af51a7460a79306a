"""What has a way of its own here, done where asyncpg would do it, so that tracers on the way there see it.

asyncpg executes BEGIN, COPY and the fetches of a cursor by calling methods that tracers replace. Ours do not go there.
When somebody has put himself into the way, `through` calls the same method with a step in hand, and the method at its
end takes the step in place of executing the text it was called with.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any


class Step:
    """Something to do once, at the end of the way."""

    __slots__ = ("text", "perform", "is_taken")

    def __init__(self, text: str, perform: Callable[[], Awaitable[Any]]) -> None:
        self.text = text
        self.perform = perform
        self.is_taken = False


# The steps of several tasks are under way at once; what is called on the way is in the task's context.
_in_hand: ContextVar[Step | None] = ContextVar("asyncpg_core_step", default=None)


async def through(text: str, send: Callable[[], Awaitable[Any]], perform: Callable[[], Awaitable[Any]]) -> Any:
    """Await `send()` and let the method at its end do `perform()`; what comes back through all of it is the value.

    If the way does not lead there, it is done nevertheless.
    """
    step = Step(text, perform)
    token = _in_hand.set(step)
    try:
        value = await send()
    finally:
        _in_hand.reset(token)
    return value if step.is_taken else await perform()


def is_in_hand() -> bool:
    """Whether there is a step to be taken."""
    step = _in_hand.get()
    return step is not None and not step.is_taken


def take(text: str) -> Step | None:
    """Return the step if this is its text; tracers may have added to it."""
    step = _in_hand.get()
    if step is None or step.is_taken or step.text not in text:
        return None
    step.is_taken = True
    return step
