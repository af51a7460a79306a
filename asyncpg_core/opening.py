"""One session at one address: TLS, Startup, and the second try on the other transport that sslmode allows.

sslmode allow and prefer have that second try for whatever the server says against the first before it has let us in:
pg_hba.conf tells connections with TLS from those without.
"""
from __future__ import annotations

import asyncio
import functools
import inspect
import ipaddress
import ssl
import warnings
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from socket import socket as Socket
from typing import Any

from asyncpg_core import forks, held
from asyncpg_core.cancel import send_cancel_request
from asyncpg_core.dial import Route, ask_for_tls, demand_tls, open_socket, round_trip_of, start_tls
from asyncpg_core.gss import TokenMaker
from asyncpg_core.healing import hint_at_refused_parameter
from asyncpg_core.options import ClientOptions, ConnectOptions, Password, SslMode, UnixAddress
from asyncpg_core.session import Session
from asyncpg_core.statement_cache import StatementCache
from asyncpg_core.tls import attempts
from asyncpg_core.transport import StreamProtocol, can_be_direct
from pgproto import auth, scram
from pgproto.errors import (
    CannotConnectNowError,
    ConnectionDoesNotExistError,
    InterfaceError,
    InterfaceWarning,
    InternalClientError,
    InvalidPasswordError,
    PostgresError,
)
from pgproto.operations.startup import Startup
from pgproto.secret import Secret

