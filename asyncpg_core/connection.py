"""The API of a connection: thin methods that make calls on its session.

Several operations may be in flight at once; they execute in the order in which they started. What waits, writes and
reads is the session; what is here is the face that users see, with asyncpg's names and signatures.
"""
from __future__ import annotations

import asyncio
import traceback
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from asyncpg_core import coroutine_mark, naming, type_codecs
from asyncpg_core.call_maker import refuse_unfit
from asyncpg_core.column_queries import ColumnQueries
from asyncpg_core.column_stream import ColumnStream
from asyncpg_core.connect import find_session
from asyncpg_core.connect_arguments import is_settled, resolved, settle
from asyncpg_core.copy import Copying
from asyncpg_core.cursor import CursorFactory, RecordT
from asyncpg_core.limit import within
from asyncpg_core.listeners import Listening
from asyncpg_core.options import ClientOptions, ConnectOptions, client_options, with_dsn
from asyncpg_core.parting import check_loop, drain, part
from asyncpg_core.patchable import Patchable
from asyncpg_core.pipeline import Pipeline
from asyncpg_core.prepare_mode import PrepareMode
from asyncpg_core.prepared_statement import PreparedStatement, named_if_safe
from asyncpg_core.protocol.protocol import Protocol
from asyncpg_core.query_log import LoggedQuery as LoggedQuery
from asyncpg_core.server_version import ServerVersion, capabilities, split_server_version_string
from asyncpg_core.settings import ConnectionSettings
from asyncpg_core.statement_cache import new_name
from asyncpg_core.transaction import Transaction
from pgproto.columns.plan import column_options
from pgproto.errors import InterfaceError
from pgproto.record import Record
from pgproto.statement import Statement

if TYPE_CHECKING:
    from asyncpg_core.session import Session

# close() waits this long for the server to hang up when no timeout was given.
CLOSE_SECONDS = 5.0
OtherT = TypeVar("OtherT", bound=Record)
ConnectionT = TypeVar("ConnectionT", bound="Connection[Any]")


