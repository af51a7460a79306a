"""What a pool refuses of its arguments before it opens anything."""
from __future__ import annotations

from typing import Any

from asyncpg_core.connection import check_classes
from asyncpg_core.naming import name_of
from pgproto.errors import InterfaceError


def check_pool_classes(connection_class: Any, record_class: Any) -> None:
    """Refuse what cannot be a connection or a row; a pool says it as TypeError."""
    try:
        check_classes(connection_class, record_class)
    except InterfaceError as error:
        raise TypeError(str(error)) from error.__cause__


def check_made(connection: Any, connection_class: Any) -> None:
    """Refuse what a user's `connect` has returned if it is no connection."""
    if not isinstance(connection, connection_class):
        raise InterfaceError(f"expected pool connect callback to return an instance of {name_of(connection_class)!r}, "
                             f"got {name_of(type(connection))!r}")


def check_sizes(min_size: int, max_size: int, init_size: int | None, max_queries: int, lifetime: float) -> None:
    """Refuse sizes that make no sense."""
    if max_size <= 0:
        raise ValueError("max_size is expected to be greater than zero")
    if min_size < 0:
        raise ValueError("min_size is expected to be greater or equal to zero")
    if min_size > max_size:
        raise ValueError("min_size is greater than max_size")
    if init_size is not None:
        check_init_size(init_size, min_size, max_size)
    if max_queries <= 0:
        raise ValueError("max_queries is expected to be greater than zero")
    if lifetime < 0:
        raise ValueError("max_inactive_connection_lifetime is expected to be greater or equal to zero")


def check_limits(
    max_lifetime: float | None, max_waiting: int | None, check: Any, check_after: float, check_timeout: float
) -> None:
    """Refuse limits that make no sense."""
    if max_lifetime is not None and not max_lifetime > 0:
        raise ValueError(f"max_lifetime is expected to be greater than zero, or None, got {max_lifetime!r}")
    if max_waiting is not None and (isinstance(max_waiting, bool) or max_waiting <= 0):
        raise ValueError(f"max_waiting is expected to be greater than zero, or None, got {max_waiting!r}")
    if check is not None and check is not True and not callable(check):
        raise ValueError(f"check must be True, an async function of a connection or None, got {check!r}")
    if not check_after >= 0:
        raise ValueError(f"check_after is expected to be greater or equal to zero, got {check_after!r}")
    if not check_timeout > 0:
        raise ValueError(f"check_timeout is expected to be greater than zero, got {check_timeout!r}")


def check_init_size(init_size: int, min_size: int, max_size: int) -> None:
    """Refuse to begin with fewer connections than are kept, or with more than there may be."""
    if init_size < 0:
        raise ValueError("init_size is expected to be greater or equal to zero")
    if init_size < min_size:
        raise ValueError("init_size is smaller than min_size")
    if init_size > max_size:
        raise ValueError("init_size is greater than max_size")


def check_reset(reset: Any) -> Any:
    """Return `reset` if it can be a pool's: None, "always" or what is called with a connection."""
    if reset is not None and reset != "always" and not callable(reset):
        raise ValueError(f'reset must be an async function, "always" or None, got {reset!r}')
    return reset


def lanes_of(share: Any) -> int:
    """Return how many connections plain one-shot calls may share."""
    if share is True or share is False:
        return DEFAULT_LANES if share else 0
    if not isinstance(share, int) or share < 1:
        raise ValueError(f"share must be True, False or a positive number of connections, got {share!r}")
    return share


DEFAULT_LANES = 4


class DefaultSize(int):
    """A default that can be told from the same number given by the user."""


DEFAULT_MIN_SIZE = DefaultSize(10)
