"""Every public coroutine, ready to be called: what a test does to one, with cancels or with time, it does to all.

    async with Place.open(dsn) as place:
        ready = await CASES["Cursor.fetch"].prepare(place)
        await ready()

A case is named after the line of tests/public_api.txt that it covers, with words behind it where a method has several
ways. `uncovered()` names what has no case: a new method must get one, or be listed in PLAIN as one that never waits.
"""
import asyncio
import importlib
import importlib.util
import inspect
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg_core
from tests.support.waiting import until_active
from tools.public_api import OURS, PUBLIC

Ready = Callable[[], Awaitable[Any]]
numbers = itertools.count()
ROWS = "SELECT i AS a, repeat('x', 200) AS b FROM generate_series(1, $1::int) i"
MANY = 400
DUNDERS = {"__aenter__", "__aexit__", "__anext__", "__await__"}


class Place:
    """A pool, a connection that is borrowed from it, and what a case has begun."""

    def __init__(self, dsn: str, seconds: float | None) -> None:
        self.seconds = seconds
        self.name = f"calls {next(numbers)}"
        self.dsn = f"{dsn}{'&' if '?' in dsn else '?'}application_name={self.name.replace(' ', '%20')}"
        self.pool: Any = None
        self.connection: Any = None
        self.transaction: Any = None
        self.listener: Any = None
        self.made: list[Any] = []

    @property
    def timed(self) -> dict[str, float]:
        """The `timeout` of a call that has one."""
        return {} if self.seconds is None else {"timeout": self.seconds}

    async def begin(self) -> None:
        self.transaction = self.connection.transaction()
        await self.transaction.start()
        await self.connection.execute("SELECT 1")

    async def another_pool(self, **settings: Any) -> Any:
        """A pool that the case uses up."""
        pool = await asyncpg_core.create_pool(self.dsn, **{"min_size": 2, "max_size": 2, **settings})
        self.made.append(pool)
        return pool

    def end(self) -> None:
        """Close what the case has made."""
        while self.made:
            self.made.pop().terminate()


@dataclass(frozen=True)
class Case:
    covers: tuple[str, ...]
    prepare: Callable[[Place], Awaitable[Ready]]
    # What it is called on is closed by it.
    ends: bool


CASES: dict[str, Case] = {}


def case(label: str, *also: str, ends: bool = False) -> Callable[[Any], Any]:
    """Make a case of a function that prepares one; `also` are further names that it covers."""
    def register(prepare: Any) -> Any:
        assert label not in CASES
        CASES[label] = Case((label.partition(" ")[0], *also), prepare, ends)
        return prepare
    return register


def each(labels: str, make: Callable[[Place, str], Any]) -> None:
    """Make cases of methods that are called alike; `make(place, method)` is prepared at once."""
    for label in labels.split():
        async def prepare(place: Place, method: str = label.partition(".")[2]) -> Ready:
            return lambda: make(place, method)
        case(label)(prepare)


# Queries: the same on a connection, a pool, a statement and in a pipeline block

QUERIES = {
    "execute": ("INSERT INTO calls VALUES (1, 'x')",), "fetch": (ROWS, MANY), "fetchrow": (ROWS, MANY),
    "fetchval": (ROWS, MANY), "fetch_arrow": (ROWS, MANY), "fetch_numpy": ("SELECT i FROM generate_series(1, 9) i",),
    "executemany": ("INSERT INTO calls VALUES ($1, $2)", [(i, "x" * 500) for i in range(300)]),
    "fetchmany": ("INSERT INTO calls VALUES ($1, $2) RETURNING a", [(i, "x") for i in range(30)]),
}


def query(target: Any, method: str, place: Place) -> Any:
    if method == "fetch_numpy" and importlib.util.find_spec("numpy") is None:
        method = "fetch_arrow"      # One call but for what is made of its columns.
    return getattr(target, method)(*QUERIES[method], **place.timed)


each("Connection.execute Connection.executemany Connection.fetch Connection.fetch_arrow Connection.fetch_numpy "
     "Connection.fetchmany Connection.fetchrow Connection.fetchval", lambda place, m: query(place.connection, m, place))
each("Pool.execute Pool.executemany Pool.fetch Pool.fetch_arrow Pool.fetch_numpy Pool.fetchmany Pool.fetchrow "
     "Pool.fetchval", lambda place, m: query(place.pool, m, place))


