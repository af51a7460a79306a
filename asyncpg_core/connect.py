"""From settings to a session that is ready: addresses, TLS, Startup, and which server is the right one.

Every attempt has its own bound, all attempts together have `timeout`. Hosts are tried in their order (or shuffled); an
address that cannot be reached, or a server that says it is starting up or shutting down (57P03), gives way to the next
one, anything else ends the search. sslmode allow and prefer have a second try on the other kind of transport.
"""
from __future__ import annotations

import asyncio
import inspect
import ipaddress
import random
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asyncpg_core.cancel import send_cancel_request
from asyncpg_core.dial import Route, TlsRefused, open_socket, resolve_address, start_tls
from asyncpg_core.options import Address, ClientOptions, ConnectOptions, Password, SslMode, UnixAddress
from asyncpg_core.session import Session
from asyncpg_core.statement_cache import StatementCache
from asyncpg_core.tls import attempts
from asyncpg_core.transport import StreamProtocol, can_be_direct
from pgproto import auth, scram
from pgproto.codecs.registry import CodecRegistry
from pgproto.errors import (
    CannotConnectNowError,
    InterfaceError,
    InternalClientError,
    InvalidPasswordError,
    PostgresError,
    TargetServerAttributeNotMatched,
)
from pgproto.operations.startup import Startup
from pgproto.secret import Secret

KeyCache = MutableMapping[Any, Any]
# A server that answers at all answers within seconds; without a limit of its own an attempt gets a fair share.
LEAST_ATTEMPT_SECONDS = 2.0


class StartupWaiter:
    """Receives what the session says about its Startup."""

    def __init__(self, loop: asyncio.AbstractEventLoop, startup: Startup) -> None:
        self.loop = loop
        self.startup = startup
        self.future: asyncio.Future[bool] = loop.create_future()

    def on_ready(self, op: Startup) -> None:
        self.tell(False)

    def on_settled(self, op: Startup) -> None:
        self.tell(True)

    def on_lost(self, error: BaseException) -> None:
        if not self.future.done():
            cause = error.__cause__ if isinstance(error.__cause__, (OSError, InternalClientError)) else None
            self.future.set_exception(self.startup.error or cause or ConnectionError(
                "the server closed the connection unexpectedly during the start of the session"))

    def tell(self, is_settled: bool) -> None:
        if not self.future.done():
            self.future.set_result(is_settled)

    async def wait(self) -> bool:
        """Return True when the session is ready, False when the startup asks for something."""
        is_settled = await self.future
        self.future = self.loop.create_future()
        return is_settled


async def reveal(password: Password) -> Secret | None:
    """Return the password; a callable is called, and awaited if it returns an awaitable."""
    if callable(password):
        value: object = password()
        if inspect.isawaitable(value):
            value = await value
        if not isinstance(value, str):
            raise InterfaceError(f"the password callable returned {type(value).__name__}, a str was expected")
        return Secret(str(value))
    return password


async def answer_of(question: object, password: Password) -> object:
    """Answer what a Startup asks."""
    if isinstance(question, auth.AskPassword):
        return await reveal(password)
    if isinstance(question, auth.AskKeys):
        derive = (question.password, question.salt, question.iterations)
        if question.iterations > auth.OFF_LOOP_ITERATIONS:
            return await asyncio.get_running_loop().run_in_executor(None, scram.derive_keys, *derive)
        return scram.derive_keys(*derive)
    raise InternalClientError(f"the start of the session asks for {question!r}")


def is_loopback(address: Address) -> bool:
    """Whether what is sent to the address stays on this machine."""
    if isinstance(address, UnixAddress):
        return True
    try:
        return ipaddress.ip_address(address.dialled).is_loopback
    except ValueError:
        return address.dialled == "localhost"


def startup_parameters(options: ConnectOptions) -> dict[str, str]:
    """Return what StartupMessage says, user first; settings of the user win over ours."""
    parameters = {"user": options.user, "client_encoding": "UTF8"}
    if options.database:
        parameters["database"] = options.database
    return {**parameters, **options.server_settings}


async def open_session(
    route: Route, password: Password, options: ConnectOptions, client: ClientOptions, keys: KeyCache | None,
    session_functions: tuple[str, ...] = (),
) -> Session:
    """Connect, upgrade to TLS where the route says so, and start the session; everything is closed on failure."""
    loop = asyncio.get_running_loop()
    statements = StatementCache(
        max_size=client.statement_cache_size, lifetime=client.max_cached_statement_lifetime,
        max_statement_size=client.max_cacheable_statement_size, mode=client.prepare, threshold=client.prepare_threshold,
        session_functions=session_functions)
    session = Session(loop, statements, CodecRegistry())
    sock = await open_socket(route, options)
    certificate = None
    try:
        if route.is_tls:
            stream = await start_tls(sock, route, options.tls, StreamProtocol(session.transport))
            certificate = stream.get_extra_info("ssl_object").getpeercert(True)
        elif can_be_direct(loop):
            session.transport.attach_socket(sock)
        else:
            await loop.create_connection(lambda: StreamProtocol(session.transport), sock=sock)
        await start_session(session, route, password, options, certificate, keys)
    except BaseException:
        session.abort()
        sock.close()
        raise
    session.open_canceller = lambda: send_cancel_request(
        route, options, session.frontend.backend_pid, session.frontend.backend_key)
    return session


