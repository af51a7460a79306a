"""From settings to a session that is ready: which server is the right one, and how long each may take.

All attempts together have `timeout`, every attempt has a bound of its own. Hosts are tried in their order, and all
addresses of each, or both shuffled; one that cannot be reached, and a server that says it is starting up or shutting
down (57P03), give way to the next, anything else ends the search. One that is silent lets the next begin beside it:
that is in `racing`. What happens at one address is in `opening`.
"""
from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from asyncpg_core.dial import Route, resolve_address
from asyncpg_core.limit import within
from asyncpg_core.opening import Found, KeyCache, NotReadyYet, Wish, open_either_way, reveal
from asyncpg_core.options import Address, ClientOptions, ConnectOptions, Password
from asyncpg_core.racing import Entry, Order, Race
from asyncpg_core.session import Session
from pgproto.errors import TargetServerAttributeNotMatched
from pgproto.secret import Secret

T = TypeVar("T")
Attempt = Callable[[], Awaitable[Found]]


async def unobserved(route: Route, options: ConnectOptions, attempt: Attempt) -> Found:
    return await attempt()


# Every attempt to start a session goes through this; compat puts a function here that lets tracers see it.
observer: list[Callable[[Route, ConnectOptions, Attempt], Awaitable[Found]]] = [unobserved]
# A server that answers at all answers within seconds; without a limit of its own an attempt gets a fair share.
LEAST_ATTEMPT_SECONDS = 2.0
# While another host is silent, servers that were not of the right kind are asked again.
ASK_AGAIN_SECONDS = 0.5


def fits(wanted: str, in_hot_standby: bool, is_read_only: bool) -> bool:
    """Whether a server is one that target_session_attrs asks for."""
    return {
        "any": True,
        "primary": not in_hot_standby,
        "standby": in_hot_standby,
        "prefer-standby": in_hot_standby,
        "read-write": not (in_hot_standby or is_read_only),
        "read-only": in_hot_standby or is_read_only,
    }[wanted]


async def server_role(session: Session) -> tuple[bool, bool]:
    """Return (is a standby, new transactions are read-only), from what the server reported or by asking it."""
    parameters = session.frontend.parameters
    standby, read_only = parameters.get("in_hot_standby"), parameters.get("default_transaction_read_only")
    is_standby = standby == "on" if standby is not None else await is_in_recovery(session)
    return is_standby, read_only == "on" if read_only is not None else await is_read_only(session)


async def is_in_recovery(session: Session) -> bool:
    return bool(await session.calls.fetchval("SELECT pg_catalog.pg_is_in_recovery()", (), 0, None))


async def is_read_only(session: Session) -> bool:
    return bool(await session.calls.fetchval("SHOW transaction_read_only", (), 0, None) == "on")


async def find_session(
    options: ConnectOptions, client: ClientOptions, keys: KeyCache | None, session_functions: tuple[str, ...] = (),
) -> Found:
    """Return a session on the first server that fits, and the route that leads there, within `options.timeout`."""
    search = Search(Wish(options, client, keys, session_functions))
    try:
        found: Found = await bounded(search.run(), options.timeout, "the search for a server")
        search.opened.remove(found[0])
        return found
    finally:
        search.close()


