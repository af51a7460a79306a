"""A hundred thousand tasks over a pool of eight, each cancelled or timed out at a random point of its life.

    python -m tests.storm [--tasks N] [--share on|off] [--loop asyncio|uvloop] [--tls] [--jitter] [--seed N]

Every answer is a function of its question, so a row that reached another task is seen. Afterwards the pool must have
all its places, no transaction may be open, what was committed must be whole, and closing must take less than a second.
With `--jitter` a proxy between driver and server delays what the server says by 2 to 8 ms. Prints what it has counted
and exits with 1 if anything is wrong.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg_core
from asyncpg_core.exceptions import PostgresError, QueryCanceledError
from tests.support.cluster import Cluster
from tests.support.fault_proxy import FaultProxy

SIZE = 8
WORKERS = 40
STUCK_SECONDS = 30.0
CLOSE_SECONDS = 1.0
SCRAM_USER = "scram_user"

Work = Callable[[Any, int, random.Random], Awaitable[None]]


class Wrong(AssertionError):
    """An answer that belongs to another question."""


def check(number: int, expected: object, got: object) -> None:
    if got != expected:
        raise Wrong(f"task {number} expected {expected!r:.80} and got {got!r:.80}")


# What the tasks do. Odd numbers are written by statements outside of a transaction and are not counted afterwards.

async def one_value(pool: Any, number: int, chance: random.Random) -> None:
    check(number, number, await pool.fetchval("SELECT $1::int4", number))


async def many_rows(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT $1::int4 + i AS n FROM generate_series(0, 200) i", number)
        check(number, list(range(number, number + 201)), [row["n"] for row in rows])


async def transaction(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection, connection.transaction():
        check(number, number, await connection.fetchval("SELECT $1::int4", number))
        await connection.execute("INSERT INTO storm VALUES ('whole', $1)", number)
        async with connection.transaction():
            await connection.execute("INSERT INTO storm VALUES ('whole', $1)", number)
            check(number, -number, await connection.fetchval("SELECT -$1::int4", number))


async def begin_by_hand(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO storm VALUES ('whole', $1)", number)
        await connection.execute("INSERT INTO storm VALUES ('whole', $1)", number)
        check(number, number, await connection.fetchval("SELECT $1::int4", number))
        await connection.execute("COMMIT")


async def together(pool: Any, number: int, chance: random.Random) -> None:
    values = await asyncio.gather(*[pool.fetchval("SELECT $1::int4", number + i) for i in range(4)])
    check(number, [number + i for i in range(4)], values)


async def many_arguments(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        await connection.executemany("INSERT INTO storm VALUES ('three', $1)", [(number,)] * 3)


async def timed(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        seconds = chance.random() * 0.01
        check(number, number, await connection.fetchval(
            "SELECT $1::int4 FROM pg_sleep($2)", number, chance.random() * 0.008, timeout=seconds))


async def cursor(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection, connection.transaction():
        n = number
        async for row in connection.cursor("SELECT $1::int4 + i FROM generate_series(0, 99) i", number, prefetch=30):
            check(number, n, row[0])
            n += 1
        check(number, number + 100, n)


async def copy_out(pool: Any, number: int, chance: random.Random) -> None:
    pieces: list[bytes] = []
    await pool.copy_from_query(f"SELECT {number} FROM generate_series(1, 500)", output=pieces_into(pieces))
    check(number, f"{number}\n".encode() * 500, b"".join(pieces))


def pieces_into(pieces: list[bytes]) -> Callable[[bytes], Awaitable[None]]:
    async def sink(piece: bytes) -> None:
        pieces.append(piece)
        await asyncio.sleep(0)
    return sink


async def copy_in(pool: Any, number: int, chance: random.Random) -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield f"three\t{number}\n".encode()
            await asyncio.sleep(0)

    check(number, "COPY 3", await pool.copy_to_table("storm", source=source()))


async def copy_rows(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        async with connection.copy_rows("SELECT $1::int4 + i FROM generate_series(0, 299) i", number) as rows:
            n = number
            async for row in rows:
                check(number, n, row[0])
                n += 1
        check(number, number + 300, n)


async def prepared(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        statement = await connection.prepare("SELECT $1::int4 AS n, $1::int4 * 2")
        check(number, (number, number * 2), tuple(await statement.fetchrow(number)))


async def pipeline(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection:
        async with connection.pipeline() as p:
            members = [p.fetchval("SELECT $1::int4", number + i) for i in range(3)]
        check(number, [number + i for i in range(3)], [await member for member in members])


async def hasty(pool: Any, number: int, chance: random.Random) -> None:
    connection = await pool.acquire(timeout=chance.random() * 0.02)
    try:
        check(number, number, await connection.fetchval("SELECT $1::int4", number))
    finally:
        await pool.release(connection)


KINDS: tuple[Work, ...] = (one_value, many_rows, transaction, begin_by_hand, together, many_arguments, timed, cursor,
                           copy_out, copy_in, copy_rows, prepared, pipeline, hasty)


@dataclass
class Report:
    """What a storm has counted, and what is wrong."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    close_seconds: float = 0.0

    def fault(self, text: str) -> None:
        if len(self.faults) < 20:
            self.faults.append(text)


