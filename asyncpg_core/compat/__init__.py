"""asyncpg's names where ours are others. Nothing below this package knows of it.

A module of asyncpg that we do not have under its name is here, one file each, and `modules.register` makes it reachable
as `asyncpg_core.<name>`. A module that we do have gets from here what it lacks of asyncpg's names. `install` then maps
`asyncpg` to `asyncpg_core`.

This module itself stands for asyncpg.compat.
"""
from __future__ import annotations

import asyncio
import inspect
import os
import pathlib
import platform
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asyncpg_core.home import home_file

T = TypeVar("T")
CallableT = TypeVar("CallableT", bound=Callable[..., Any])
SYSTEM = platform.uname().system

__all__ = ("SYSTEM", "get_pg_home_directory", "markcoroutinefunction", "wait_closed", "wait_for")


def get_pg_home_directory() -> pathlib.Path | None:
    """Return where a user's PostgreSQL files are, None if there is no such place."""
    directory = home_file(os.environ, "", "")
    return None if directory is None else pathlib.Path(directory)


async def wait_closed(stream: asyncio.StreamWriter) -> None:
    """Wait until a stream is closed; that it was reset is as good."""
    try:
        await stream.wait_closed()
    except ConnectionResetError:
        pass    # closed is what was asked for


async def wait_for(fut: Awaitable[T], timeout: float | None) -> T:
    """Return the result of `fut`, or raise asyncio.TimeoutError after `timeout` seconds."""
    return await asyncio.wait_for(fut, timeout)


def markcoroutinefunction(c: CallableT) -> CallableT:
    """Let inspect.iscoroutinefunction say yes to a callable, where Python can."""
    mark: Callable[[CallableT], CallableT] | None = getattr(inspect, "markcoroutinefunction", None)
    return c if mark is None else mark(c)