class Unclosed:
    """Warns when a connection is gone that nobody has closed, and closes its session.

    Its own object, because a finalizer of the class would be asked at the end of every borrower's connection too.
    """

    __slots__ = ("cls", "identity", "is_expected", "loop", "session", "source")

    def __init__(self, connection: Connection[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.cls = type(connection)
        self.identity = id(connection)
        self.session = connection._session
        self.loop = loop
        self.is_expected = False
        self.source = "run in asyncio debug mode to see where it was created"
        if loop.get_debug():
            self.source = f"it was created at:\n{''.join(traceback.format_stack())}"

    def __del__(self) -> None:
        if self.is_expected or self.session.is_closed:
            return
        warnings.warn(f"unclosed connection <{naming.name_of(self.cls)} connected {self.identity:#x}>; {self.source}",
                      ResourceWarning, stacklevel=2)
        if self.loop.is_closed():
            self.session.say_goodbye()
        else:
            self.loop.call_soon_threadsafe(self.session.say_goodbye)


class Connection(Copying, Listening, ColumnQueries, Generic[RecordT], metaclass=Patchable):
    """A session with the server; made by `connect` or lent by a pool."""

    __slots__ = ("_protocol", "_session", "_calls", "_transport", "_loop", "_addr", "_config", "_params",
                 "_top_transaction", "_lease", "_pool", "_server_version", "_known_reset", "_unclosed",
                 "__weakref__")
    _transaction_class = Transaction

    def __init__(self, protocol: Protocol, transport: Any, loop: asyncio.AbstractEventLoop, addr: Any,
                 config: ClientOptions, params: ConnectOptions) -> None:
        self._protocol = protocol
        self._session: Session = protocol.session
        self._calls = protocol.session.calls
        self._transport = transport
        self._loop = loop
        self._addr = addr
        self._config = config
        self._params = params
        self._top_transaction: Transaction | None = None
        self._lease: Any = None
        self._pool: Any = None
        self._server_version: ServerVersion | None = None
        self._known_reset: tuple[str, ...] | None = None
        self._unclosed = Unclosed(self, loop)   # not of those that a pool lends

    def __repr__(self) -> str:
        released = self._pool is not None and self._lease is None
        if released:
            state = "[released]"
        elif self._lease is not None:
            state = f"lent {self._lease.connection!r}"
        else:
            state = "closed" if self._session.is_closed else "connected"
        return f"<{naming.name_of(type(self))} {state} {id(self):#x}>"

    def _belong_to_pool(self) -> None:
        """A pool closes the session: that its own connection goes away says nothing."""
        self._unclosed.is_expected = True

    def _share_with(self, face: Connection[Any], lease: Any, pool: Any) -> None:
        """Let another connection object, that a pool lends, be on the same session."""
        face._protocol = self._protocol
        face._session = self._session
        face._calls = self._session.calls
        face._transport = self._transport
        face._loop = self._loop
        face._addr = self._addr
        face._config = self._config
        face._params = self._params
        face._top_transaction = None
        face._server_version = self._server_version
        face._known_reset = self._known_reset
        face._lease = lease
        face._pool = pool

    def _part_from_session(self, released: Any, calls: Any) -> None:
        """A borrower's connection is given back: from now on every call is refused."""
        self._lease = None
        self._session = released
        self._calls = calls
        self._top_transaction = None
        self._server_version = None

    def _check_open(self) -> None:
        if self._session.is_closed:
            raise InterfaceError(self._session.closed_text or "connection is closed")

    # Queries

    @overload
    def fetch(
        self, query: str, *args: Any, timeout: float | None = None, record_class: None = None,
        prepare: str | None = None,
    ) -> Coroutine[Any, Any, list[RecordT]]: ...
    @overload
    def fetch(
        self, query: str, *args: Any, timeout: float | None = None, record_class: type[OtherT],
        prepare: str | None = None,
    ) -> Coroutine[Any, Any, list[OtherT]]: ...
    def fetch(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None,
              prepare: str | None = None) -> Coroutine[Any, Any, list[Any]]:
        """Return the rows of a query as a list of records.

        `timeout` in seconds, None for command_timeout. `prepare` is always, auto or never, None for the connection's
        mode. Raises PostgresError, DataError for an argument that does not fit its type, QueryTimeout.
        """
        return self._calls.fetch(query, args, timeout, record_class, prepare)

    @overload
    def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None, record_class: None = None,
        prepare: str | None = None,
    ) -> Coroutine[Any, Any, RecordT | None]: ...
    @overload
    def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None, record_class: type[OtherT],
        prepare: str | None = None,
    ) -> Coroutine[Any, Any, OtherT | None]: ...
    def fetchrow(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None,
                 prepare: str | None = None) -> Coroutine[Any, Any, Any | None]:
        """Return the first row of a query, None if there is none."""
        return self._calls.fetchrow(query, args, timeout, record_class, prepare)

    def fetchval(
        self, query: str, *args: Any, column: int | str = 0, timeout: float | None = None, prepare: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Return one value of the first row, None if there is no row. `column` is a position or a name."""
        return self._calls.fetchval(query, args, column, timeout, prepare)

    def execute(self, query: str, *args: Any, timeout: float | None = None, prepare: str | None = None,
                ) -> Coroutine[Any, Any, str]:
        """Execute an SQL command, or several, and return the tag of the last one; '' if the text holds none.

        Without arguments nothing is ever prepared.
        """
        return self._calls.execute(query, args, timeout, prepare)

    def executemany(self, command: str, args: Iterable[Any], *, timeout: float | None = None,
                    return_status: bool = False, prepare: str | None = None) -> Coroutine[Any, Any, Any]:
        """Execute a command for each element of `args`, all or nothing; with `return_status` return their tags."""
        return self._calls.executemany(command, args, timeout, prepare, return_status=return_status)

    @overload
    def fetchmany(
        self, query: str, args: Iterable[Any], *, timeout: float | None = None, record_class: None = None,
        prepare: str | None = None,
    ) -> Coroutine[Any, Any, list[RecordT]]: ...
    @overload
    def fetchmany(
        self, query: str, args: Iterable[Any], *, timeout: float | None = None, record_class: type[OtherT],
        prepare: str | None = None,
    ) -> Coroutine[Any, Any, list[OtherT]]: ...
    def fetchmany(self, query: str, args: Iterable[Any], *, timeout: float | None = None, record_class: Any = None,
                  prepare: str | None = None) -> Coroutine[Any, Any, list[Any]]:
        """Execute a query for each element of `args` and return the rows of all."""
        return self._calls.fetchmany(query, args, timeout, record_class, prepare)

    @overload
    def prepare(
        self, query: str, *, name: str | None = None, timeout: float | None = None, record_class: None = None,
    ) -> Coroutine[Any, Any, PreparedStatement[RecordT]]: ...
    @overload
    def prepare(
        self, query: str, *, name: str | None = None, timeout: float | None = None, record_class: type[OtherT],
    ) -> Coroutine[Any, Any, PreparedStatement[OtherT]]: ...
    def prepare(self, query: str, *, name: str | None = None, timeout: float | None = None, record_class: Any = None
                ) -> Coroutine[Any, Any, PreparedStatement[Any]]:
        """Return a PreparedStatement; without `name` it gets one that is unique, or none in prepare mode `never`."""
        session = self._session
        own = name
        if name is None:
            name = new_name() if session.statements.names_own else ""

        def make(op: Any) -> PreparedStatement[Any]:
            statement = Statement(op.sql, op.name, op.parameter_oids, op.columns, session.registry)
            statement.n_deallocations = session.frontend.n_deallocations
            if own is None and not op.name:
                statement = named_if_safe(session, statement)
            return PreparedStatement(self, statement, record_class)

        return session.calls.prepare(query, name, timeout, make)

    @overload
    def cursor(
        self, query: str, *args: Any, prefetch: int | None = None, timeout: float | None = None,
        record_class: None = None,
    ) -> CursorFactory[RecordT]: ...
    @overload
    def cursor(
        self, query: str, *args: Any, prefetch: int | None = None, timeout: float | None = None,
        record_class: type[OtherT],
    ) -> CursorFactory[OtherT]: ...
    def cursor(self, query: str, *args: Any, prefetch: int | None = None, timeout: float | None = None,
               record_class: Any = None) -> CursorFactory[Any]:
        """Return a cursor for `async for`, or to be awaited; it lives inside a transaction. See CursorFactory."""
        self._check_open()
        return CursorFactory(self, query, None, args, prefetch, timeout, record_class)

    def stream_arrow(
        self, query: str, *args: Any, batch_rows: int = 65536, timeout: float | None = None,
        numeric: str | tuple[int, int] = "auto", infinity: str = "error", nan: str = "error",
    ) -> ColumnStream:
        """Return the result of a query as batches of columns, for `async for`; see fetch_arrow for the options.

        `timeout` is for each batch. Inside a transaction other calls may come in between, outside one they wait.
        """
        self._check_open()
        return ColumnStream(self, query, None, args, batch_rows, timeout, column_options(numeric, infinity, nan))

    def transaction(self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
                    ) -> Transaction:
        """Return a transaction block, or a savepoint inside one; see Transaction."""
        self._check_open()
        return self._transaction_class(self, isolation, readonly, deferrable)

    def pipeline(self) -> Pipeline:
        """Return a block whose calls are written together; see Pipeline."""
        return Pipeline(self)

    # Facts

    def is_in_transaction(self) -> bool:
        """Whether a transaction block is open, a failed one included."""
        session = self._session
        if session.is_closed:
            return False    # It has ended with the connection.
        return session.has_begun or (session.frontend.transaction_status != "I" and not session.n_ending)

    def is_closed(self) -> bool:
        """Whether the connection is closed."""
        return self._session.is_closed

    def get_server_pid(self) -> int:
        """Return the process ID of the server's backend."""
        return self._session.frontend.backend_pid

    def get_server_version(self) -> ServerVersion:
        """Return the version of the server; for 10 and later `micro` is the minor release."""
        if self._server_version is None:
            self._server_version = split_server_version_string(self._session.frontend.parameters["server_version"])
        return self._server_version

    @property
    def prepare_mode(self) -> PrepareMode:
        """How statements are prepared now (`mode`: always, auto or never) and why (`reason`)."""
        statements = self._session.statements
        return PrepareMode(statements.mode, statements.reason)

    def get_settings(self) -> ConnectionSettings:
        """Return the parameters that the server reports, live."""
        return ConnectionSettings(self._session.frontend.parameters, self._session.registry)

    # Resetting

    def get_reset_query(self) -> str:
        """Return the statements that `reset` executes, one per line."""
        return "\n".join(f"{statement};" for statement in self._reset_statements())

    def _reset_statements(self) -> tuple[str, ...]:
        if self._known_reset is not None:
            return self._known_reset
        able = capabilities(self.get_server_version(), self._session.frontend.parameters)
        statements = []
        if able.advisory_locks:
            statements.append("SELECT pg_catalog.pg_advisory_unlock_all()")
        if able.sql_close_all:
            statements.append("CLOSE ALL")
        if able.notifications and able.plpgsql:
            statements.append("UNLISTEN *")
        if able.sql_reset:
            statements.append("RESET ALL")
        if able.sql_close_all:
            statements.append("DISCARD TEMP")
        self._known_reset = tuple(statements)
        return self._known_reset

    async def reset(self, *, timeout: float | None = None) -> None:
        """Bring the session back to how it began: no transaction, locks, settings or temporary tables, its own role."""
        self._check_open()
        self._forget_hearing()
        session = self._session
        if self.is_in_transaction():
            if self._top_transaction is None or not self._top_transaction._managed:
                self._loop.call_exception_handler({
                    "message": "Resetting connection with an active transaction", "connection": self})
            self._forget_transaction()
            if session.frontend.transaction_status != "I" or session.frontend.n_pending:
                await session.calls.execute("ROLLBACK", (), timeout)
        query = self.get_reset_query()
        if query:
            await self.execute(f"RESET SESSION AUTHORIZATION; {query}", timeout=timeout)

    def _forget_transaction(self) -> None:
        """Drop what transactions of this connection still owe."""
        if self._top_transaction is not None:
            self._session.preludes.drop(self._top_transaction)
            self._top_transaction = None
        self._session.has_begun = False

    async def reload_schema_state(self) -> None:
        """Forget what is known about statements and types, so that it is asked anew; codecs that were set stay.

        The other connections of a pool forget it too.
        """
        self._session.registry.types.forget()

    async def set_type_codec(
        self, typename: str, *, schema: str = "public", encoder: Callable[[Any], Any], decoder: Callable[[Any], Any],
        format: str = "text",
    ) -> None:
        """Let `encoder` and `decoder` write and read a type, also inside arrays, ranges, composites and domains.

        In format text they return and take str, in binary bytes, in tuple the numbers that a date or time is made of
        or the attributes of a composite; see pgproto.codecs.custom. NULL never reaches them. Raises ValueError for an
        unknown type.
        """
        self._check_open()
        await type_codecs.set_type_codec(self, typename, schema, encoder, decoder, format)

    async def set_builtin_type_codec(
        self, typename: str, *, schema: str = "public", codec_name: str, format: str | None = None
    ) -> None:
        """Let the codec of a built-in type, or `pg_contrib.hstore`, write and read a scalar type."""
        self._check_open()
        await type_codecs.set_builtin_type_codec(self, typename, schema, codec_name, format)

    async def reset_type_codec(self, typename: str, *, schema: str = "public") -> None:
        """Let a type be written and read as if no codec had been set."""
        self._check_open()
        await type_codecs.reset_type_codec(self, typename, schema)

    # The end

    async def close(self, *, timeout: float | None = None) -> None:
        """Close gracefully: a running query is cancelled, the server is told.

        Without `timeout` (seconds) and command_timeout it takes 5 s at most; a connection that cannot be closed in time
        is aborted, and TimeoutError is raised.
        """
        session = self._session
        if session.is_closed:
            return
        if session.loop.is_closed():
            # There is nobody left to wait for: asyncio.run() has ended, and this is another one.
            session.say_goodbye()
            return
        check_loop(session)
        seconds = timeout if timeout is not None else self._config.command_timeout or CLOSE_SECONDS
        try:
            await within(seconds, self._part())
        except BaseException:
            session.abort()
            raise

    async def _part(self) -> None:
        await drain(self._session)
        await part(self._session)

    def terminate(self) -> None:
        """Close at once; pending calls fail."""
        self._session.say_goodbye()


for _method in ("fetch", "fetchrow", "fetchval", "execute", "executemany", "fetchmany", "prepare"):
    coroutine_mark.mark(Connection, _method)
for _method in ("fetch", "fetchrow", "fetchval", "fetchmany", "executemany"):
    coroutine_mark.mark(PreparedStatement, _method)


# What a keyword can be is in the last one; the classes decide what comes back.
@overload
async def connect(dsn: str | None = None, *, connection_class: type[ConnectionT], **settings: Any) -> ConnectionT: ...
@overload
async def connect(
    dsn: str | None = None, *, record_class: type[OtherT], **settings: Any
) -> Connection[OtherT]: ...
@overload
async def connect(
    dsn: str | None = None, *, host: Any = None, port: Any = None, user: str | None = None, password: Any = None,
    passfile: Any = None, service: str | None = None, servicefile: Any = None, database: str | None = None,
    loop: asyncio.AbstractEventLoop | None = None, timeout: float | None = 60, statement_cache_size: int = 100,
    max_cached_statement_lifetime: float = 300, max_cacheable_statement_size: int = 1024 * 15,
    command_timeout: float | None = None, ssl: Any = None, direct_tls: bool | None = None,
    server_settings: dict[str, str] | None = None, target_session_attrs: str | None = None,
    krbsrvname: str | None = None, gsslib: str | None = None, prepare: str | None = None, prepare_threshold: int = 5,
    connect_timeout: float | None = None, security: str | None = None, allow_cleartext_password: bool = False,
    json: str | None = None, json_loads: Any = None, json_dumps: Any = None, types: Mapping[str, Any] | None = None,
    infinity: str | None = None, interval: str | None = None, array_bounds: str | None = None,
    **libpq: Any,
) -> Connection[Record]: ...
async def connect(
    dsn: str | None = None, *, host: Any = None, port: Any = None, user: str | None = None, password: Any = None,
    passfile: Any = None, service: str | None = None, servicefile: Any = None, database: str | None = None,
    loop: asyncio.AbstractEventLoop | None = None, timeout: float | None = 60, statement_cache_size: int = 100,
    max_cached_statement_lifetime: float = 300, max_cacheable_statement_size: int = 1024 * 15,
    command_timeout: float | None = None, ssl: Any = None, direct_tls: bool | None = None,
    connection_class: type[Connection[Any]] = Connection, record_class: Any = Record,
    server_settings: dict[str, str] | None = None, target_session_attrs: str | None = None,
    krbsrvname: str | None = None, gsslib: str | None = None, prepare: str | None = None, prepare_threshold: int = 5,
    connect_timeout: float | None = None, security: str | None = None, allow_cleartext_password: bool = False,
    json: str | None = None, json_loads: Any = None, json_dumps: Any = None, types: Mapping[str, Any] | None = None,
    infinity: str | None = None, interval: str | None = None, array_bounds: str | None = None,
    **libpq: Any,
) -> Any:
    """Return a new connection.

    `timeout` bounds all hosts and attempts together, `connect_timeout` each attempt, `command_timeout` is the default
    of every call; all in seconds. `prepare` is always, never or auto; by default it is always, or never where a pooler
    stands in between (`Connection.prepare_mode`). `json="auto"`, or `json_loads` (takes bytes) and
    `json_dumps` (returns str or bytes), read and write json and jsonb wherever they occur. `types` maps types of your
    own by name: an enum to an Enum class, a composite to a dataclass or what else takes its attributes by name.
    `infinity="exact"` reads infinite dates, times
    and intervals as `types.INFINITY` and its negative, `interval="exact"` intervals as `types.Interval`,
    `array_bounds="keep"` arrays that are not counted from 1 as `types.Array`. Any other keyword is libpq's and is
    honoured or refused by name. An argument that says where and how to connect, the DSN too, may be a callable, async
    or not, that is called for each connect. Raises OSError when no server can be reached, PostgresError when it refuses
    the session, ClientConfigurationError for settings that make no sense.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    given: dict[str, Any] = {}
    try:
        check_classes(connection_class, record_class)
        client = client_options(
            statement_cache_size=statement_cache_size, max_cached_statement_lifetime=max_cached_statement_lifetime,
            max_cacheable_statement_size=max_cacheable_statement_size, command_timeout=command_timeout, prepare=prepare,
            prepare_threshold=prepare_threshold, json=json, json_loads=json_loads, json_dumps=json_dumps, types=types,
            infinity=infinity, interval=interval, array_bounds=array_bounds)
        given = {
            "host": host, "port": port, "user": user, "password": password, "passfile": passfile, "service": service,
            "servicefile": servicefile, "database": database, "ssl": ssl, "direct_tls": direct_tls,
            "server_settings": server_settings, "target_session_attrs": target_session_attrs, "krbsrvname": krbsrvname,
            "gsslib": gsslib, "timeout": timeout, "connect_timeout": connect_timeout, "security": security,
            "allow_cleartext_password": allow_cleartext_password, **libpq}
        if not is_settled(dsn, given):
            dsn, given = await settle(dsn, given)
        params = resolved(dsn, given)
    finally:
        del dsn, password, libpq, given
    return await connect_with(params, with_dsn(client, params), connection_class, record_class)


def check_classes(connection_class: Any, record_class: Any) -> None:
    """Refuse classes that cannot be a connection or a row."""
    if not (isinstance(connection_class, type) and issubclass(connection_class, Connection)):
        raise InterfaceError(f"connection_class is expected to be a subclass of {naming.package}.Connection, "
                             f"got {connection_class!r}")
    refuse_unfit(record_class)


async def connect_with(
    params: ConnectOptions, client: ClientOptions, connection_class: type[Connection[Any]], record_class: Any,
    keys: Any = None, session_functions: tuple[str, ...] = (),
) -> Any:
    """Return a new connection from resolved settings."""
    loop = asyncio.get_running_loop()
    if params.timeout is not None and params.timeout <= 0:
        raise asyncio.TimeoutError("the time to connect was over before it began")
    session, route = await find_session(params, client, keys, session_functions)
    session.calls.default_timeout = client.command_timeout or 0
    session.calls.record_class = record_class
    protocol = Protocol(session, route.is_tls)
    return connection_class(protocol, session.transport, loop, route.address.dialled_address, client, params)