@case("Connection.execute of a script")
async def _(place: Place) -> Ready:
    return lambda: place.connection.execute("SELECT 1; INSERT INTO calls VALUES (1, 'x'); SELECT 2", **place.timed)


for name in ("fetch", "fetchrow", "fetchval", "fetch_arrow", "fetch_numpy", "executemany", "fetchmany"):
    async def prepare_statement(place: Place, method: str = name) -> Ready:
        if method == "fetch_numpy" and importlib.util.find_spec("numpy") is None:
            method = "fetch_arrow"
        sql, *args = QUERIES[method]
        statement = await place.connection.prepare(sql)
        return lambda: getattr(statement, method)(*args, **place.timed)

    async def prepare_member(place: Place, method: str = name) -> Ready:
        async def block() -> Any:
            async with place.connection.pipeline() as p:
                before = p.fetchval("SELECT 1")
                member = getattr(p, method)(*QUERIES[method], **place.timed)
                after = p.execute("SELECT 2")
            return await asyncio.gather(before, member, after)
        return block

    case(f"PreparedStatement.{name}")(prepare_statement)
    if not name.startswith("fetch_"):
        case(f"Pipeline.{name}", "Pipeline.execute", "Pipeline.__aenter__", "Pipeline.__aexit__",
             "Connection.pipeline")(prepare_member)


@case("Pipeline.fetchval awaited inside the block", "Pipeline.flush")
async def _(place: Place) -> Ready:
    async def block() -> Any:
        async with place.connection.pipeline() as p:
            first = p.fetchval("SELECT 1", **place.timed)
            second = p.fetch(ROWS, 9, **place.timed)
            await asyncio.gather(first, second)
            third = p.execute("INSERT INTO calls VALUES (1, 'x')", **place.timed)
            p.flush()
        return await third
    return block


# Statements

@case("Connection.prepare")
async def _(place: Place) -> Ready:
    return lambda: place.connection.prepare(ROWS, **place.timed)


@case("PreparedStatement.explain")
async def _(place: Place) -> Ready:
    statement = await place.connection.prepare("SELECT 1")
    return lambda: statement.explain(analyze=True)


@case("PreparedStatement.cursor", "CursorFactory.__aiter__")
async def _(place: Place) -> Ready:
    statement = await place.connection.prepare(ROWS)
    await place.begin()
    return lambda: all_of(statement.cursor(MANY, prefetch=100, **place.timed))


@case("PreparedStatement.stream_arrow")
async def _(place: Place) -> Ready:
    statement = await place.connection.prepare(ROWS)
    return lambda: all_of(statement.stream_arrow(MANY, batch_rows=100, **place.timed))


async def all_of(iterable: Any) -> int:
    n = 0
    async for _ in iterable:
        n += 1
    return n


# Cursors and streams

@case("Connection.cursor", "CursorIterator.__aiter__", "CursorIterator.__anext__")
async def _(place: Place) -> Ready:
    await place.begin()
    return lambda: all_of(place.connection.cursor(ROWS, MANY, prefetch=100, **place.timed))


@case("CursorFactory.__await__")
async def _(place: Place) -> Ready:
    await place.begin()
    return lambda: place.connection.cursor(ROWS, MANY, **place.timed)


@case("Cursor.fetch")
async def _(place: Place) -> Ready:
    await place.begin()
    cursor = await place.connection.cursor(ROWS, MANY)
    return lambda: cursor.fetch(100, **place.timed)


@case("Cursor.fetchrow")
async def _(place: Place) -> Ready:
    await place.begin()
    cursor = await place.connection.cursor(ROWS, MANY)
    await cursor.fetch(5)
    return lambda: cursor.fetchrow(**place.timed)


@case("Cursor.forward")
async def _(place: Place) -> Ready:
    await place.begin()
    cursor = await place.connection.cursor(ROWS, MANY)
    return lambda: cursor.forward(100, **place.timed)


@case("Connection.stream_arrow")
async def _(place: Place) -> Ready:
    return lambda: all_of(place.connection.stream_arrow(ROWS, MANY, batch_rows=100, **place.timed))


@case("Connection.stream_arrow in a transaction")
async def _(place: Place) -> Ready:
    await place.begin()
    return lambda: all_of(place.connection.stream_arrow(ROWS, MANY, batch_rows=100, **place.timed))


