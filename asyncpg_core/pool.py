"""A pool of connections: what `PoolState` decides, carried out where it takes time; the quick part is `lending`'s.

A connection that is lent is a face of its own on the member's session: it is refused after its release, whoever has the
session then. Release does not wait: the reset goes into the send buffer and leaves with that tick's write, in front of
what the next borrower writes. `fetch` and its like on the pool need no face at all: their calls are the lender's.
"""
from __future__ import annotations

import asyncio
import random
import time
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, Literal, overload

from asyncpg_core import forks
from asyncpg_core.call import Call
from asyncpg_core.call_maker import CallMaker
from asyncpg_core.connect_arguments import ConnectArguments
from asyncpg_core.connection import Connection, OtherT, connect_with
from asyncpg_core.cursor import RecordT
from asyncpg_core.exceptions import PoolTimeout
from asyncpg_core.leases import drop_unsent
from asyncpg_core.lending import Lender
from asyncpg_core.lending import PoolAcquireContext as PoolAcquireContext
from asyncpg_core.options import with_dsn
from asyncpg_core.pool_arguments import (
    DEFAULT_MIN_SIZE,
    DefaultSize,
    check_limits,
    check_made,
    check_pool_classes,
    check_reset,
    check_sizes,
    lanes_of,
)
from asyncpg_core.pool_calls import MethodCalls, choose_calls
from asyncpg_core.pool_check import Check, Checks
from asyncpg_core.pool_columns import PoolColumns
from asyncpg_core.pool_copy import PoolCopying
from asyncpg_core.pool_end import PoolEnd, end_unclosed, weakly
from asyncpg_core.pool_member import PoolMember, release_face, share_types
from asyncpg_core.pool_queries import PoolQueries
from asyncpg_core.pool_reading import LSN_QUERY, Reading, replicas_of
from asyncpg_core.pool_reset import Resets
from asyncpg_core.pool_role import watch_of
from asyncpg_core.pool_state import PoolState
from asyncpg_core.pool_stats import PoolStats as PoolStats
from asyncpg_core.pool_stats import stats_of
from asyncpg_core.pool_turnover import Departures, drain, resize, rotate
from asyncpg_core.pool_upkeep import Upkeep
from pgproto.errors import ConnectionDoesNotExistError, InterfaceError, PoolClosed
from pgproto.record import Record
from pgproto.secret import without_frames

# How long a user's setup that has run out of time may take to end.
SETUP_END_SECONDS = 5.0
# Of what a pool is made with, all else is its standbys' too.
NOT_OF_REPLICAS = frozenset(("self", "connect_args", "connect_kwargs", "read_replicas", "replica_timeout", "__class__"))
Reset = Callable[[Any], Awaitable[None]] | Literal["always"] | None


