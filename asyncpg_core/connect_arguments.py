"""What a connection is made with, when it is made: arguments that are callables are called for each connect.

A password, a DSN, an SSLContext, a host that a service hands out for some minutes: any connection argument may be a
callable without parameters, async or not. `password` has its own place (`opening.reveal`), because it is asked once a
host. What only the client uses (`options.CLIENT_KEYWORDS`) is no argument of this kind.
"""
from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from asyncpg_core.dsn import resolve
from asyncpg_core.limit import within
from asyncpg_core.options import CLIENT_KEYWORDS, ClientOptions, ConnectOptions, client_options
from pgproto.secret import without_frames

CONNECT_SECONDS = 60.0


async def value_of(argument: Any) -> Any:
    """Return what an argument stands for: what a callable returns, awaited if it can be."""
    if not callable(argument):
        return argument
    value = argument()
    return await value if inspect.isawaitable(value) else value


def is_settled(dsn: object, arguments: Mapping[str, object]) -> bool:
    """Whether nothing among the arguments is to be called."""
    return not callable(dsn) and not any(
        callable(value) for name, value in arguments.items() if name != "password")


def resolved(dsn: Any, arguments: dict[str, Any]) -> ConnectOptions:
    """Return what settled arguments say of the server; no frame keeps them."""
    try:
        return resolve(dsn, **arguments)
    except Exception as error:
        raise without_frames(error)
    finally:
        del dsn, arguments


async def settle(dsn: Any, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the arguments with what the callables among them return; they have `timeout` seconds together, and what
    they have used up is no longer there for the search for a server."""
    settled = dict(arguments)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    seconds = settled["timeout"] = await within(CONNECT_SECONDS, value_of(settled.get("timeout", CONNECT_SECONDS)))

    async def call_all() -> Any:
        for name, argument in arguments.items():
            if name not in ("password", "timeout"):
                settled[name] = await value_of(argument)
        return await value_of(dsn)

    try:
        found = await within(seconds, call_all())
    except asyncio.TimeoutError as error:
        if loop.time() - begun < (seconds or 0):
            raise       # it is a callable's own
        raise asyncio.TimeoutError(
            f"the connection arguments that are callables have not returned within {seconds:g} s") from error
    if seconds is not None:
        settled["timeout"] = seconds - (loop.time() - begun)
    return found, settled


class ConnectArguments:
    """The arguments of a pool's connections; read once unless there is something to call.

    `role` is the kind of server that is wanted when nothing else was said, or, with `is_role_forced`, in any case.
    """

    __slots__ = ("client", "dsn", "found", "is_role_forced", "keywords", "role")

    def __init__(self, dsn: Any, keywords: dict[str, Any], role: str | None = None, is_role_forced: bool = False
                 ) -> None:
        self.dsn = dsn
        self.keywords = keywords
        self.role = role
        self.is_role_forced = is_role_forced
        self.client: ClientOptions | None = None
        self.found: ConnectOptions | None = None

    def client_options(self) -> ClientOptions:
        """Return what the connections do with statements; raises ValueError for what makes no sense."""
        if self.client is None:
            self.client = client_options(**{k: v for k, v in self.keywords.items() if k in CLIENT_KEYWORDS})
        return self.client

    async def options(self) -> ConnectOptions:
        """Return where to connect now, as whom and how."""
        if self.found is not None:
            return self.found
        dsn, given = self.dsn, {k: v for k, v in self.keywords.items() if k not in CLIENT_KEYWORDS}
        try:
            is_lasting = is_settled(dsn, given)
            if not is_lasting:
                dsn, given = await settle(dsn, given)
            options = self.in_role(resolved(dsn, given))
        finally:
            del dsn, given
        if is_lasting:
            self.found = options
        return options

    def in_role(self, options: ConnectOptions) -> ConnectOptions:
        """Return the options with the kind of server that is wanted."""
        if self.role is None or (options.target_session_attrs != "any" and not self.is_role_forced):
            return options
        return dataclasses.replace(
            options, target_session_attrs=self.role,
            load_balance_hosts=options.load_balance_hosts or self.role == "standby")

    def for_hook(self) -> dict[str, Any]:
        """Return the keywords that a user's own `connect` gets."""
        if self.role is not None and (self.is_role_forced or "target_session_attrs" not in self.keywords):
            return {**self.keywords, "target_session_attrs": self.role}
        return self.keywords

    def changed(self, dsn: Any, changes: dict[str, Any]) -> ConnectArguments:
        """Return arguments that differ in `changes`, and in the DSN unless that is None."""
        return ConnectArguments(
            self.dsn if dsn is None else dsn, {**self.keywords, **changes}, self.role, self.is_role_forced)
