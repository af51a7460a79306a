"""What asyncpg.cursor has beside our own names."""
from __future__ import annotations

import abc

from asyncpg_core.cursor import Cursor, CursorIterator

__all__ = ("BaseCursor",)


class BaseCursor(abc.ABC):  # noqa: B024  # for `isinstance` only
    """A cursor or the iterator of one."""


BaseCursor.register(Cursor)
BaseCursor.register(CursorIterator)
