"""Marks plain methods that return an awaitable as coroutine functions, for those who ask."""
from __future__ import annotations

import asyncio.coroutines
import inspect
from typing import Any


def mark(cls: type[Any], name: str) -> None:
    """Make asyncio.iscoroutinefunction and inspect.iscoroutinefunction (3.12) say yes to a method."""
    function: Any = cls.__dict__[name]
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
