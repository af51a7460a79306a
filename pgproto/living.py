"""Objects of which somebody is to hear as long as they live.

A weakref.WeakSet is walked in Python: an object that comes or goes in another thread meanwhile, if only because the
collector runs there, ends the walk with RuntimeError (up to 3.13; with the GIL, too). Here all are copied in one step
of the interpreter's, and then looked at.
"""
from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Living(Generic[T]):
    """A set of objects that are not kept alive; to be used by any thread."""

    __slots__ = ("_forget", "_references")

    def __init__(self) -> None:
        self._references: set[weakref.ref[T]] = set()
        self._forget = self._references.discard

    def add(self, one: T) -> None:
        """Know an object as long as it lives; to add it again changes nothing."""
        self._references.add(weakref.ref(one, self._forget))

    def __iter__(self) -> Iterator[T]:
        """Iterate over those that live now; what comes or goes meanwhile does not matter."""
        return iter([one for reference in self._references.copy() if (one := reference()) is not None])