class Search:
    """One connect: hosts and their addresses in their order, and the sessions opened on the way."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.loop = asyncio.get_running_loop()
        self.deadline = None if wish.options.timeout is None else self.loop.time() + wish.options.timeout
        self.failures: dict[Order, BaseException] = {}
        self.unfit: list[Found] = []
        # All of them, also one whose attempt was cancelled in the moment in which it succeeded.
        self.opened: list[Session] = []
        self.is_over = False
        self.race: Race[Found] = Race(
            is_ordered=not wish.options.load_balance_hosts,
            is_content=lambda: bool(self.unfit) and wish.options.target_session_attrs == "prefer-standby")

    async def run(self) -> Found:
        options = self.wish.options
        endpoints = list(options.endpoints)
        if options.load_balance_hosts:
            random.shuffle(endpoints)
        for n, (address, password) in enumerate(endpoints):
            self.race.add(Entry((n, 0), functools.partial(self.try_host, address, password)))
        found = await self.race.run()
        if found is not None:
            return found
        if self.race.is_content():
            return random.choice(self.unfit)
        if self.unfit or not self.failures:
            raise TargetServerAttributeNotMatched(
                f"None of the hosts match the target attribute requirement {options.target_session_attrs!r}")
        raise self.failures[max(self.failures)]

    async def try_host(self, address: Address, password: Password, entry: Entry[Found]) -> None:
        """Add every address of a host to what is tried."""
        # Once for a host, before a server asks: a callable may take longer than a server waits for the answer.
        entry.busy_here()
        secret = await reveal(password)
        entry.heard()
        try:
            resolved = await bounded(resolve_address(address), self.seconds(len(self.race.waiting) + 1), address)
        except (OSError, asyncio.TimeoutError) as error:
            self.failures[entry.order] = error
            return
        if self.wish.options.load_balance_hosts:
            random.shuffle(resolved)
        for n, (family, sockaddr) in enumerate(resolved, 1):
            route = Route(family, sockaddr, address, False)
            self.race.add(Entry((entry.order[0], n), functools.partial(self.try_route, route, secret)))

    async def try_route(self, route: Route, password: Secret | None, entry: Entry[Found]) -> Found | None:
        """Return a session on a server that fits; None if the address is of no use."""
        seconds = self.seconds(len(self.race.waiting) + 1)
        try:
            found, is_fit = await bounded(self.open_route(route, password, entry), seconds, route.address)
        except NotReadyYet as no:
            self.failures[entry.order] = no.error
        except (OSError, asyncio.TimeoutError) as error:
            self.failures[entry.order] = error
        else:
            if is_fit:
                return found
            self.unfit.append(found)
            if self.wish.options.target_session_attrs != "prefer-standby":
                self.race.watch(Entry(entry.order, functools.partial(self.watch_role, found)))
        return None

    async def watch_role(self, found: Found, entry: Entry[Found]) -> Found:
        """Return the session when its server has become one that fits: a host that is silent may be failing over."""
        session, _ = found
        while True:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            if fits(self.wish.options.target_session_attrs, await is_in_recovery(session), await is_read_only(session)):
                return found

    async def open_route(self, route: Route, password: Secret | None, entry: Entry[Found]) -> tuple[Found, bool]:
        """Return a session, and whether its server is of the kind that is wanted."""
        wanted = self.wish.options.target_session_attrs
        wish = replace(self.wish, heard=entry.heard)
        found = await observer[0](route, wish.options, lambda: open_either_way(route, password, wish))
        self.opened.append(found[0])
        if self.is_over:    # an attempt that did not listen to its cancel
            found[0].say_goodbye()
        entry.heard()
        return found, wanted == "any" or fits(wanted, *await server_role(found[0]))

    def seconds(self, n_left: int) -> float | None:
        """Return the bound of one attempt when `n_left` are left: connect_timeout, or a share of the time left."""
        if self.wish.options.connect_timeout is not None:
            return self.wish.options.connect_timeout
        if self.deadline is None or n_left == 1:
            return None
        return max((self.deadline - self.loop.time()) / n_left, LEAST_ATTEMPT_SECONDS)

    def close(self) -> None:
        """Close what was opened and is not wanted."""
        self.is_over = True
        for session in self.opened:
            session.say_goodbye()


async def bounded(awaitable: Awaitable[T], seconds: float | None, what: object) -> T:
    """Await with a bound; the TimeoutError says what was waited for."""
    try:
        return await within(seconds, awaitable)
    except asyncio.TimeoutError as error:
        if str(error):  # the system's own, or one that says it already
            raise
        raise asyncio.TimeoutError(f"{what} has not come to an end within {seconds:.3g} s") from error