async def start_session(
    session: Session, route: Route, password: Password, options: ConnectOptions, certificate: bytes | None,
    keys: KeyCache | None,
) -> None:
    """Send Startup and answer what it asks until the server is ready."""
    authentication = auth.Authentication(
        auth.AuthOptions(
            user=options.user, is_encrypted=route.is_tls, is_local=is_loopback(route.address),
            channel_binding=options.channel_binding,
            require_auth=options.require_auth,
            allow_cleartext_password=options.allow_cleartext_password, server_certificate=certificate),
        key_cache=keys)
    major, minor = options.max_protocol_version
    startup = Startup(startup_parameters(options), authentication, version=major << 16 | minor)
    waiter = StartupWaiter(session.loop, startup)
    startup.waiter = waiter
    session.submit(startup)
    while not await waiter.wait():
        startup.answer(await answer_of(startup.question, password))
        session.go_on()
    if startup.error is not None:
        raise startup.error


async def try_address(
    route_of: Callable[[bool], Route], password: Password, options: ConnectOptions, client: ClientOptions,
    keys: KeyCache | None, session_functions: tuple[str, ...],
) -> tuple[Session, Route]:
    """Try one address with the transports that sslmode allows, in its order.

    The second is tried when the first was refused before the session was authenticated; an error about the password that
    the first gave is the one that is raised.
    """
    kinds = attempts(options.tls.mode, route_of(False).address)
    first: BaseException | None = None
    for kind in kinds:
        route = route_of(kind == "tls")
        try:
            return await open_session(route, password, options, client, keys, session_functions), route
        except TlsRefused as error:
            if first is not None:
                raise first from error
            if kind == kinds[-1]:
                raise
            first = None if options.tls.mode is SslMode.prefer else error
        except (PostgresError, OSError) as error:
            if first is not None:
                if isinstance(first, InvalidPasswordError) or not isinstance(error, PostgresError):
                    raise first from error
                raise error from first
            if kind == kinds[-1] or (isinstance(error, OSError) and kind == "plain"):
                raise
            first = error
    raise first if first is not None else InternalClientError(f"sslmode {options.tls.mode.name} allows no transport")


def fits(session: Session, wanted: str, in_hot_standby: bool, is_read_only: bool) -> bool:
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
    standby = parameters.get("in_hot_standby")
    if standby is None:
        is_standby = await session.calls.fetchval("SELECT pg_catalog.pg_is_in_recovery()", (), 0, None)
        standby = "on" if is_standby else "off"
    read_only = parameters.get("default_transaction_read_only")
    if read_only is None:
        read_only = await session.calls.fetchval("SHOW transaction_read_only", (), 0, None)
    return standby == "on", read_only == "on"


async def find_session(
    options: ConnectOptions, client: ClientOptions, keys: KeyCache | None, session_functions: tuple[str, ...] = (),
) -> tuple[Session, Route]:
    """Return a session on the first server that fits, and the route that leads there."""
    endpoints = list(options.endpoints)
    if options.load_balance_hosts:
        random.shuffle(endpoints)
    spare: list[tuple[Session, Route]] = []
    last: BaseException | None = None
    try:
        for n, (address, password) in enumerate(endpoints):
            bound = attempt_seconds(options, len(endpoints) - n)
            try:
                found = await bounded(reach(address, password, options, client, keys, session_functions), bound, address)
                if options.target_session_attrs == "any":
                    return found
                role = await bounded(server_role(found[0]), bound, address)
            except (OSError, CannotConnectNowError, asyncio.TimeoutError) as error:
                last = error
                continue
            if fits(found[0], options.target_session_attrs, *role):
                return found
            spare.append(found)
        if spare and options.target_session_attrs == "prefer-standby":
            return spare.pop(random.randrange(len(spare)))
    finally:
        for session, _ in spare:
            session.say_goodbye()
    if spare or last is None:
        raise TargetServerAttributeNotMatched(
            f"None of the hosts match the target attribute requirement {options.target_session_attrs!r}")
    raise last


def attempt_seconds(options: ConnectOptions, n_left: int) -> float | None:
    """Return the bound of one attempt when `n_left` are left."""
    if options.connect_timeout is not None:
        return options.connect_timeout
    if options.timeout is None or n_left == 1:
        return None
    return max(options.timeout / n_left, LEAST_ATTEMPT_SECONDS)


async def bounded(awaitable: Awaitable[Any], seconds: float | None, address: Address) -> Any:
    """Await with a bound; the TimeoutError says what was waited for."""
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise asyncio.TimeoutError(f"{address} has not answered within {seconds} s") from error


async def reach(
    address: Address, password: Password, options: ConnectOptions, client: ClientOptions, keys: KeyCache | None,
    session_functions: tuple[str, ...],
) -> tuple[Session, Route]:
    """Try every address that a host name resolves to."""
    resolved = await resolve_address(address)
    for n, (family, sockaddr) in enumerate(resolved):

        def route_of(is_tls: bool, family: int = family, sockaddr: Any = sockaddr) -> Route:
            return Route(family, sockaddr, address, is_tls)

        try:
            found = await try_address(route_of, password, options, client, keys, session_functions)
        except (OSError, CannotConnectNowError):
            if n == len(resolved) - 1:
                raise
            continue
        if options.requirepeer is not None:
            check_peer(found[0], options.requirepeer)
        return found
    raise OSError(f"{address} has no address")


def check_peer(session: Session, wanted: str) -> None:
    """Refuse a server behind a unix socket that runs as another user than requirepeer names."""
    sock = session.transport.socket
    if sock is None or sys.platform == "win32" or not hasattr(__import__("socket"), "SO_PEERCRED"):
        raise InterfaceError("requirepeer cannot be checked on this platform or connection")
    import pwd
    import socket
    import struct

    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    name = pwd.getpwuid(uid).pw_name
    if name != wanted:
        session.abort()
        raise InterfaceError(f"requirepeer asks for {wanted!r}, but the server runs as {name!r}")
