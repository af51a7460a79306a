"""asyncpg.connresource: what belongs to a connection and is refused when that is released or closed."""
from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from asyncpg_core.cursor import Cursor, CursorFactory, CursorIterator
from asyncpg_core.prepared_statement import PreparedStatement
from asyncpg_core.transaction import Transaction
from pgproto.errors import InterfaceError

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

__all__ = ("ConnectionResource", "guarded")


class ConnectionResource(abc.ABC):  # noqa: B024  # the ABC is for `isinstance`: our own resources are not derived from it
    """Something of a user's own that lives as long as a connection is lent to him."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._con_session = connection._session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {id(self):#x}>"


for _own in (Cursor, CursorFactory, CursorIterator, PreparedStatement, Transaction):
    ConnectionResource.register(_own)


def guarded(meth: MethodT) -> MethodT:
    """Return a method of a ConnectionResource that raises InterfaceError once the connection is out of reach."""

    @functools.wraps(meth)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        refusal = f"cannot call {type(self).__name__}.{meth.__name__}(): the underlying connection "
        if self._connection._session is not self._con_session:
            raise InterfaceError(refusal + "has been released back to the pool")
        if self._connection.is_closed():
            raise InterfaceError(refusal + "is closed")
        return meth(self, *args, **kwargs)

    return checked  # type: ignore[return-value]  # the same parameters and result
