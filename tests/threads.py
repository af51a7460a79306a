"""Threads, each with an event loop and pools of its own, and what they give to each other.

    python -m tests.threads [--seconds N] [--threads N] [--seed N]

Meant for builds without the GIL, which must stay off, and right on others too. Each thread does what the storm does,
with the same cancels, and more: values of many types, columns, connections with a password, statements that push each
other out of the cache, and pools of other threads that must refuse it. Records and columns go to other threads, which
read them, several at a time, while their makers drop them. Every answer is a function of its question. Prints what was
counted and what grows, and exits with 1 if anything is wrong.
"""
from __future__ import annotations

import argparse
import asyncio
import copy
import datetime
import faulthandler
import gc
import ipaddress
import itertools
import json
import pickle
import random
import sys
import sysconfig
import threading
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg_core
from asyncpg_core.exceptions import DivisionByZeroError, InterfaceError, RaiseError
from tests import storm
from tests.soak import growth, rss_kib
from tests.storm import Report, Work, check, noise_is_a_fault, one_task
from tests.support.arrow_reader import read
from tests.support.cluster import MD5_USER, SCRAM_USER, TLS_ONLY_USER, Cluster

WORKERS = 6
POOL_SIZE = 3
# A pool lives so long, then the thread makes the next one, of another user.
POOL_SECONDS = 4.0
N_MEASURES = 20
# Results and COPYs in flight come and go by a hundred megabytes: the least of many moments is what stays.
MOMENT_SECONDS = 0.25
# Each thread's heap keeps pages of its own, so this is more than what one thread may grow by.
GROWTH_KIB = 32 * 1024
# What the allocator has given out and not got back, after a collection.
GROWTH_BLOCKS = 10_000
# After the end of the given time.
STOP_SECONDS = 90.0
EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
SCHEMA = """
DROP TABLE IF EXISTS storm, threads;
DROP TYPE IF EXISTS threads_pair, threads_mood;
CREATE TYPE threads_mood AS ENUM ('sad', 'glad');
CREATE TYPE threads_pair AS (n int4, mood threads_mood);
CREATE TABLE storm (kind text, n int4);
CREATE TABLE threads (n int4, label text, price numeric(20, 2), pair threads_pair);
GRANT ALL ON storm, threads TO PUBLIC;
"""


class Meeting:
    """What the threads share."""

    def __init__(self, n_threads: int, seed: int) -> None:
        self.n_threads = n_threads
        self.seed = seed
        self.is_over = False
        # (number, a row or columns, an iterator that several consume); who gives drops what is oldest.
        self.given: deque[tuple[int, Any, Any]] = deque(maxlen=64)
        self.pools: list[Any] = [None] * n_threads
        self.reports = [Report() for _ in range(n_threads)]

    def taken(self, chance: random.Random) -> tuple[int, Any, Any] | None:
        try:
            return self.given[chance.randrange(len(self.given))]
        except (IndexError, ValueError):
            return None


# One at a time: the tests run one meeting per process too.
meeting = Meeting(0, 0)


# Values that follow from a number

TYPES = ("int4", "int8", "text", "numeric", "uuid", "timestamptz", "date", "interval", "bytea", "float8", "bool",
         "int4[]", "int4range", "inet", "threads_mood", "threads_pair", "threads_pair[]", "jsonb", "timestamp[]")
TYPES_SQL = "SELECT " + ", ".join(f'${i}::{name} AS "{name}"' for i, name in enumerate(TYPES, 1))


def mood(number: int) -> str:
    return ("sad", "glad")[number % 2]


def values_of(number: int) -> tuple[Any, ...]:
    """A value of each of TYPES."""
    moment = EPOCH + datetime.timedelta(seconds=number % 10_000_000 * 7919, microseconds=number)
    return (number, number << 31, f"text {number} \N{SNOWMAN}", Decimal(number).scaleb(-(number % 30)),
            uuid.UUID(int=number << 90 | number), moment, moment.date(),
            datetime.timedelta(days=number % 1000, microseconds=number), number.to_bytes(8, "big") * (number % 9),
            number / 8, number % 2 == 0, [number, None, -number, number % 257],
            asyncpg_core.Range(number, number + 10),
            ipaddress.ip_address(number), mood(number), (number, mood(number)),
            [(number + i, mood(number + i)) for i in range(number % 5)],
            json.dumps({"n": number}), [moment.replace(tzinfo=None) + datetime.timedelta(i) for i in range(3)])


def rows_of(number: int) -> list[tuple[Any, ...]]:
    """Rows of the table `threads`."""
    return [(number, f"label {number + i}", Decimal(number * i).scaleb(-2), (number + i, mood(i))) for i in range(40)]


# What the tasks do, besides what those of the storm do