@case("Pool.stream_arrow")
async def _(place: Place) -> Ready:
    return lambda: all_of(place.pool.stream_arrow(ROWS, MANY, batch_rows=100, **place.timed))


# COPY

WIDE = "SELECT i AS a, repeat('x', 2000) AS b FROM generate_series(1, 400) i"


async def sink(chunk: bytes) -> None:
    """Takes the data of a COPY."""


async def source() -> Any:
    for _ in range(4):
        yield b"1\tx\n" * 20_000


def copy_rows(target: Any, place: Place, **given: Any) -> Any:
    return target.copy_rows(WIDE, **given, **place.timed)


COPIES: dict[str, Callable[[Any, Place], Any]] = {
    "copy_from_query": lambda target, place: target.copy_from_query(WIDE, output=sink, **place.timed),
    "copy_from_table": lambda target, place: target.copy_from_table("filled_calls", output=sink, **place.timed),
    "copy_to_table": lambda target, place: target.copy_to_table("calls", source=source(), **place.timed),
    "copy_records_to_table": lambda target, place: target.copy_records_to_table(
        "calls", records=[(i, "x" * 100) for i in range(2000)], **place.timed),
    "copy_rows": lambda target, place: all_of(copy_rows(target, place)),
}
for name in COPIES:
    async def prepare_copy(place: Place, method: str = name) -> Ready:
        return lambda: COPIES[method](place.connection, place)

    async def prepare_pool_copy(place: Place, method: str = name) -> Ready:
        return lambda: COPIES[method](place.pool, place)

    async def prepare_copy_in_transaction(place: Place, method: str = name) -> Ready:
        await place.begin()
        return lambda: COPIES[method](place.connection, place)

    iterator = ("CopyRows.__aiter__", "CopyRows.__anext__") if name == "copy_rows" else ()
    case(f"Connection.{name}", *iterator)(prepare_copy)
    case(f"Connection.{name} in a transaction")(prepare_copy_in_transaction)
    case(f"Pool.{name}")(prepare_pool_copy)


@case("Connection.copy_arrow_to_table")
async def _(place: Place) -> Ready:
    columns = await place.connection.fetch_arrow(WIDE)
    return lambda: place.connection.copy_arrow_to_table("calls", columns, **place.timed)


@case("Pool.copy_arrow_to_table")
async def _(place: Place) -> Ready:
    columns = await place.connection.fetch_arrow(WIDE)
    return lambda: place.pool.copy_arrow_to_table("calls", columns, **place.timed)


@case("Connection.copy_from_query with arguments")
async def _(place: Place) -> Ready:
    return lambda: place.connection.copy_from_query(ROWS, MANY, output=sink, **place.timed)


@case("CopyRows.aclose")
async def _(place: Place) -> Ready:
    rows = copy_rows(place.connection, place)
    await rows.__anext__()
    return rows.aclose


@case("CopyRows.aclose in a transaction")
async def _(place: Place) -> Ready:
    await place.begin()
    rows = copy_rows(place.connection, place)
    await rows.__anext__()
    return rows.aclose


@case("CopyRows.__aenter__", "CopyRows.__aexit__")
async def _(place: Place) -> Ready:
    async def block() -> None:
        async with copy_rows(place.connection, place) as rows:
            await rows.__anext__()
    return block


# Transactions

@case("Connection.transaction", "Transaction.__aenter__", "Transaction.__aexit__")
async def _(place: Place) -> Ready:
    async def block() -> None:
        place.transaction = place.connection.transaction()
        async with place.transaction:
            await place.connection.execute("INSERT INTO calls VALUES (1, 'x')", **place.timed)
            async with place.connection.transaction():
                await place.connection.fetchval("SELECT 1", **place.timed)
    return block


@case("Transaction.__aexit__ by an error")
async def _(place: Place) -> Ready:
    async def block() -> None:
        place.transaction = place.connection.transaction()
        try:
            async with place.transaction:
                await place.connection.execute("SELECT 1", **place.timed)
                raise LookupError
        except LookupError:
            pass
    return block


@case("Transaction.start")
async def _(place: Place) -> Ready:
    async def by_hand() -> None:
        place.transaction = place.connection.transaction(isolation="serializable")
        await place.transaction.start()
        await place.connection.execute("SELECT 1", **place.timed)
    return by_hand


@case("Transaction.start of a savepoint that asks for the isolation")
async def _(place: Place) -> Ready:
    await place.begin()
    inner = place.connection.transaction(isolation="read_committed")
    return lambda: inner.start()


