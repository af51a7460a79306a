"""Minutes of ordinary and extraordinary life over one pool; what grows without end is seen.

    python -m tests.soak [--minutes N] [--loop asyncio|uvloop]

Workers query, cancel, copy, listen, connect and close; tables and enums change under cached statements; the server is
restarted and its backends are ended, all the while. Every few seconds everything is brought to rest and measured:
resident memory, descriptors, Python objects, backends. Prints a table, and exits with 1 if a figure of the second half
is above what the first half has settled to.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg_core
from asyncpg_core import exceptions

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

SIZE = 8
WORKERS = 16
N_MEASURES = 20
# Beyond what the first half has settled to. Memory: what fragments, and a slope that ten hours would show as 100 MB.
RSS_GROWTH_KIB = 4096
OBJECTS_GROWTH = 1500
# What a restart, an ended backend or a changed schema may bring to who is at work.
EXPECTED = (OSError, asyncio.TimeoutError, exceptions.PostgresConnectionError, exceptions.OperatorInterventionError,
            exceptions.InterfaceError, exceptions.InvalidCachedStatementError, exceptions.OutdatedSchemaCacheError,
            exceptions.UndefinedTableError, exceptions.UndefinedObjectError, exceptions.UndefinedColumnError,
            exceptions.InternalServerError)


@dataclass
class Measure:
    """What the process and the server have at one moment of rest."""

    seconds: float
    n_done: int
    rss_kib: int
    n_descriptors: int
    n_objects: int
    n_backends: int

    def line(self) -> str:
        return (f"{self.seconds:8.0f} {self.n_done:10d} {self.rss_kib:10d} {self.n_descriptors:12d} "
                f"{self.n_objects:10d} {self.n_backends:9d}")


HEAD = " seconds      tasks    RSS KiB  descriptors    objects  backends"


def rss_kib() -> int:
    """Resident memory now; where the system does not tell, its peak."""
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def n_descriptors() -> int:
    for directory in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(directory))
    return 0


# What the workers do

async def query(pool: Any, number: int) -> None:
    assert await pool.fetchval("SELECT $1::int4", number) == number


async def new_text(pool: Any, number: int) -> None:
    assert await pool.fetchval(f"SELECT {number} /* a text of its own */") == number


async def rows(pool: Any, number: int) -> None:
    async with pool.acquire() as connection:
        found = await connection.fetch("SELECT i, repeat('x', 50) FROM generate_series(1, 500) i")
        assert len(found) == 500


async def change(pool: Any, number: int) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("INSERT INTO soak VALUES ($1, 'glad')", number)
        await connection.execute("DELETE FROM soak WHERE n = $1", number)


async def read_changing(pool: Any, number: int) -> None:
    await pool.fetch("SELECT * FROM soak_changing WHERE a = $1", number)


async def cursor(pool: Any, number: int) -> None:
    async with pool.acquire() as connection, connection.transaction():
        assert len([row async for row in connection.cursor("SELECT generate_series(1, 200)")]) == 200


async def copies(pool: Any, number: int) -> None:
    async def sink(piece: bytes) -> None:
        await asyncio.sleep(0)

    await pool.copy_from_query("SELECT i, repeat('x', 100) FROM generate_series(1, 500) i", output=sink)
    await pool.copy_records_to_table("soak_copied", records=[(i, "x" * 50) for i in range(200)])
    await pool.execute("TRUNCATE soak_copied")


async def notify(pool: Any, number: int) -> None:
    heard = asyncio.Event()
    async with pool.acquire() as connection:
        listener: Callable[..., None] = lambda *_: heard.set()  # noqa: E731
        await connection.add_listener("soak", listener)
        try:
            await connection.execute("SELECT pg_notify('soak', $1)", str(number))
            await asyncio.wait_for(heard.wait(), 10)
        finally:
            await connection.remove_listener("soak", listener)


async def fail(pool: Any, number: int) -> None:
    with contextlib.suppress(exceptions.DivisionByZeroError):
        await pool.fetchval("SELECT 1 / $1::int4", 0)


async def time_out(pool: Any, number: int) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await pool.execute("SELECT pg_sleep(1)", timeout=0.01)


KINDS: tuple[Callable[[Any, int], Awaitable[None]], ...] = (
    query, query, query, new_text, rows, change, read_changing, cursor, copies, notify, fail, time_out)


class Soak:
    """The pool, who works with it, and what was counted."""

    def __init__(self, cluster: Cluster, seconds: float, n_measures: int = N_MEASURES) -> None:
        self.cluster = cluster
        self.seconds = seconds
        self.n_measures = n_measures
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.n_done = 0
        self.calm = asyncio.Event()
        self.at_server = asyncio.Lock()
        self.n_working = 0
        self.is_over = False
        self.pool: Any = None
        self.began = time.monotonic()

    async def work(self, n: int) -> None:
        chance = random.Random(n)
        number = n
        while not self.is_over:
            await self.calm.wait()
            self.n_working += 1
            try:
                await self.one(KINDS[chance.randrange(len(KINDS))], number, chance)
            finally:
                self.n_working -= 1
            number += WORKERS
            self.n_done += 1

    async def one(self, kind: Callable[[Any, int], Awaitable[None]], number: int, chance: random.Random) -> None:
        task = asyncio.ensure_future(kind(self.pool, number))
        if chance.random() < 0.2:
            await asyncio.sleep(chance.random() * 0.005)
            task.cancel()
        done, _ = await asyncio.wait([task], timeout=60)
        if not done:
            self.wrong.append(f"{kind.__name__} is stuck")
            task.cancel()
        elif task.cancelled():
            self.outcomes["cancelled"] += 1
        elif (error := task.exception()) is None:
            self.outcomes["done"] += 1
        elif isinstance(error, EXPECTED):
            self.outcomes[type(error).__name__] += 1
            await asyncio.sleep(0.05)
        elif len(self.wrong) < 20:
            self.wrong.append(f"{kind.__name__}: {error!r}")

    async def trouble(self) -> None:
        """Change the schema, end backends, and restart the server, one after the other."""
        chance = random.Random(1)
        for n in itertools.count(6):     # the fourth of them is a restart
            await asyncio.sleep(0.7)
            async with self.at_server:
                await self.one_trouble(n, chance)

    async def one_trouble(self, n: int, chance: random.Random) -> None:
        try:
            if n % 10 == 9:
                await asyncio.to_thread(self.cluster.restart, immediate=chance.random() < 0.5)
                self.outcomes["restarts"] += 1
            elif n % 3 == 0:
                await self.change_schema(n)
            elif n % 3 == 1:
                await asyncio.to_thread(
                    self.cluster.sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                    "application_name = 'soak' ORDER BY random() LIMIT 3")
            else:
                connection = await asyncpg_core.connect(self.cluster.dsn())
                await connection.fetchval("SELECT 1")
                await connection.close()
        except EXPECTED as error:
            self.outcomes[f"trouble: {type(error).__name__}"] += 1

    async def change_schema(self, n: int) -> None:
        kind = "text" if n % 2 else "varchar(100)"
        await asyncio.to_thread(
            self.cluster.sql, f"DROP TABLE IF EXISTS soak_changing; CREATE TABLE soak_changing (a int, b {kind}, "
            f"c{n % 4} int); INSERT INTO soak_changing VALUES (1, 'x', 2)")

    async def measure(self) -> Measure:
        """Let everybody come to rest and look."""
        self.calm.clear()
        while self.n_working:
            await asyncio.sleep(0.01)
        # Every place is used once, so that none is dead or has a reset to hear of.
        held = [await self.pool.acquire(timeout=20) for _ in range(SIZE)]
        for connection in held:
            with contextlib.suppress(*EXPECTED):
                await connection.fetchval("SELECT 1")
        for connection in held:
            await self.pool.release(connection)
        del held, connection
        await asyncio.sleep(0.3)
        gc.collect()
        n_backends = int((await asyncio.to_thread(
            self.cluster.sql, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'soak'"))[0][0] or 0)
        measure = Measure(time.monotonic() - self.began, self.n_done, rss_kib(), n_descriptors(),
                          len(gc.get_objects()), n_backends)
        self.calm.set()
        return measure

    async def run(self) -> list[Measure]:
        await asyncio.to_thread(self.cluster.sql, (
            "CREATE TYPE soak_mood AS ENUM ('sad', 'glad'); CREATE TABLE soak (n int4, mood soak_mood); "
            "CREATE TABLE soak_copied (a int, b text); CREATE TABLE soak_changing (a int, b text)"))
        self.pool = await asyncpg_core.create_pool(
            self.cluster.dsn(), min_size=SIZE, max_size=SIZE, server_settings={"application_name": "soak"})
        tasks = [asyncio.ensure_future(self.work(n)) for n in range(WORKERS)]
        trouble = asyncio.ensure_future(self.trouble())
        measures = []
        self.calm.set()
        print(HEAD)
        for _ in range(self.n_measures):
            await asyncio.sleep(self.seconds / self.n_measures)
            async with self.at_server:
                measures.append(await self.measure())
            print(measures[-1].line(), flush=True)
        self.is_over = True
        trouble.cancel()
        await asyncio.gather(trouble, *tasks, return_exceptions=True)
        await self.pool.close()
        return measures


def growth(values: list[int]) -> int:
    """How far the typical figure of the last quarter is above that of the second one; the first quarter warms up."""
    quarter = max(len(values) // 4, 1)

    def middle(part: list[int]) -> int:
        return sorted(part)[len(part) // 2]

    return middle(values[-quarter:]) - middle(values[quarter:2 * quarter] or values[:quarter])


def judge(soak: Soak, measures: list[Measure]) -> list[str]:
    """Return what is wrong."""
    wrong = list(soak.wrong)
    limits = {"rss_kib": RSS_GROWTH_KIB, "n_descriptors": 0, "n_objects": OBJECTS_GROWTH}
    for name, limit in limits.items():
        grown = growth([getattr(measure, name) for measure in measures])
        print(f"growth of {name}: {grown} (at most {limit})")
        if grown > limit:
            wrong.append(f"{name} has grown by {grown}")
    most = max(measure.n_backends for measure in measures)
    if most > SIZE:
        wrong.append(f"there were {most} backends, max_size is {SIZE}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    given = parser.parse_args(arguments)
    from tests.support.cluster import Cluster  # not on Windows, where the judge is tested nevertheless

    # That connections are lost is what this is about.
    logging.getLogger("asyncpg_core").setLevel(logging.CRITICAL)

    async def run(cluster: Cluster) -> int:
        soak = Soak(cluster, given.minutes * 60)
        measures = await soak.run()
        wrong = judge(soak, measures)
        print(", ".join(f"{n} {key}" for key, n in sorted(soak.outcomes.items())))
        for text in wrong:
            print(f"  WRONG: {text}")
        return 1 if wrong else 0

    loop: asyncio.AbstractEventLoop
    if given.loop == "uvloop":
        import uvloop
        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    with Cluster() as cluster:
        try:
            return loop.run_until_complete(run(cluster))
        finally:
            loop.close()


if __name__ == "__main__":
    sys.exit(main())