KeyCache = MutableMapping[Any, Any]
Found = tuple[Session, Route]
Version = tuple[int, int]
# feature_not_supported, protocol_violation: how a protocol is refused that is not known.
NEW_PROTOCOL_REFUSED = ("0A000", "08P01")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session must be like, whatever server it is on; `heard` is called at each sign of life of a server."""

    options: ConnectOptions
    client: ClientOptions
    keys: KeyCache | None = None
    session_functions: tuple[str, ...] = ()
    heard: Callable[[], None] = lambda: None


class StartCutShort(ConnectionDoesNotExistError, ConnectionError):
    """The connection ended before the session was ready. asyncpg calls it the first, the socket module the second."""


class NotReadyYet(Exception):
    """The server is starting up or shutting down (57P03): `error` says so. Another host may let us in."""

    def __init__(self, error: PostgresError) -> None:
        self.error = error


async def reveal(password: Password) -> Secret | None:
    """Return the password; a callable is called, and awaited if what it returns is awaitable."""
    if not callable(password):
        return password
    value: object = password()
    if inspect.isawaitable(value):
        value = await value
    if value is None:
        return None     # as if none had been given
    if not isinstance(value, str):
        raise InterfaceError(f"the password callable returned {type(value).__name__}, a str was expected")
    return Secret(value)


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
        cause = error.__cause__
        if self.startup.error is not None:
            self.loss = self.startup.error
        elif isinstance(cause, (ssl.SSLError, InternalClientError)):
            self.loss = cause
        else:
            why = f": {cause}" if cause else ""
            self.loss = StartCutShort(
                f"connection was closed in the middle of operation, during the start of the session{why}")
            self.loss.__cause__ = cause if isinstance(cause, OSError) else None
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


async def answer_of(question: object, password: Secret | None, tokens: TokenMaker) -> object:
    """Answer what a Startup asks."""
    if isinstance(question, auth.AskPassword):
        return password
    if isinstance(question, auth.AskToken):
        return await tokens.token(question.received, question.is_negotiable)
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


def suggest_old_protocol(error: PostgresError, newest: Version, oldest: Version) -> None:
    """Say what may help where a server or a pooler knew no answer to a protocol newer than 3.0.

    They should offer an older one; those from before there was a newer one close the connection or tell an error.
    """
    keyword = "max_protocol_version" if oldest <= (3, 0) else "min_protocol_version"
    hint = (f"the server, or a pooler in front of it, may not know protocol {newest[0]}.{newest[1]}: "
            f"try {keyword}=3.0")
    if isinstance(error, StartCutShort):
        error.args = (f"{error}; {hint}",)
    elif error.sqlstate in NEW_PROTOCOL_REFUSED and error.hint is None:
        error.hint = hint


def startup_parameters(options: ConnectOptions) -> dict[str, str]:
    """Return what StartupMessage says, user first; settings of the user win over ours."""
    parameters = {"user": options.user, "client_encoding": "UTF8"}
    if options.database:
        parameters["database"] = options.database
    return {**parameters, **options.server_settings}


def new_session(wish: Wish) -> Session:
    """Return a session that has no connection yet."""
    client = wish.client
    statements = StatementCache(
        max_size=client.statement_cache_size, lifetime=client.max_cached_statement_lifetime,
        max_statement_size=client.max_cacheable_statement_size, mode=client.prepare, threshold=client.prepare_threshold,
        session_functions=wish.session_functions)
    session = Session(asyncio.get_running_loop(), statements, client.codecs.new_registry())
    session.introspector.paths = held
    forks.watch(session)
    session.registry.types.dependents.add(statements)
    return session


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


class Attempt:
    """One try at one address over one transport, which knows how far it came.

    `route` has no TLS any more where the server declined it and sslmode=prefer does without.
    """

    def __init__(self, route: Route, password: Secret | None, wish: Wish) -> None:
        self.route = route
        self.password = password
        self.wish = wish
        self.is_connected = False
        # From here on a failure may be one of this transport: the server has not declined TLS itself.
        self.is_on_transport = False
        self.startup: Startup | None = None

    @property
    def is_let_in(self) -> bool:
        """Whether AuthenticationOk has come."""
        return self.startup is not None and self.startup.is_authenticated

    def is_curable(self, error: BaseException) -> bool:
        """Whether the server may say something else on the other transport; a timeout says nothing about either."""
        if self.is_let_in or not self.is_on_transport or isinstance(error, (CannotConnectNowError, TimeoutError)):
            return False
        return isinstance(error, (PostgresError, OSError))

    async def open(self) -> Found:
        """Return the session; all is closed on failure."""
        options = self.wish.options
        sock = await open_socket(self.route, options)
        self.is_connected = True
        self.wish.heard()
        session = new_session(self.wish)
        try:
            session.round_trip = round_trip_of(sock)
            tls = await self.connect_session(session, sock)
            self.wish.heard()
            await self.start(session, tls)
            self.wish.client.exactness.apply(session.registry, session.frontend.parameters)
        except BaseException:
            session.abort()
            sock.close()
            raise
        route = self.route
        session.canceller.send_request = lambda: send_cancel_request(
            route, options, session.frontend.backend_pid, session.frontend.backend_key)
        return session, route

    async def connect_session(self, session: Session, sock: Socket) -> ssl.SSLObject | None:
        """Give the socket to the session, with TLS where the route says so, and return what TLS there is."""
        loop, options = session.loop, self.wish.options
        address = self.route.address
        is_declined = False
        if self.route.is_tls and options.tls.mode is SslMode.prefer:
            is_declined = not await ask_for_tls(sock, address)
            self.route = replace(self.route, is_tls=not is_declined)
        elif self.route.is_tls:
            await demand_tls(sock, address, options.tls)
        self.wish.heard()
        self.is_on_transport = not is_declined
        if self.route.is_tls:
            stream = await start_tls(sock, address, options.tls, StreamProtocol(session.transport))
            tls: ssl.SSLObject = stream.get_extra_info("ssl_object")
            return tls
        if can_be_direct(loop):
            session.transport.attach_socket(sock)
        else:
            await loop.create_connection(lambda: StreamProtocol(session.transport), sock=sock)
        return None

    async def start(self, session: Session, tls: ssl.SSLObject | None) -> None:
        """Send Startup and answer what it asks until the server is ready."""
        options = self.wish.options
        authentication = authentication_of(self.route, self.wish, tls)
        newest, oldest = options.max_protocol_version, options.min_protocol_version
        self.startup = startup = Startup(
            startup_parameters(options), authentication, version=newest[0] << 16 | newest[1],
            least_version=oldest[0] << 16 | oldest[1])
        waiter = StartupWaiter(session.loop, startup)
        startup.waiter = waiter
        session.submit(startup)
        tokens = TokenMaker(self.route.address, options)
        try:
            while not await waiter.wait():
                if authentication.method == "password" and tls is not None and tls.context.verify_mode is ssl.CERT_NONE:
                    warn_of_cleartext()
                startup.answer(await answer_of(startup.question, self.password, tokens))
                self.wish.heard()
                session.go_on()
            if startup.error is not None:
                raise startup.error
        except PostgresError as error:
            hint_at_refused_parameter(error)
            if newest > (3, 0) and authentication.state is auth.State.START and startup.negotiated is None:
                suggest_old_protocol(error, newest, oldest)
            raise


async def open_either_way(route: Route, password: Secret | None, wish: Wish) -> Found:
    """Start a session at one address with the transports that sslmode allows, in its order.

    Where both fail, the error of the first is the cause of what is raised. Raises NotReadyYet in place of a 57P03 that
    came before the log-in.
    """
    kinds = attempts(wish.options.tls.mode, route.address)
    first: BaseException | None = None
    for kind in kinds:
        attempt = Attempt(replace(route, is_tls=kind == "tls"), password, wish)
        try:
            return await attempt.open()
        except BaseException as error:
            if kind != kinds[-1] and attempt.is_curable(error):
                first = error
                continue
            told, cause = (error, first) if first is None else which_is_told(first, error, attempt.is_connected)
            if cause is not None:
                told.__cause__ = cause
            if isinstance(told, CannotConnectNowError) and not attempt.is_let_in:
                raise NotReadyYet(told) from None
            if told is error:
                raise
            raise told
    raise InternalClientError(f"sslmode {wish.options.tls.mode.name} allows no transport")


def which_is_told(
    first: BaseException, second: BaseException, is_connected: bool
) -> tuple[BaseException, BaseException]:
    """Both transports failed: return the error that says more, and the other. The second is `is_connected` if the
    server was reached again.

    That is the second, unless it is no more than a closed door: then what the server said against the first counts.
    """
    is_answer = isinstance(first, PostgresError) and not isinstance(first, StartCutShort)
    is_no_answer = isinstance(second, OSError) and is_connected and is_answer
    is_general = isinstance(second, PostgresError) and second.sqlstate in ("28000", "08003")
    if is_no_answer or (is_general and isinstance(first, InvalidPasswordError)):
        return first, second
    return second, first
