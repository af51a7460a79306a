"""Awaiting with a limit of time.

Not with `asyncio.wait_for`: up to Python 3.11 it loses a cancel that comes in the moment in which it has its result.
"""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float | None, awaitable: Awaitable[T]) -> T:
    """Await; TimeoutError when the time is over before the end. None is no limit."""
    limit = getattr(asyncio, "timeout", None)   # Python 3.11
    if limit is not None:
        async with limit(seconds):
            return await awaitable
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        raise asyncio.TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