class Noise(logging.Handler):
    """What the driver and the loop's exception handler say."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        why = f": {record.exc_info[1]!r}" if record.exc_info else ""
        self.report.fault(f"log: {record.name}: {record.getMessage()}{why}")


@contextlib.contextmanager
def noise_is_a_fault(report: Report) -> Iterator[None]:
    noise = Noise(report)
    loggers = [logging.getLogger(name) for name in ("asyncio", "asyncpg_core")]
    for logger in loggers:
        logger.addHandler(noise)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(noise)


async def one_task(pool: Any, number: int, chance: random.Random, report: Report, kinds: tuple[Work, ...] = KINDS
                   ) -> None:
    """Start one task, cancel it perhaps, and note what came of it."""
    work = kinds[number % len(kinds)]
    task = asyncio.ensure_future(work(pool, number, chance))
    for _ in range(chance.choice((0, 1, 2, 3, 5, 8, 13))):
        await asyncio.sleep(0)
    if chance.random() < 0.6:
        await asyncio.sleep(chance.random() * chance.choice((0.001, 0.004, 0.02)))
    n_cancels = chance.choice((0, 1, 1, 1, 1, 2))
    for _ in range(n_cancels):
        task.cancel()
        await asyncio.sleep(0)
    done, _ = await asyncio.wait([task], timeout=STUCK_SECONDS)
    if not done:
        report.fault(f"{work.__name__} {number} is stuck")
        report.outcomes["stuck"] += 1
        task.cancel()
        return
    if task.cancelled():
        report.outcomes["cancelled"] += 1
        if not n_cancels:
            report.fault(f"{work.__name__} {number} was cancelled by nobody")
        return
    error = task.exception()
    if error is None:
        report.outcomes["done"] += 1
    elif isinstance(error, asyncio.TimeoutError) and work in (timed, hasty):
        report.outcomes["timed out"] += 1
    elif isinstance(error, QueryCanceledError) and work is begin_by_hand:
        # A simple Query that the server was already at when the request for its neighbour came.
        report.outcomes["hit by a neighbour's cancel"] += 1
    else:
        report.outcomes["failed"] += 1
        report.fault(f"{work.__name__} {number}: {error!r}")


async def check_afterwards(pool: Any, name: str, report: Report) -> None:
    """Look at the pool, the server and what was written when all tasks are over."""
    held = await asyncio.wait_for(asyncio.gather(*[pool.acquire() for _ in range(SIZE)]), 10)
    for connection in held:
        if await asyncio.wait_for(connection.fetchval("SELECT 17"), 10) != 17 or connection.is_in_transaction():
            report.fault("a connection is not as it should be")
    ask = held[0]
    states = [row[0] for row in await ask.fetch(
        "SELECT state FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()", name)]
    if len(states) != SIZE - 1 or any("transaction" in state for state in states):
        report.fault(f"the server has, but for one, {states}")
    for kind, times in (("whole", 2), ("three", 3)):
        halves = await ask.fetch("SELECT n FROM storm WHERE kind = $1 GROUP BY n HAVING count(*) <> $2", kind, times)
        if halves:
            report.fault(f"half of a change is there: {kind} {[row[0] for row in halves][:5]}")
    for connection in held:
        await pool.release(connection)


async def watch_backends(dsn: str, name: str, report: Report) -> None:
    """See to it that there are never more backends than the pool may have, and one that is being closed."""
    watcher = await asyncpg_core.connect(dsn)
    try:
        while True:
            n = await watcher.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name)
            report.outcomes["most backends"] = max(report.outcomes["most backends"], n)
            await asyncio.sleep(0.05)
    finally:
        watcher.terminate()


async def storm(dsn: str, n_tasks: int, *, share: bool = True, seed: int = 20, observer_dsn: str | None = None
                ) -> Report:
    """Run it against the server behind `dsn`; the table is made and dropped over `observer_dsn`."""
    report, name = Report(), f"storm {seed}"
    observer = await asyncpg_core.connect(observer_dsn or dsn)
    await observer.execute("DROP TABLE IF EXISTS storm; CREATE TABLE storm (kind text, n int4); "
                           "GRANT ALL ON storm TO PUBLIC")
    watching = asyncio.ensure_future(watch_backends(observer_dsn or dsn, name, report))
    began = time.monotonic()
    # A BEGIN that is left open is reset with a complaint to the loop's exception handler, as in asyncpg.
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: expected_complaint(loop, context, report))
    try:
        with noise_is_a_fault(report):
            pool = await asyncpg_core.create_pool(
                dsn, min_size=SIZE, max_size=SIZE, share=share, server_settings={"application_name": name})
            await run_workers(pool, n_tasks, seed, report)
            await check_afterwards(pool, name, report)
            closing = time.monotonic()
            await pool.close()
            report.close_seconds = time.monotonic() - closing
            if report.close_seconds > CLOSE_SECONDS:
                report.fault(f"closing took {report.close_seconds:.2f} s")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        loop.set_exception_handler(None)
        await observer.execute("DROP TABLE storm")
        await observer.close()
    if report.outcomes["most backends"] > SIZE:
        report.fault(f"there were {report.outcomes['most backends']} backends, max_size is {SIZE}")
    report.seconds = time.monotonic() - began
    return report


def expected_complaint(loop: Any, context: dict[str, Any], report: Report) -> None:
    if "active transaction" in context["message"]:
        report.outcomes["BEGIN left open, rolled back"] += 1
    else:
        loop.default_exception_handler(context)


async def run_workers(pool: Any, n_tasks: int, seed: int, report: Report) -> None:
    async def worker(n: int) -> None:
        chance = random.Random(seed * 1000 + n)
        for number in range(n, n_tasks, WORKERS):
            try:
                await one_task(pool, number, chance, report)
            except PostgresError as error:
                report.fault(f"{number}: {error!r}")

    await asyncio.gather(*[worker(n) for n in range(WORKERS)])
    if sum(report.outcomes[key] for key in report.outcomes if key in (
            "done", "cancelled", "timed out", "failed", "stuck", "hit by a neighbour's cancel")) != n_tasks:
        report.fault("a task was not counted")


@contextlib.asynccontextmanager
async def path_to(cluster: Cluster, *, jitter: bool, tls: bool) -> AsyncIterator[str]:
    """Return where to connect to."""
    direct = cluster.dsn(SCRAM_USER, tls=True) if tls else cluster.dsn()
    if not jitter:
        yield direct
        return
    async with FaultProxy(cluster.socket_path, port=cluster.port if tls else None) as proxy:
        proxy.jitter_seconds = (0.002, 0.008)
        proxy.notes_flights = False
        yield proxy.dsn_like(direct)


def show(report: Report, what: str) -> int:
    """Print a report; return the exit status."""
    counts = ", ".join(f"{n} {key}" for key, n in report.outcomes.items())
    print(f"{what}: {counts}; {report.seconds:.1f} s, closed in {report.close_seconds * 1000:.0f} ms")
    for fault in report.faults:
        print(f"  WRONG: {fault}")
    return 1 if report.faults else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--share", choices=("on", "off"), default="on")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--jitter", action="store_true")
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args(arguments)

    async def run(cluster: Cluster) -> Report:
        async with path_to(cluster, jitter=given.jitter, tls=given.tls) as dsn:
            return await storm(dsn, given.tasks, share=given.share == "on", seed=given.seed,
                               observer_dsn=cluster.dsn())

    loop: asyncio.AbstractEventLoop
    if given.loop == "uvloop":
        import uvloop
        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    with Cluster() as cluster:
        report = loop.run_until_complete(run(cluster))
        loop.close()
    what = (f"{given.tasks} tasks, share {given.share}, {given.loop}{', TLS' if given.tls else ''}"
            f"{', jitter 2-8 ms' if given.jitter else ''}, seed {given.seed}")
    return show(report, what)


if __name__ == "__main__":
    sys.exit(main())