class Pool(PoolQueries[RecordT], PoolCopying, PoolColumns, Generic[RecordT]):
    """Connections to one database; made by `create_pool`, opened by `await` or `async with`."""

    def __init__(
        self, *connect_args: Any, init_size: int | None = None, min_size: int, max_size: int, max_queries: int,
        max_inactive_connection_lifetime: float, connect: Callable[..., Awaitable[Any]] | None = None,
        setup: Callable[[Any], Awaitable[None]] | None = None, init: Callable[[Any], Awaitable[None]] | None = None,
        reset: Reset = None, loop: asyncio.AbstractEventLoop | None = None,
        connection_class: type[Connection[Any]] = Connection, record_class: Any = Record,
        session_functions: Iterable[str] = (), share: bool | int = True, max_lifetime: float | None = None,
        max_waiting: int | None = None, check: Check = None, check_after: float = 1.0, check_timeout: float = 5.0,
        read_replicas: Any = None, replica_timeout: float = 1.0, **connect_kwargs: Any,
    ) -> None:
        settings = {name: value for name, value in locals().items() if name not in NOT_OF_REPLICAS} | connect_kwargs
        check_sizes(min_size, max_size, init_size, max_queries, max_inactive_connection_lifetime)
        check_limits(max_lifetime, max_waiting, check, check_after, check_timeout)
        check_pool_classes(connection_class, record_class)
        if len(connect_args) > 1:
            warnings.warn("passing several positional arguments to Pool is deprecated: only the DSN is one",
                          DeprecationWarning, stacklevel=2)
        n_lanes = lanes_of(share) if check_reset(reset) is None else 0
        self._state = PoolState(min_size, max_size, max_inactive_connection_lifetime, n_lanes=n_lanes,
                                max_lifetime=max_lifetime or 0.0, max_waiting=max_waiting or 0)
        self._init_size = min_size if init_size is None else init_size
        self._connect_hook, self._setup, self._init = connect, setup, init
        self._reset = None if reset == "always" else reset
        self._connection_class = connection_class
        self._record_class = record_class
        self._session_functions = tuple(session_functions)
        self._keys: dict[Any, Any] = {}
        self._types: dict[Any, Any] = {}
        self._lender = Lender(self, self._state, own_release=Pool.release, max_queries=max_queries,
                              session_functions=self._session_functions)
        self._own_calls = CallMaker(self._lender)
        self._own_calls.record_class = record_class
        self._calls: CallMaker | MethodCalls = choose_calls(self)
        self._loop: Any = loop
        self._tasks: set[asyncio.Task[Any]] = set()
        self._opening = self._is_closed = False
        self._closed_text = "pool is closed"
        self._upkeep = self._lender.upkeep = Upkeep(self)
        self._resets = Resets(self)
        self._end = PoolEnd(self)
        self._departures = Departures()
        self._lender.checks = None if check is None else Checks(self, check, check_after, check_timeout)
        # A hook or an overridden reset is the user's code: release awaits it, as in asyncpg.
        self._lender.resets_awaited = self._reset is not None or connection_class.reset is not Connection.reset or (
            connection_class.get_reset_query is not Connection.get_reset_query)
        self._lender.always_resets = reset == "always"
        self._lender.is_set_up = setup is not None
        self._replicas: Any = None
        self.set_connect_args(*connect_args, **connect_kwargs)
        self._replicas = replicas_of(self, read_replicas, replica_timeout, settings)
        forks.owners.add(self)

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._lender.is_open else "not initialized"
        return f"<{type(self).__name__} {state} {self._state.size}/{self._state.max_size}>"

    def __del__(self) -> None:
        lender = getattr(self, "_lender", None)
        if lender is not None and lender.is_open and not self._is_closed:
            end_unclosed(self)

    def _on_fork(self, text: str) -> None:
        """This process is a forked child: what was opened is the parent's. A pool that was not opened can be."""
        if self._lender.is_open or self._opening:
            self._lender.is_open = False
            self._is_closed, self._closed_text = True, text
            self._upkeep.stop()

    # Opening

    def set_connect_args(self, dsn: str | None = None, **connect_kwargs: Any) -> None:
        """Set what the connections that are made from now on are made with; replaces all earlier ones."""
        self._use(ConnectArguments(dsn, connect_kwargs, None if self._replicas is None else "primary"))

    def _use(self, arguments: ConnectArguments) -> None:
        """Connect with these arguments from now on."""
        if self._connect_hook is None:
            self._own_calls.default_timeout = arguments.client_options().command_timeout or 0
        self._arguments = arguments
        self._upkeep.end_pause()
        if self._replicas is not None:
            self._replicas.use(arguments)

    def __await__(self) -> Generator[Any, None, Pool[RecordT]]:
        return self._open().__await__()

    async def __aenter__(self) -> Pool[RecordT]:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        else:
            self.terminate()
            replicas = () if self._replicas is None else self._replicas.pool._tasks
            await asyncio.gather(*self._tasks, *replicas, return_exceptions=True)

    async def _open(self) -> Pool[RecordT]:
        """Open `init_size` connections: one alone, so that a wrong setting is told once, then the rest together."""
        if self._lender.is_open:
            return self
        if self._opening:
            raise InterfaceError("pool is being initialized in another task")
        if self._is_closed:
            raise PoolClosed(self._closed_text)
        self._opening = True
        self._loop = asyncio.get_running_loop()
        self._lender.bind(self._loop)
        try:
            if self._init_size:
                await self._open_members(1)
                await self._open_members(self._init_size - 1)
        except BaseException:
            self._end.terminate_members()
            self._state.n_connecting = 0
            raise
        finally:
            self._opening = False
        self._lender.is_open = True
        self._upkeep.schedule_expiry()
        if self._replicas is not None:
            await self._replicas.pool
        return self

    async def _open_members(self, n: int) -> None:
        self._state.n_connecting += n
        tasks = [self._start(self._open_member()) for _ in range(n)]
        failures = [error for error in await asyncio.gather(*tasks, return_exceptions=True) if error is not None]
        if failures:
            raise failures[0]

    async def _open_member(self) -> None:
        try:
            member = await self._connect_member()
        except Exception:
            self._state.connect_failed()    # a cancelled opening, whose tasks may not have begun, starts from nothing
            self._upkeep.n_failed += 1
            raise
        self._state.connected(member, time.monotonic())

    def _check_open(self) -> None:
        if self._lender.is_open and not self._state.is_closing:
            return
        if self._is_closed:
            raise PoolClosed(self._closed_text)
        if self._state.is_closing:
            raise PoolClosed("pool is closing")
        if self._opening:
            raise InterfaceError("pool is being initialized, but not yet ready: likely there is a race between "
                                 "creating a pool and using it")
        raise InterfaceError("pool is not initialized")

    async def _connect_member(self, arguments: ConnectArguments | None = None) -> PoolMember:
        """Make one connection, with the pool's arguments or others, and initialise it."""
        generation = self._state.generation     # what is replaced meanwhile is outdated when it comes
        connection = await self._connect(arguments or self._arguments)
        member = PoolMember(connection, connection._session, time.monotonic(), generation)
        self._state.start_life(member, time.monotonic(), random.random())
        connection._session.member = member
        if self._lender.watch is None:
            self._lender.watch = watch_of(self, connection)
        share_types(self._types, connection)
        try:
            if self._init is not None:
                await self._init(connection)
            if connection.is_closed():
                raise ConnectionDoesNotExistError("a connection of the pool was closed while it was being initialised")
        except BaseException:
            connection.terminate()
            raise
        connection._belong_to_pool()
        # The loop keeps the session; a pool that everybody has forgotten goes.
        connection._session.on_end = weakly(self._on_session_end)
        connection._session.on_reset_failed = weakly(self._resets.on_failed)
        return member

    async def _connect(self, arguments: ConnectArguments) -> Any:
        if self._connect_hook is not None:
            connection = await self._connect_hook(
                arguments.dsn, loop=self._loop, connection_class=self._connection_class,
                record_class=self._record_class, **arguments.for_hook())
            check_made(connection, self._connection_class)
            return connection
        params = await arguments.options()
        return await connect_with(
            params, with_dsn(arguments.client_options(), params), self._connection_class, self._record_class,
            self._keys, self._session_functions)

    # Lending

    def acquire(self, *, timeout: float | None = None, read_only: bool = False, wait_for_lsn: str | None = None
                ) -> PoolAcquireContext[RecordT]:
        """Return a connection when awaited or entered; PoolTimeout if none is free within `timeout` seconds.

        With `read_only` it is one to a standby, if the pool has `read_replicas` and one of them is there in time; with
        `wait_for_lsn`, what `lsn()` has returned, only to one that has replayed so much.
        """
        return PoolAcquireContext(self, timeout, Reading(self, wait_for_lsn) if read_only else None)

    async def _acquire(self, timeout: float | None) -> Any:
        deadline = None if timeout is None else self._loop.time() + timeout
        connection = self._lender.face_of(await self._member(timeout))
        if self._setup is not None:
            await self._set_up(connection, timeout, deadline)
        return connection

    async def _member(self, timeout: float | None) -> PoolMember:
        """Take an idle member that passes the check, or wait for one."""
        self._lender.check_loop()
        deadline = None if timeout is None else self._loop.time() + timeout
        left, checks = timeout, self._lender.checks
        while True:
            member = self._lender.take_member()
            if member is None:
                member = await self._wait(left, timeout)
            elif checks is not None and not await checks.passes(member, left):
                pass
            # It may be lost between the moment it was handed over and this one.
            if not member.session.is_closed:
                return member
            left = None if deadline is None else deadline - self._loop.time()

    async def _set_up(self, connection: Any, timeout: float | None, deadline: float | None) -> None:
        """Run the user's setup in what is left of the time; if it fails the connection is closed."""
        assert self._setup is not None
        seconds = None if deadline is None else deadline - self._loop.time()
        setup = self._loop.create_task(self._setup(connection)) if seconds is not None else None
        try:
            if setup is None:
                await self._setup(connection)
                return
            done, _ = await asyncio.wait([setup], timeout=max(seconds or 0.0, 0.0))
            if not done:
                raise PoolTimeout(f"the setup of a connection has not finished within {timeout:g} s")
            setup.result()
        except BaseException:
            connection.terminate()
            if setup is not None:
                setup.cancel()
                await asyncio.wait([setup], timeout=SETUP_END_SECONDS)
            raise

    async def _wait(self, seconds: float | None, timeout: float | None = None) -> PoolMember:
        """Wait for a member, first come first served; `seconds` are left of the `timeout` that the caller gave."""
        if seconds is not None and seconds <= 0:
            raise PoolTimeout(f"no connection was free within {timeout:g} s" if timeout is not None and timeout > 0
                              else "the time to acquire a connection was over before it began")
        self._lender.check_queue()
        waiter: asyncio.Future[PoolMember] = self._loop.create_future()
        begun = time.monotonic()
        self._state.waiters.append(waiter)
        self._upkeep.fill()
        timer = None
        if seconds is not None:
            timer = self._loop.call_later(seconds, self._expire_waiter, waiter, seconds if timeout is None else timeout)
        try:
            member = await waiter
            self._state.note_waiting(time.monotonic() - begun)
            return member
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.done() and waiter.exception() is None:
                self._lender.give_back_clean(waiter.result())
            self._state.drop_waiter(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _expire_waiter(self, waiter: asyncio.Future[PoolMember], timeout: float) -> None:
        if self._state.drop_waiter(waiter) and not waiter.done():
            self._lender.n_timeouts += 1
            waiter.set_exception(PoolTimeout(f"no connection was free within {timeout:g} s"))

    def _retire(self, member: PoolMember) -> None:
        """Close a member's connection in the background."""
        self._state.retire(member)
        self._start(member.close())

    # One-shot methods

    async def _set_up_for(self, call: Call[Any]) -> None:
        """Lend a connection to a call after the user's setup."""
        try:
            connection = await self._acquire(None)
        except BaseException as error:
            self._lender.refuse(call, error)
            if not isinstance(error, Exception):
                raise
            return
        member = connection._lease
        release_face(connection)
        if not self._lender.lend_to_call(call, member):
            self._lender.give_back_after_use(member)

    # Taking back

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        """Give a connection back. A second time does nothing; a connection of another pool is an InterfaceError."""
        if not isinstance(connection, Connection) or connection._pool is not self:
            if isinstance(connection, Connection) and self._replicas is not None and (
                    connection._pool is self._replicas.pool):
                await self._replicas.pool.release(connection, timeout=timeout)
                return
            raise InterfaceError(
                f"Pool.release() received invalid connection: {connection!r} is not a member of this pool")
        if connection._lease is None:
            return
        if not self._lender.resets_awaited:
            self._lender.take_connection_back(connection)
            return
        # Before anything else runs: what the borrower had not written must not be written after his release, and what
        # his transaction still owes is dropped by the reset of the member's own connection.
        member = connection._lease
        drop_unsent(member.session)
        member.connection._top_transaction = connection._top_transaction
        release_face(connection)
        await asyncio.shield(self._start(self._resets.run(member, timeout)))

    def _complain(self, connection: Any) -> None:
        self._loop.call_exception_handler({
            "message": "Resetting connection with an active transaction", "connection": repr(connection)})

    def _on_session_end(self, session: Any) -> None:
        """A member's connection is gone, for whatever reason."""
        self._state.forget(session.member)
        if self._departures.waits:
            self._departures.on_gone(session.member)
        if not self._state.idle and not self._state.lent:
            self._types.clear()     # The server behind the address may be another one when we come back.
        if self._end.all_back is not None:
            self._end.on_member_gone()
        elif self._lender.is_open and not self._state.is_closing:
            self._upkeep.fill()

    def _start(self, coroutine: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()        # whoever waits for it gets it; a releaser who was cancelled does not want it

    # Facts

    def get_size(self) -> int:
        """Return the number of connections, without those that are being closed."""
        return self._state.n_staying - self._state.n_connecting

    def get_idle_size(self) -> int:
        """Return the number of connections that nobody uses."""
        return len(self._state.idle)

    def get_min_size(self) -> int:
        return self._state.min_size

    def get_max_size(self) -> int:
        return self._state.max_size

    def get_init_size(self) -> int:
        return self._init_size

    def is_closing(self) -> bool:
        """Whether the pool is closed or being closed."""
        return self._is_closed or self._state.is_closing

    def stats(self) -> PoolStats:
        """Return what the pool is doing and has done: see PoolStats. It asks nobody and costs next to nothing."""
        return stats_of(self)

    async def lsn(self) -> str:
        """Return a place in the primary's log behind everything that was committed until now, for `wait_for_lsn`."""
        return str(await self.fetchval(LSN_QUERY))

    # Turnover

    async def resize(self, *, min_size: int | None = None, max_size: int | None = None) -> None:
        """Set other sizes; connections that are too many are closed when nobody uses them. Does not wait for that."""
        resize(self, min_size, max_size)
        if self._replicas is not None:
            resize(self._replicas.pool, 0, max_size)

    async def expire_connections(self) -> None:
        """Replace every connection: the idle ones now, the others when they are released."""
        self._outdate()
        self._upkeep.end_pause()
        self._upkeep.fill()
        if self._replicas is not None:
            await self._replicas.pool.expire_connections()

    async def drain(self, *, timeout: float | None = None) -> None:
        """As `expire_connections`, and return when all that there were are closed.

        PoolTimeout if borrowers still have some after `timeout` seconds; these are replaced when they come back.
        """
        self._check_open()
        replicas = [] if self._replicas is None else [drain(self._replicas.pool, timeout)]
        await asyncio.gather(drain(self, timeout), *replicas)

    async def rotate(self, dsn: str | None = None, **changes: Any) -> None:
        """Connect with other arguments from now on: those in `changes`, the DSN if it is given, all others as before.

        A first connection is made with them; if that fails its error is raised and nothing has changed. Then the old
        connections go, when nobody uses them: none is cut. Without arguments files and callables are read anew.
        """
        self._check_open()
        await rotate(self, dsn, changes)
        if self._replicas is not None:
            await self._replicas.pool.expire_connections()

    def _outdate(self) -> None:
        for member in self._state.outdate():
            self._start(member.close())

    # The end

    async def close(self, *, timeout: float | None = None) -> None:
        """Wait until every connection is released and close them; new borrowers and those who wait are refused.

        After `timeout` seconds those that are still lent are closed at once, and PoolTimeout is raised.
        """
        if self._is_closed:
            return
        if self._end.over is not None:
            await asyncio.shield(self._end.over)
            return
        self._check_open()
        if self._loop.is_closed():
            self.terminate()    # there is nobody left to wait for
            return
        self._lender.check_loop()
        await self._end.close(timeout)

    def terminate(self) -> None:
        """Close every connection at once."""
        if self._is_closed and not self._state.size:
            return
        self._end.terminate()


# What a keyword can be is in the second one; the class of the records decides what comes back.
@overload
def create_pool(dsn: str | None = None, *, record_class: type[OtherT], **settings: Any) -> Pool[OtherT]: ...
@overload
def create_pool(
    dsn: str | None = None, *, init_size: int | None = None, min_size: int = DEFAULT_MIN_SIZE, max_size: int = 10,
    max_queries: int = 50000, max_inactive_connection_lifetime: float = 300.0, max_lifetime: float | None = None,
    max_waiting: int | None = None, check: Check = None, check_after: float = 1.0, check_timeout: float = 5.0,
    read_replicas: Any = None, replica_timeout: float = 1.0,
    connect: Callable[..., Awaitable[Any]] | None = None, setup: Callable[[Any], Awaitable[None]] | None = None,
    init: Callable[[Any], Awaitable[None]] | None = None, reset: Reset = None,
    loop: asyncio.AbstractEventLoop | None = None, connection_class: type[Connection[Any]] = Connection,
    **connect_kwargs: Any,
) -> Pool[Record]: ...
def create_pool(
    dsn: str | None = None, *, init_size: int | None = None, min_size: int = DEFAULT_MIN_SIZE, max_size: int = 10,
    max_queries: int = 50000, max_inactive_connection_lifetime: float = 300.0, max_lifetime: float | None = None,
    max_waiting: int | None = None, check: Check = None, check_after: float = 1.0, check_timeout: float = 5.0,
    read_replicas: Any = None, replica_timeout: float = 1.0,
    connect: Callable[..., Awaitable[Any]] | None = None, setup: Callable[[Any], Awaitable[None]] | None = None,
    init: Callable[[Any], Awaitable[None]] | None = None, reset: Reset = None,
    loop: asyncio.AbstractEventLoop | None = None, connection_class: type[Connection[Any]] = Connection,
    record_class: Any = Record, **connect_kwargs: Any,
) -> Pool[Any]:
    """Return a pool that is opened by `await` or `async with`.

    `max_size` alone lowers `min_size`. Every other keyword is `connect`'s. `session_functions` names functions of the
    user that change the session, so that statements which call them are followed by a reset. With `share` plain
    one-shot calls go together on up to so many busy connections when they are many (True: 4); `share=False` keeps them
    apart, `reset="always"` does so too and resets the session after each.

    `max_lifetime` (seconds, up to a tenth less) is how long a connection is used. `check`, True for an empty query or
    an async function of a connection, looks at one that was idle for `check_after` seconds before it is lent; one that
    does not pass within `check_timeout` is replaced unseen. When `max_waiting` callers wait the next one gets
    TooManyRequests. `read_replicas` (True for the standbys among the DSN's hosts, or a DSN of theirs) is where
    `read_only=True` reads, unless there is none within `replica_timeout`. See docs/pool.md.
    """
    if isinstance(min_size, DefaultSize) and 0 < max_size < min_size:
        min_size = max_size if init_size is None else min(max_size, init_size)
    try:
        return Pool(
            dsn, init_size=init_size, min_size=min_size, max_size=max_size, max_queries=max_queries,
            max_inactive_connection_lifetime=max_inactive_connection_lifetime, connect=connect, setup=setup, init=init,
            reset=reset, loop=loop, connection_class=connection_class, record_class=record_class,
            max_lifetime=max_lifetime, max_waiting=max_waiting, check=check, check_after=check_after,
            check_timeout=check_timeout, read_replicas=read_replicas, replica_timeout=replica_timeout, **connect_kwargs)
    except Exception as error:
        raise without_frames(error)
    finally:
        del dsn, connect_kwargs