async def types(pool: Any, number: int, chance: random.Random) -> None:
    row = await pool.fetchrow(TYPES_SQL, *values_of(number))
    check_row(number, row)
    meeting.given.append((number, row, iter(row)))


def check_row(number: int, row: Any) -> None:
    """A row of `types`, by all ways to look at it."""
    expected = values_of(number)
    check(number, expected, tuple(row))
    check(number, list(TYPES), list(row.keys()))
    check(number, dict(zip(TYPES, expected, strict=True)), dict(row.items()))
    check(number, expected[2], row["text"])
    check(number, expected[15], tuple(row.get("threads_pair")))
    check(number, True, "uuid" in row and row == copy.copy(row) == pickle.loads(pickle.dumps(row)))
    check(number, f"<Record int4={number} ", repr(row)[:len(f"<Record int4={number} ")])


async def of_others(pool: Any, number: int, chance: random.Random) -> None:
    """Read what another thread may have made, several threads at once."""
    if (found := meeting.taken(chance)) is None:
        return
    maker, thing, iterator = found
    if iterator is None:
        check(maker, rows_of(maker), read(thing).rows)
        return
    check_row(maker, thing)
    expected = values_of(maker)
    for value in itertools.islice(iterator, chance.randrange(5)):
        check(maker, True, any(value == each for each in expected))