@case("Transaction.commit")
async def _(place: Place) -> Ready:
    await place.begin()
    return lambda: place.transaction.commit()


@case("Transaction.rollback")
async def _(place: Place) -> Ready:
    await place.begin()
    return lambda: place.transaction.rollback()


@case("Transaction.rollback of a savepoint")
async def _(place: Place) -> Ready:
    await place.begin()
    inner = place.connection.transaction()
    await inner.start()
    await place.connection.execute("SELECT 1")
    return lambda: inner.rollback()


# The session

@case("Connection.add_listener")
async def _(place: Place) -> Ready:
    place.listener = print
    return lambda: place.connection.add_listener("calls", place.listener)


@case("Connection.remove_listener")
async def _(place: Place) -> Ready:
    place.listener = print
    await place.connection.add_listener("calls", place.listener)
    return lambda: place.connection.remove_listener("calls", place.listener)


@case("Connection.reset")
async def _(place: Place) -> Ready:
    place.connection._session.has_begun = False
    return lambda: place.connection.reset(**place.timed)


@case("Connection.reload_schema_state")
async def _(place: Place) -> Ready:
    return lambda: place.connection.reload_schema_state()


@case("Connection.set_type_codec")
async def _(place: Place) -> Ready:
    return lambda: place.connection.set_type_codec("calls_mood", encoder=str, decoder=str)


@case("Connection.set_builtin_type_codec")
async def _(place: Place) -> Ready:
    return lambda: place.connection.set_builtin_type_codec("calls_mood", codec_name="text")


@case("Connection.reset_type_codec")
async def _(place: Place) -> Ready:
    await place.connection.set_type_codec("calls_mood", encoder=str, decoder=str)
    await place.connection.reload_schema_state()
    return lambda: place.connection.reset_type_codec("calls_mood")


@case("Protocol.query")
async def _(place: Place) -> Ready:
    return lambda: place.connection._protocol.query("SELECT 1; SELECT 2", place.seconds)


# Beginnings and ends

@case("connect")
async def _(place: Place) -> Ready:
    async def connect() -> None:
        place.made.append(await asyncpg_core.connect(place.dsn, **place.timed))
    return connect


@case("Connection.close", ends=True)
async def _(place: Place) -> Ready:
    return lambda: place.connection.close(**place.timed)


@case("Connection.close in the middle of a query", ends=True)
async def _(place: Place) -> Ready:
    running = place.connection.execute("SELECT pg_sleep(20)")
    running.add_done_callback(lambda call: call.cancelled() or call.exception())
    # A request to cancel that is there before the statement is lost on it.
    async with place.pool.acquire() as other:
        await until_active(other, place.connection, "pg_sleep")
    return lambda: place.connection.close(**place.timed)


@case("create_pool", "Pool.__await__")
async def _(place: Place) -> Ready:
    pool = asyncpg_core.create_pool(place.dsn, min_size=2, max_size=2, **place.timed)
    place.made.append(pool)

    async def opened() -> Any:
        return await pool
    return opened


@case("Pool.__aenter__", "Pool.__aexit__")
async def _(place: Place) -> Ready:
    pool = asyncpg_core.create_pool(place.dsn, min_size=2, max_size=2, **place.timed)
    place.made.append(pool)

    async def block() -> None:
        async with pool:
            await pool.fetchval("SELECT 1", **place.timed)
    return block


@case("Pool.close")
async def _(place: Place) -> Ready:
    pool = await place.another_pool()
    return lambda: pool.close()


each("Pool.expire_connections Pool.lsn", lambda place, m: getattr(place.pool, m)())


@case("Pool.drain", "Pool.resize", "Pool.rotate")
async def _(place: Place) -> Ready:
    pool = await place.another_pool(**place.timed)

    async def turn_over() -> None:
        await pool.resize(min_size=1, max_size=2)
        await pool.rotate(server_settings={"application_name": place.name})
        await pool.drain(**place.timed)
    return turn_over


# Lending

async def borrowed_and_returned(pool: Any, place: Place) -> None:
    connection = await pool.acquire(**place.timed)
    try:
        await connection.fetchval("SELECT 1", **place.timed)
    finally:
        await pool.release(connection, **place.timed)


