"""Reading from standbys: `acquire(read_only=True)` on a pool with `read_replicas`.

The standbys have a pool of their own behind the primary's. A read goes to the primary if no standby can be had in time,
or if none has replayed in time what the caller wants to see. What he wants to see is a place in the write-ahead log
(`Pool.lsn`), which the standby that he gets must have passed. Which standby he gets is left to chance.
"""
from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from asyncpg_core.conninfo import parse_conninfo
from pgproto.errors import (
    ConnectionDoesNotExistError,
    InsufficientResourcesError,
    OperatorInterventionError,
    PoolClosed,
    PostgresConnectionError,
    TargetServerAttributeNotMatched,
)

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool

# What may keep a standby from being there; a wrong password, say, is none of these.
ABSENT = (OSError, asyncio.TimeoutError, TargetServerAttributeNotMatched, PostgresConnectionError,
          OperatorInterventionError, InsufficientResourcesError, PoolClosed)
# A standby that was missing is not looked for again so long.
ABSENT_SECONDS = 1.0
POLL_SECONDS_MAX = 0.05
LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
# The end of what is durable covers every COMMIT that was acknowledged, except one that did not wait for that.
LSN_QUERY = ("SELECT (CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' "
             "THEN pg_catalog.pg_current_wal_insert_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END)"
             "::pg_catalog.text")
REPLAYED_QUERY = ("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_last_wal_replay_lsn() "
                  "OPERATOR(pg_catalog.>=) $1::pg_catalog.text::pg_catalog.pg_lsn")
# Arguments that say where a server is: those of the primary do not go for standbys that have a DSN of their own.
PLACES = ("host", "hostaddr", "port", "service", "servicefile")


def check_lsn(lsn: object) -> str | None:
    """Return a place in the log as it was given; ValueError if it is none."""
    if lsn is None:
        return None
    if not isinstance(lsn, str) or not LSN.fullmatch(lsn):
        raise ValueError(f"wait_for_lsn is expected to be what Pool.lsn() returns, such as '0/16B3748', got {lsn!r}")
    return str(lsn)


def replicas_of(pool: Pool[Any], read_replicas: Any, seconds: float, settings: dict[str, Any]) -> Replicas | None:
    """Return the standbys behind a pool whose settings are given: those of its own DSN (True), or of another one."""
    if read_replicas is None or read_replicas is False:
        return None
    if seconds <= 0:
        raise ValueError("replica_timeout is expected to be greater than zero")
    if read_replicas is not True and not callable(read_replicas):
        parse_conninfo(read_replicas)       # what cannot be one is told now
    inner = type(pool)(pool._arguments.dsn, **{**settings, "min_size": 0, "init_size": 0})
    arguments = pool._arguments.changed(None, {})
    pool._arguments.role = "primary"
    replicas = Replicas(inner, read_replicas, seconds)
    replicas.use(arguments)
    return replicas


class Replicas:
    """The pool of the standbys, and what is known of their absence. `seconds` is how long a read waits for one."""

    __slots__ = ("absent_until", "dsn", "pool", "seconds")

    def __init__(self, pool: Pool[Any], dsn: Any, seconds: float) -> None:
        self.pool = pool
        self.dsn = dsn
        self.seconds = seconds
        self.absent_until = 0.0

    def use(self, arguments: Any) -> None:
        """Connect as the primary's arguments say from now on, to a standby."""
        if self.dsn is True:
            changed = arguments.changed(None, {})
        else:
            changed = arguments.changed(self.dsn, {})
            changed.keywords = {k: v for k, v in changed.keywords.items() if k not in PLACES}
        changed.role, changed.is_role_forced = "standby", self.dsn is True
        self.pool._use(changed)

    async def lend(self, lsn: str | None, seconds: float) -> Any:
        """Return a connection to a standby that has replayed `lsn`, None if there is none within `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        if loop.time() < self.absent_until or seconds <= 0:
            return None
        connection = None
        try:
            connection = await self.pool._acquire(seconds)
            if lsn is None or await has_replayed(connection, lsn, deadline):
                return connection
        except ABSENT:
            if connection is None:
                self.absent_until = loop.time() + ABSENT_SECONDS
        except BaseException:
            if connection is not None:
                await self.pool.release(connection)
            raise
        if connection is not None:
            await self.pool.release(connection)
        return None


async def has_replayed(connection: Any, lsn: str, deadline: float) -> bool:
    """Whether a standby has replayed its log up to `lsn`, before the loop's clock shows `deadline`."""
    loop = asyncio.get_running_loop()
    pause = 0.001
    while (left := deadline - loop.time()) > 0:
        is_standby, is_there = await connection.fetchrow(REPLAYED_QUERY, lsn, timeout=left)
        if is_there:
            return True
        if not is_standby:
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, POLL_SECONDS_MAX)
    return False


class Reading:
    """One wish for a connection to read from, whose server has replayed `lsn` if that is given."""

    __slots__ = ("lsn", "pool")

    def __init__(self, pool: Pool[Any], lsn: object) -> None:
        self.pool = pool
        self.lsn = check_lsn(lsn)

    async def acquire(self, timeout: float | None) -> Any:
        """Return a connection to a standby, or to the primary when that one is had sooner."""
        pool = self.pool
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pool._check_open()
        if pool._replicas is not None:
            seconds = pool._replicas.seconds if timeout is None else min(pool._replicas.seconds, timeout)
            connection = await pool._replicas.lend(self.lsn, seconds)
            if connection is not None:
                return connection
        return await pool._acquire(None if timeout is None else timeout - (loop.time() - begun))

    async def call(self, method: str, *args: Any, timeout: float | None = None, **keywords: Any) -> Any:
        """Return what a connection's method returns; `timeout` is for the connection and the call together.

        What a standby that goes away has not executed is the primary's.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if keywords.get("prepare") is None:
            keywords.pop("prepare", None)       # a method of the user's need not know it unless it is used

        def left() -> float | None:
            return None if timeout is None else timeout - (loop.time() - begun)

        connection = await self.acquire(timeout)
        try:
            return await getattr(connection, method)(*args, timeout=left(), **keywords)
        except ConnectionDoesNotExistError as error:
            if not error.safe_to_retry or connection._pool is self.pool:
                raise
        finally:
            await self.pool.release(connection)
        connection = await self.pool._acquire(left())
        try:
            return await getattr(connection, method)(*args, timeout=left(), **keywords)
        finally:
            await self.pool.release(connection)
