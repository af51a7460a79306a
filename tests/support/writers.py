"""Tasks that write under a failover, and what they keep to say afterwards what was lost."""
import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg_core
from asyncpg_core import exceptions

N_WORKERS = 12
WAIT_SECONDS = 15.0
LOST = (OSError, asyncio.TimeoutError, exceptions.PostgresError, exceptions.InterfaceError,
        exceptions.TargetServerAttributeNotMatched)


class Writers:
    """Tasks that write a row each time; they keep what was acknowledged by whom, and what was said of the rest."""

    def __init__(self, pool: "asyncpg_core.Pool[asyncpg_core.Record]") -> None:
        self.pool = pool
        self.numbers = itertools.count()
        self.acknowledged: dict[int, int] = {}      # number -> port of the server
        self.denied: list[int] = []                 # numbers of which the error says that they were not written
        self.errors: Counter[str] = Counter()
        self.last_written: dict[int, tuple[float, int]] = {}   # worker -> (when, port)
        self.tasks: list[asyncio.Future[None]] = []

    async def one(self, worker: int) -> None:
        sql = "insert into written values ($1) returning current_setting('port')::int"
        while True:
            n = next(self.numbers)
            try:
                if n % 3 == 0:
                    async with self.pool.acquire(timeout=5) as connection, connection.transaction():
                        port = await connection.fetchval(sql, n)
                elif n % 3 == 1:
                    async with self.pool.acquire(timeout=5) as connection:
                        port = await connection.fetchval(sql, n)
                else:
                    port = await self.pool.fetchval(sql, n)
            except LOST as error:
                self.errors[getattr(error, "sqlstate_of_cause", None) or getattr(error, "sqlstate", None)
                            or type(error).__name__] += 1
                if getattr(error, "outcome", None) in ("not executed", "rolled back"):
                    self.denied.append(n)
                await asyncio.sleep(0.01)
            else:
                self.acknowledged[n] = port
                self.last_written[worker] = time.monotonic(), port

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        self.tasks = [asyncio.ensure_future(self.one(i)) for i in range(N_WORKERS)]
        try:
            yield
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def all_write_on(self, port: int, since: float) -> tuple[float, float]:
        """Return after how many seconds the last worker had written on this server again, and the first."""
        seen: dict[int, float] = {}
        while len(seen) < N_WORKERS:
            assert time.monotonic() < since + WAIT_SECONDS, self.errors
            assert not any(task.done() for task in self.tasks), self.tasks
            for worker, (when, where) in self.last_written.items():
                if where == port and when > since:      # the same server may have been away
                    seen.setdefault(worker, when)
            await asyncio.sleep(0.001)
        return max(seen.values()) - since, min(seen.values()) - since
