"""Classes that tell when they are changed.

Tracers assign to methods of asyncpg's classes, private ones too. Whoever has to act on that is told once, when it
happens; a query never asks.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

_listeners: list[Callable[[], None]] = []


def listen(listener: Callable[[], None]) -> None:
    """Call `listener` whenever an attribute of such a class has changed, or a class been made from one."""
    _listeners.append(listener)


class Patchable(type):
    """The metaclass of these classes."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **keywords: Any) -> None:
        super().__init__(name, bases, namespace, **keywords)
        tell(cls, "")

    def __setattr__(cls, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        tell(cls, name)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        tell(cls, name)


def tell(cls: Patchable, name: str) -> None:
    # While a class is being made, typing and others leave their own attributes in it.
    if not name.startswith("__"):
        for listener in _listeners:
            listener()
