"""What a pool refuses of its arguments before it opens anything."""
from __future__ import annotations

from typing import Any

from asyncpg_core.connection import check_classes
from asyncpg_core.dsn import resolve
from asyncpg_core.naming import name_of
from asyncpg_core.options import CLIENT_KEYWORDS, ClientOptions, ConnectOptions, client_options
from pgproto.errors import InterfaceError
from pgproto.secret import without_frames


def check_pool_classes(connection_class: Any, record_class: Any) -> None:
    """Refuse what cannot be a connection or a row; a pool says it as TypeError."""
    try:
        check_classes(connection_class, record_class)
    except InterfaceError as error:
        raise TypeError(str(error)) from error.__cause__


def resolve_both(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[ConnectOptions, ClientOptions]:
    """Return what the arguments of connect say of the server and of the client; no frame keeps them."""
    try:
        client = client_options(**{name: value for name, value in keywords.items() if name in CLIENT_KEYWORDS})
        return resolve(*arguments, **{name: value for name, value in keywords.items() if name not in CLIENT_KEYWORDS}
                       ), client
    except Exception as error:
        raise without_frames(error)
    finally:
        del arguments, keywords


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