async def columns(pool: Any, number: int, chance: random.Random) -> None:
    """Arrow out and in again; the columns go to other threads."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.copy_records_to_table("threads", records=rows_of(number))
        found = await connection.fetch_arrow("SELECT * FROM threads WHERE n = $1 ORDER BY price", number)
        meeting.given.append((number, found, None))
        check(number, rows_of(number), read(found).rows)
        await connection.execute("DELETE FROM threads WHERE n = $1", number)
        plain = await connection.fetch_arrow(
            "SELECT $1::int4 AS n, i::text AS label, NULL::numeric(20, 2) AS price FROM generate_series(1, 50) i",
            number)
        check(number, "COPY 50", await connection.copy_arrow_to_table("threads", plain))
        rows = await connection.fetch("DELETE FROM threads WHERE n = $1 RETURNING n, label", number)
        check(number, [(number, i) for i in range(1, 51)], sorted((row["n"], int(row["label"])) for row in rows))


async def records_in(pool: Any, number: int, chance: random.Random) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.copy_records_to_table("threads", records=rows_of(number))
        await connection.executemany("INSERT INTO threads VALUES ($1, $2, $3, $4)", rows_of(number))
        rows = await connection.fetch("DELETE FROM threads WHERE n = $1 RETURNING *", number)
        twice = [row for row in rows_of(number) for _ in range(2)]
        check(number, twice, sorted([tuple(row) for row in rows], key=lambda row: row[2]))


async def password(pool: Any, number: int, chance: random.Random) -> None:
    """A connection of its own with keys from a password, and a codec that other connections do not have."""
    connection = await pool.open_another()
    try:
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        check(number, {"n": [number]}, await connection.fetchval("SELECT $1::jsonb", {"n": [number]}))
    finally:
        await connection.close()


async def texts(pool: Any, number: int, chance: random.Random) -> None:
    """More statements than the caches keep, with names of columns that come and go."""
    n = number % 300
    row = await pool.fetchrow(f"SELECT $1::int4 AS a{n}, {n} AS b{n}", number)
    check(number, (number, n), (row[f"a{n}"], row[f"b{n}"]))


async def errors(pool: Any, number: int, chance: random.Random) -> None:
    try:
        await pool.fetchval("SELECT $1::int4 / ($1::int4 - $1::int4)", number)
    except DivisionByZeroError as error:
        check(number, ("22012", "ERROR"), (error.sqlstate, error.severity))
    try:
        await pool.execute(f"DO $$ BEGIN RAISE 'number {number}' USING HINT = 'hint {number}'; END $$")
    except RaiseError as error:
        check(number, (f"number {number}", f"hint {number}"), (error.message, error.hint))


async def stranger(pool: Any, number: int, chance: random.Random) -> None:
    """A pool of another thread refuses, whatever it is at."""
    other = meeting.pools[chance.randrange(meeting.n_threads)]
    if other is None or other is pool:
        return
    try:
        await other.fetchval("SELECT $1::int4", number)
    except InterfaceError:
        return
    raise storm.Wrong(f"task {number} used another thread's pool")


KINDS: tuple[Work, ...] = (*storm.KINDS, types, types, of_others, of_others, columns, records_in, password, texts,
                           texts, errors, stranger)


# The threads

async def life(index: int, cluster: Cluster, dsns: list[str]) -> None:
    """What one thread does: pool after pool, until all is over."""
    report = meeting.reports[index]
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: storm.expected_complaint(loop, context, report))
    numbers = itertools.count(index * 10_000_000 + 1)
    for n in itertools.count(index):
        if meeting.is_over:
            break
        dsn = dsns[n % len(dsns)]
        async with asyncpg_core.create_pool(dsn, min_size=1, max_size=POOL_SIZE, statement_cache_size=50,
                                            share=n % 3 != 0) as pool:
            pool.open_another = lambda dsn=dsn: asyncpg_core.connect(dsn)
            meeting.pools[index] = pool
            until = time.monotonic() + POOL_SECONDS
            await asyncio.gather(*[work(pool, index * 100 + k, numbers, until) for k in range(WORKERS)])
            meeting.pools[index] = None


async def work(pool: Any, seed: int, numbers: Any, until: float) -> None:
    report = meeting.reports[seed // 100]
    chance = random.Random(meeting.seed * 100_000 + seed)
    while not meeting.is_over and time.monotonic() < until:
        await one_task(pool, next(numbers), chance, report, KINDS)


def run_thread(index: int, cluster: Cluster, dsns: list[str]) -> None:
    try:
        asyncio.run(life(index, cluster, dsns))
    except BaseException as error:
        meeting.reports[index].fault(f"thread {index} ended with {error!r}")


@dataclass
class Outcome:
    """What all threads have counted, and what is wrong."""

    counts: Counter[str]
    faults: list[str]
    rss: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)

    @property
    def n_done(self) -> int:
        return sum(n for key, n in self.counts.items() if key in ("done", "cancelled", "timed out"))


def least_rss_kib(seconds: float) -> int:
    """Return the least resident memory of the next seconds."""
    until = time.monotonic() + seconds
    least = rss_kib()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, MOMENT_SECONDS))
        least = min(least, rss_kib())
    return least


def meet(cluster: Cluster, n_threads: int, seconds: float, seed: int = 1, *, tells: bool = False) -> Outcome:
    """Run the threads; the table and the types are made anew."""
    global meeting
    meeting = Meeting(n_threads, seed)
    cluster.sql(SCHEMA)
    dsns = [cluster.dsn(), cluster.dsn(SCRAM_USER), cluster.dsn(MD5_USER)]
    if "tls" in cluster.features:
        dsns.append(cluster.dsn(TLS_ONLY_USER, tls="require"))
    noise, rss, blocks = Report(), [], []
    threads = [threading.Thread(target=run_thread, args=(n, cluster, dsns), daemon=True) for n in range(n_threads)]
    with noise_is_a_fault(noise):
        for thread in threads:
            thread.start()
        for _ in range(N_MEASURES):
            rss.append(least_rss_kib(seconds / N_MEASURES))
            gc.collect()
            blocks.append(sys.getallocatedblocks())
            if tells:
                n_done = sum(report.outcomes["done"] for report in meeting.reports)
                n_faults = sum(len(report.faults) for report in (noise, *meeting.reports))
                print(f"{n_done:10d} tasks done, {n_faults} faults, RSS {rss[-1]} KiB, {blocks[-1]} blocks", flush=True)
        meeting.is_over = True
        until = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))
    noise.faults += [f"thread {n} does not end" for n, thread in enumerate(threads) if thread.is_alive()]
    counts: Counter[str] = Counter()
    for report in meeting.reports:
        counts.update(report.outcomes)
    faults = [fault for report in (noise, *meeting.reports) for fault in report.faults]
    return Outcome(counts, faults, rss, blocks)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.threads", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with Cluster({"max_connections": "200"}) as cluster:
        faulthandler.dump_traceback_later(given.seconds + 2 * STOP_SECONDS, exit=True)
        outcome = meet(cluster, given.threads, given.seconds, given.seed, tells=True)
    faulthandler.cancel_dump_traceback_later()
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    if has_gil and sysconfig.get_config_var("Py_GIL_DISABLED"):
        outcome.faults.append("something that was imported has turned the GIL on")
    grown, more_blocks = growth(outcome.rss), growth(outcome.blocks)
    if given.seconds >= 60 and grown > GROWTH_KIB:
        outcome.faults.append(f"resident memory has grown by {grown} KiB")
    if given.seconds >= 60 and more_blocks > GROWTH_BLOCKS:
        outcome.faults.append(f"{more_blocks} more blocks of memory are in use")
    print(f"{given.threads} threads, {given.seconds:g} s, {'with' if has_gil else 'without'} the GIL: "
          + ", ".join(f"{n} {key}" for key, n in sorted(outcome.counts.items()))
          + f"; RSS {outcome.rss[0]} -> {outcome.rss[-1]} KiB, growth {grown} KiB; "
          f"blocks {outcome.blocks[0]} -> {outcome.blocks[-1]}, growth {more_blocks}")
    for fault in outcome.faults:
        print(f"  WRONG: {fault}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
