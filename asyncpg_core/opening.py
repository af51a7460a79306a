"""One session at one address: TLS, Startup, and the second try on the other transport that sslmode allows."""
from __future__ import annotations

import asyncio
import functools
import inspect
import ipaddress
import ssl
import warnings
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from socket import socket as Socket
from typing import Any

from asyncpg_core import held
from asyncpg_core.cancel import send_cancel_request
from asyncpg_core.dial import Route, ask_for_tls, demand_tls, open_socket, start_tls
from asyncpg_core.options import ClientOptions, ConnectOptions, Password, SslMode, UnixAddress
from asyncpg_core.session import Session
from asyncpg_core.statement_cache import StatementCache
from asyncpg_core.tls import attempts
from asyncpg_core.transport import StreamProtocol, can_be_direct
from pgproto import auth, scram
from pgproto.errors import (
    InterfaceError,
    InterfaceWarning,
    InternalClientError,
    InvalidAuthorizationSpecificationError,
    InvalidPasswordError,
    PostgresError,
)
from pgproto.operations.startup import Startup
from pgproto.secret import Secret

KeyCache = MutableMapping[Any, Any]
Found = tuple[Session, Route]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session must be like, whatever server it is on."""

    options: ConnectOptions
    client: ClientOptions
    keys: KeyCache | None = None
    session_functions: tuple[str, ...] = ()


class PasswordSource:
    """The password for one host. A callable is called when a server first asks, and once."""

    def __init__(self, password: Password) -> None:
        self.password = password

    async def reveal(self) -> Secret | None:
        """Return the password; what a callable returns is awaited if it is awaitable."""
        if callable(self.password):
            value: object = self.password()
            if inspect.isawaitable(value):
                value = await value
            if value is None:
                return None     # as if none had been given
            if not isinstance(value, str):
                raise InterfaceError(f"the password callable returned {type(value).__name__}, a str was expected")
            self.password = Secret(value)
        return self.password


class StartupWaiter:
    """Receives what the session says about its Startup."""

    def __init__(self, loop: asyncio.AbstractEventLoop, startup: Startup) -> None:
        self.loop = loop
        self.startup = startup
        self.is_settled = False
        self.loss: BaseException | None = None
        self.future: asyncio.Future[None] | None = None

    def on_ready(self, op: Startup) -> None:
        self.wake()

    def on_settled(self, op: Startup) -> None:
        self.is_settled = True
        self.wake()

    def on_lost(self, error: BaseException) -> None:
        cause = error.__cause__ if isinstance(error.__cause__, (OSError, InternalClientError)) else None
        self.loss = self.startup.error or cause or ConnectionError(
            "the server closed the connection unexpectedly during the start of the session")
        self.wake()

    def wake(self) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    async def wait(self) -> bool:
        """Return True when the session is ready, False when the startup asks for something; raise if it is lost."""
        while self.loss is None and not self.is_settled and self.startup.question is None:
            self.future = self.loop.create_future()
            await self.future
        if self.loss is not None:
            raise self.loss
        return self.is_settled


async def answer_of(question: object, password: PasswordSource) -> object:
    """Answer what a Startup asks."""
    if isinstance(question, auth.AskPassword):
        return await password.reveal()
    if isinstance(question, auth.AskKeys):
        derive = (question.password, question.salt, question.iterations)
        if question.iterations > auth.OFF_LOOP_ITERATIONS:
            return await asyncio.get_running_loop().run_in_executor(None, scram.derive_keys, *derive)
        return scram.derive_keys(*derive)
    raise InternalClientError(f"the start of the session asks for {question!r}")


@functools.cache
def warn_of_cleartext() -> None:
    """Warn, once per process, of a password that is shown to a server nobody has verified."""
    warnings.warn(InterfaceWarning(
        "the server asks for the password itself, and its certificate is not verified",
        hint="anybody between could read it: use sslmode=verify-full, or a method that does not show the password"),
        stacklevel=2)


def is_loopback(route: Route) -> bool:
    """Whether what is sent to the address stays on this machine."""
    if isinstance(route.address, UnixAddress):
        return True
    return ipaddress.ip_address(route.sockaddr[0].partition("%")[0]).is_loopback


def startup_parameters(options: ConnectOptions) -> dict[str, str]:
    """Return what StartupMessage says, user first; settings of the user win over ours."""
    parameters = {"user": options.user, "client_encoding": "UTF8"}
    if options.database:
        parameters["database"] = options.database
    return {**parameters, **options.server_settings}


async def open_session(sock: Socket, route: Route, password: PasswordSource, wish: Wish) -> Found:
    """Start a session on a connected socket, with TLS where the route says so; all is closed on failure.

    The route that is returned has no TLS where sslmode=prefer does without.
    """
    loop = asyncio.get_running_loop()
    client, options = wish.client, wish.options
    statements = StatementCache(
        max_size=client.statement_cache_size, lifetime=client.max_cached_statement_lifetime,
        max_statement_size=client.max_cacheable_statement_size, mode=client.prepare, threshold=client.prepare_threshold,
        session_functions=wish.session_functions)
    session = Session(loop, statements, client.codecs.new_registry())
    session.introspector.paths = held
    session.registry.types.dependents.add(statements)
    tls: ssl.SSLObject | None = None
    try:
        if route.is_tls and options.tls.mode is SslMode.prefer:
            route = replace(route, is_tls=await ask_for_tls(sock, route.address))
        elif route.is_tls:
            await demand_tls(sock, route.address, options.tls)
        if route.is_tls:
            stream = await start_tls(sock, route.address, options.tls, StreamProtocol(session.transport))
            tls = stream.get_extra_info("ssl_object")
        elif can_be_direct(loop):
            session.transport.attach_socket(sock)
        else:
            await loop.create_connection(lambda: StreamProtocol(session.transport), sock=sock)
        await start_session(session, authentication_of(route, wish, tls), options, password, tls)
        client.exactness.apply(session.registry, session.frontend.parameters)
    except BaseException:
        session.abort()
        sock.close()
        raise
    session.canceller.send_request = lambda: send_cancel_request(
        route, options, session.frontend.backend_pid, session.frontend.backend_key)
    return session, route


def authentication_of(route: Route, wish: Wish, tls: ssl.SSLObject | None) -> auth.Authentication:
    """Return the log-in with what it may know of the channel."""
    options = wish.options
    return auth.Authentication(
        auth.AuthOptions(
            user=options.user, is_encrypted=tls is not None, is_local=is_loopback(route),
            channel_binding=options.channel_binding, require_auth=options.require_auth,
            allow_cleartext_password=options.allow_cleartext_password,
            server_certificate=None if tls is None else tls.getpeercert(True)),
        key_cache=wish.keys)


async def start_session(
    session: Session, authentication: auth.Authentication, options: ConnectOptions, password: PasswordSource,
    tls: ssl.SSLObject | None,
) -> None:
    """Send Startup and answer what it asks until the server is ready."""
    newest, oldest = options.max_protocol_version, options.min_protocol_version
    startup = Startup(startup_parameters(options), authentication, version=newest[0] << 16 | newest[1],
                      least_version=oldest[0] << 16 | oldest[1])
    waiter = StartupWaiter(session.loop, startup)
    startup.waiter = waiter
    session.submit(startup)
    while not await waiter.wait():
        if authentication.method == "password" and tls is not None and tls.context.verify_mode is ssl.CERT_NONE:
            warn_of_cleartext()
        startup.answer(await answer_of(startup.question, password))
        session.go_on()
    if startup.error is not None:
        raise startup.error


async def open_either_way(route: Route, password: PasswordSource, wish: Wish) -> Found:
    """Start a session at one address with the transports that sslmode allows, in its order.

    The second is tried when the server would not log us in on the first, or could not do TLS; an error about the
    password that the first gave is the one that is raised.
    """
    first: BaseException | None = None
    kinds = attempts(wish.options.tls.mode, route.address)
    for kind in kinds:
        route = replace(route, is_tls=kind == "tls")
        sock = await open_socket(route, wish.options)
        try:
            return await open_session(sock, route, password, wish)
        except (PostgresError, OSError) as error:
            if first is not None:
                raise_one_of(first, error)
            if kind == kinds[-1] or not is_cured_by_other_transport(error, kind):
                raise
            first = error
    raise InternalClientError(f"sslmode {wish.options.tls.mode.name} allows no transport")


def is_cured_by_other_transport(error: BaseException, kind: str) -> bool:
    """Whether the server may say something else with, or without, TLS: pg_hba.conf tells them apart."""
    return isinstance(error, InvalidAuthorizationSpecificationError) or (kind == "tls" and isinstance(error, OSError))


def raise_one_of(first: BaseException, second: BaseException) -> None:
    """Both transports failed: raise the error that says more, the other is its cause."""
    if isinstance(first, InvalidPasswordError) or not isinstance(second, PostgresError):
        raise first from second
    raise second from first