@case("Pool.acquire", "PoolAcquireContext.__await__", "Pool.release")
async def _(place: Place) -> Ready:
    return lambda: borrowed_and_returned(place.pool, place)


@case("Pool.acquire of a connection that is to be opened")
async def _(place: Place) -> Ready:
    pool = await place.another_pool(min_size=0, max_size=1, **place.timed)
    return lambda: borrowed_and_returned(pool, place)


@case("Pool.acquire with setup, init and reset")
async def _(place: Place) -> Ready:
    async def hook(connection: Any) -> None:
        await connection.execute("SELECT 1", **place.timed)

    pool = await place.another_pool(min_size=0, max_size=1, setup=hook, init=hook, reset=hook, **place.timed)
    return lambda: borrowed_and_returned(pool, place)


@case("PoolAcquireContext.__aenter__", "PoolAcquireContext.__aexit__")
async def _(place: Place) -> Ready:
    pool = await place.another_pool(min_size=0, max_size=1, **place.timed)

    async def block() -> None:
        async with pool.acquire(**place.timed) as connection, connection.transaction():
            await connection.execute("INSERT INTO calls VALUES (1, 'x')", **place.timed)
    return block


@case("Pool.fetchval with setup and reset")
async def _(place: Place) -> Ready:
    async def hook(connection: Any) -> None:
        await connection.execute("SELECT 1", **place.timed)

    pool = await place.another_pool(setup=hook, reset=hook, **place.timed)
    return lambda: pool.fetchval("SELECT 1", **place.timed)


# What needs no case

# Methods that return what they have at once.
PLAIN = frozenset(word for line in (
    "Connection.add_log_listener Connection.add_query_logger Connection.add_termination_listener",
    "Connection.get_reset_query Connection.get_server_pid Connection.get_server_version Connection.get_settings",
    "Connection.is_closed Connection.is_in_transaction Connection.prepare_mode Connection.query_logger",
    "Connection.remove_log_listener Pool.stats",
    "Connection.remove_query_logger Connection.remove_termination_listener Connection.terminate CopyRows.tag",
    "Pipeline.flush Pipeline.holds Pipeline.step_aside Pool.get_idle_size Pool.get_init_size Pool.get_max_size",
    "Pool.get_min_size Pool.get_size Pool.is_closing Pool.set_connect_args Pool.terminate",
    "PoolAcquireContext.__class_getitem__ PoolAcquireContext.connection PoolAcquireContext.done",
    "PoolAcquireContext.pool PoolAcquireContext.timeout PreparedStatement.get_attributes PreparedStatement.get_name",
    "PreparedStatement.get_parameters PreparedStatement.get_query PreparedStatement.get_statusmsg Protocol.abort",
    "Protocol.get_server_pid Protocol.get_settings Protocol.is_closed Protocol.is_in_transaction",
    "Protocol.queries_count Record.__class_getitem__ Record.get Record.items Record.keys Record.values",
    "ConnectionSettings.get_data_codec Transaction.carrier Transaction.move_to Attribute.name Attribute.type",
    "ServerVersion.major ServerVersion.micro ServerVersion.minor ServerVersion.releaselevel ServerVersion.serial",
    "Type.kind Type.name Type.oid Type.schema split_server_version_string",
) for word in line.split())
# Coroutines that refuse whoever calls them by hand; their own callers are above.
SEAMS = frozenset(f"Protocol.{name}" for name in
                  ("bind", "bind_execute", "bind_execute_many", "copy_in", "copy_out", "execute"))


def public_names() -> list[str]:
    """The functions and members in tests/public_api.txt."""
    lines = PUBLIC.read_text(encoding="utf-8").splitlines()
    return [line.partition("(")[0] for line in lines
            if not line.startswith(("class ", "#", "asyncpg_core.", "PoolStats.")) and line]


def uncovered() -> list[str]:
    """Public names that have neither a case nor a place among those that need none."""
    covered = {name for one in CASES.values() for name in one.covers}
    return [name for name in public_names() if name not in covered | PLAIN | SEAMS]


def is_coroutine(name: str) -> bool:
    """Whether a public name is a coroutine function, by what it says of itself."""
    owner, _, method = name.partition(".")
    module = next(module for module, names in OURS.items() if owner in names)
    found = getattr(importlib.import_module(module), owner)
    if method:
        found = inspect.getattr_static(found, method)
    return (method in DUNDERS or inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)
            or hasattr(found, "_is_coroutine"))
