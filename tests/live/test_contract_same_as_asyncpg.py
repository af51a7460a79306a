"""What connections, statements, cursors, transactions and pools answer to use and misuse: as asyncpg, step by step.

A scenario is run on both drivers in one process and gives a list of outcomes. An outcome is a value, or an error by its
class (of ours the nearest ancestor that asyncpg has) and its text, of which ours may say more.
"""
import inspect
import re

import pytest

import asyncpg_core

ADDRESS = re.compile(r"0x[0-9a-f]+")


class Failed:
    """The error of a step."""

    def __init__(self, error):
        self.names = [cls.__name__ for cls in type(error).__mro__]
        self.text = str(error).partition("\n")[0]

    def __repr__(self):
        return f"{self.names[0]}: {self.text}"


async def outcome(step):
    """Run a step, which may be a coroutine function, and return what came of it."""
    try:
        value = step()
        return await value if inspect.isawaitable(value) else value
    except Exception as error:
        return Failed(error)


def plain(value):
    """A value as it is compared: records as tuples, without addresses and the names of the two packages."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if hasattr(value, "keys") and not isinstance(value, dict):
        return tuple(plain(one) for one in value.values())
    if isinstance(value, tuple):
        return tuple(value)
    return ADDRESS.sub("0x..", value).replace("asyncpg_core", "asyncpg") if isinstance(value, str) else value


def same_error(ours, theirs):
    """Whether the class is theirs or below it, and the text has theirs in it (asyncpg's timeouts have none)."""
    return theirs.names[0] in ours.names and words(theirs.text, "asyncpg") in words(ours.text, "asyncpg_core")


def words(text, package):
    """A text without what differs from run to run: addresses, and the package's name."""
    return re.sub(r"0x[0-9a-f]+", "0x", text).replace(package, "")


@pytest.fixture
async def compare(dsn):
    asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")

    async def run(scenario, *, other_words=()):
        """Compare each step of a scenario; `other_words` are the steps whose texts differ on purpose."""
        ours, theirs = [[*await scenario(module, dsn)] for module in (asyncpg_core, asyncpg)]
        assert len(ours) == len(theirs)
        for n, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if isinstance(one, Failed) and isinstance(other, Failed):
                assert other.names[0] in one.names, (n, one, other)
                assert n in other_words or same_error(one, other), (n, one, other)
            else:
                assert plain(one) == plain(other), (n, one, other)

    return run


async def all_of(*steps):
    return [await outcome(step) for step in steps]


# 1.8 and 1.10: a connection that is closed

async def closed_connection(m, dsn):
    c = await m.connect(dsn)
    statement = await c.prepare("select 1")
    await c.close()
    return await all_of(
        *(lambda name=name, args=args: getattr(c, name)(*args) for name, args in [
            ("execute", ("select 1",)), ("fetch", ("select 1",)), ("fetchrow", ("select 1",)),
            ("fetchval", ("select 1",)), ("executemany", ("select $1::int", [(1,)])),
            ("fetchmany", ("select $1::int", [(1,)])), ("prepare", ("select 1",)), ("add_listener", ("a", print)),
            ("remove_listener", ("a", print)), ("reset", ()), ("reload_schema_state", ()), ("close", ()),
            ("terminate", ()), ("is_closed", ()), ("transaction", ()), ("cursor", ("select 1",)),
            ("add_log_listener", (print,)), ("remove_log_listener", (print,)),
            ("add_termination_listener", (print,)), ("remove_termination_listener", (print,)),
            ("add_query_logger", (print,)), ("remove_query_logger", (print,))]),
        lambda: c.set_type_codec("int4", encoder=str, decoder=str),
        statement.fetch, statement.get_parameters, statement.cursor)


async def test_a_closed_connection_refuses_what_asyncpg_refuses(compare):
    await compare(closed_connection)


# 1.9

async def timeouts(m, dsn):
    c = await m.connect(dsn, command_timeout=0.1)
    statement = await c.prepare("select 1")
    found = await all_of(
        *(lambda timeout=timeout: c.fetchval("select 1", timeout=timeout) for timeout in (True, b"x", -1, 0, 1, 2.5)),
        lambda: c.fetchval("select pg_sleep(1)"), lambda: c.fetchval("select 1"),
        lambda: c.fetchval("select 1 from pg_sleep(0.2)", timeout=5),
        lambda: c.execute("begin"), lambda: c.execute("select pg_sleep(1)"), lambda: c.fetchval("select 1"),
        lambda: c.execute("rollback"), lambda: statement.fetchval(timeout="x"), lambda: statement.fetchval(timeout=1))
    await c.close()
    return found


async def test_timeouts_are_checked_and_bound_each_call(compare):
    await compare(timeouts, other_words={0, 1, 13})


# 1.12

async def prepared_statements(m, dsn):
    c = await m.connect(dsn)
    await c.execute("create temp table z (a int)")
    two = await c.prepare("select $1::int as a, $2::text as b")
    create, named, unnamed, empty, insert = [await c.prepare(*args) for args in (
        ("create temp table y (a int)",), ("select 1",), ("select 2",), ("",),
        ("insert into z values ($1) returning a",))]
    named = await c.prepare("select 1", name="mine")
    found = await all_of(
        two.get_query, two.get_statusmsg, two.get_parameters, two.get_attributes,
        lambda: two.fetch(1, "x"), two.get_statusmsg, lambda: two.fetchrow(1, "y"), two.get_statusmsg,
        *(lambda column=column: two.fetchval(1, "y", column=column) for column in (1, "b", 7, "c")),
        lambda: two.fetch(1), lambda: two.fetch(1, 2), lambda: two.fetchmany([(1, "a"), (2, "b")]),
        lambda: two.executemany([(1, "a")]), two.get_statusmsg,
        create.get_attributes, create.fetch, create.get_statusmsg, named.get_name,
        lambda: c.prepare("select 2", name="mine"), unnamed.fetchval,
        empty.fetch, empty.fetchrow, empty.fetchval, empty.get_statusmsg, empty.get_attributes,
        lambda: insert.explain(1), lambda: c.fetchval("select count(*) from z"), insert.explain,
        lambda: c.prepare("select 1; select 2"), lambda: c.prepare("selec"))
    found.append(len(await insert.explain(1, analyze=True)))
    found.append(await c.fetchval("select count(*) from z"))
    await c.close()
    return found


async def test_prepared_statements_answer_alike(compare):
    await compare(prepared_statements, other_words={13})


# 1.13

async def rows_of(cursor):
    return [row async for row in cursor]


async def cursors(m, dsn):
    c = await m.connect(dsn)
    found = await all_of(lambda: c.cursor("select 1"), lambda: rows_of(c.cursor("select 1")))
    async with c.transaction():
        cursor = await c.cursor("select generate_series(1, 10)")
        again = c.cursor("select generate_series(1, 3)")
        statement = await c.prepare("select generate_series(1, $1::int)")
        late = await statement.cursor(4)
        found += await all_of(
            lambda: c.cursor("select 1", prefetch=3), lambda: rows_of(c.cursor("select 1", prefetch=0)),
            lambda: rows_of(c.cursor("select 1", prefetch=-1)),
            lambda: cursor.fetch(0), lambda: cursor.fetch(-1), lambda: cursor.forward(0), lambda: cursor.forward(2),
            cursor.fetchrow, lambda: cursor.fetch(3), lambda: c.fetchval("select 7"), lambda: repr(cursor),
            lambda: cursor.forward(100), cursor.fetchrow, lambda: cursor.fetch(1), lambda: cursor.forward(1),
            lambda: repr(cursor), lambda: rows_of(again), lambda: rows_of(again), lambda: rows_of(statement.cursor(3)),
            lambda: late.fetch(2), lambda: late.fetchrow(timeout=1),
            lambda: rows_of(c.cursor("create temp table cc (a int)")),
            lambda: [hasattr(cursor, name) for name in ("close", "__aenter__", "scroll")])
    found += await all_of(lambda: late.fetch(2), late.fetchrow, lambda: late.forward(2))
    await c.close()
    return [*found, await outcome(lambda: late.fetch(1))]


async def test_cursors_answer_alike(compare):
    await compare(cursors, other_words={25, 26, 27})


# 1.14

async def transactions(m, dsn):
    c = await m.connect(dsn)
    new, used = c.transaction(), c.transaction()
    found = await all_of(
        lambda: c.transaction(isolation="READ COMMITTED"), new.commit, new.rollback, used.start, used.start,
        used.commit, used.commit, used.rollback, used.start, lambda: repr(used), c.is_in_transaction)
    managed = c.transaction()
    async with managed:
        found += await all_of(managed.commit, managed.rollback, managed.start, managed.__aenter__,
                              lambda: c.transaction(isolation="serializable").start(), c.is_in_transaction)
    await c.execute("begin")
    found += await all_of(c.transaction().start, c.is_in_transaction, lambda: c.execute("rollback"))
    for isolation in ("read_committed", "read_uncommitted", "repeatable_read", "serializable"):
        async with c.transaction(isolation=isolation, readonly=True, deferrable=True) as nothing:
            found += [nothing, await c.fetchval("show transaction_isolation"),
                      await c.fetchval("show transaction_read_only"), await c.fetchval("show transaction_deferrable")]
    async with c.transaction(isolation="serializable"):
        found += await all_of(
            lambda: c.transaction(isolation="read_committed").start(),
            lambda: c.transaction(isolation="serializable").start(),
            lambda: c.transaction(readonly=True).start(), lambda: c.fetchval("show transaction_read_only"))
    await c.execute("create temp table d (a int unique deferrable initially deferred)")
    deferred, failed = c.transaction(), c.transaction()
    found += await all_of(
        deferred.start, lambda: c.execute("insert into d values (1), (1)"), deferred.commit, deferred.rollback,
        c.is_in_transaction, lambda: c.fetchval("select count(*) from d"),
        failed.start, lambda: c.execute("selec"), c.is_in_transaction, lambda: c.execute("select 1"), failed.rollback,
        c.is_in_transaction, lambda: repr(failed),
        lambda: repr(c.transaction(isolation="serializable", readonly=True, deferrable=True)))
    cut = c.transaction()
    await cut.start()
    await c.close()
    return [*found, *await all_of(cut.commit, cut.rollback)]


async def test_transactions_answer_alike(compare):
    await compare(transactions, other_words={0, 54, 55})


# 1.18

async def pool_use(m, dsn):
    p = m.create_pool(dsn, min_size=1, max_size=2)
    found = await all_of(
        p.acquire, lambda: p.fetchval("select 1"), lambda: p.release(object()), p.get_size, p.get_idle_size,
        p.get_min_size, p.get_max_size, p.is_closing, p.close)
    p = m.create_pool(dsn, min_size=1, max_size=2)
    await p
    context = p.acquire()
    first, second, foreign = await context, await p.acquire(), await m.connect(dsn)
    found += await all_of(
        context.__aenter__, lambda: p.acquire(timeout=0.05), p.get_size, p.get_idle_size, lambda: p.release(second),
        lambda: p.release(second), lambda: isinstance(second, m.Connection), lambda: isinstance(first, m.Connection))
    for name, *args in [
            ("fetch", "select 1"), ("execute", "select 1"), ("is_closed",), ("get_server_pid",), ("transaction",),
            ("get_settings",), ("is_in_transaction",), ("get_server_version",), ("add_log_listener", print),
            ("terminate",), ("cursor", "select 1"), ("get_reset_query",), ("close",), ("reset",),
            ("copy_from_table", "t"), ("set_type_codec", "int4"), ("add_listener", "a", print)]:
        options = {"copy_from_table": {"output": print}, "set_type_codec": {"encoder": str, "decoder": str}}
        found.append(await outcome(lambda: getattr(second, name)(*args, **options.get(name, {}))))  # noqa: B023
    await foreign.close()
    async with p.acquire() as borrowed:
        await borrowed.close()
    found += await all_of(
        lambda: p.release(foreign), p.get_size, p.get_idle_size, lambda: p.fetchval("select 1"),
        lambda: p.release(first), p.close, p.acquire, p.close, lambda: p.fetchval("select 1"), p.is_closing,
        p.terminate)
    p = await m.create_pool(dsn, min_size=1, max_size=1)
    lent = await p.acquire()
    p.terminate()
    return [*found, *await all_of(lambda: lent.fetchval("select 1"), lambda: p.release(lent), p.acquire, p.close)]


async def test_pools_answer_alike(compare):
    # 34 shows the connection, which has another repr; 45 what terminate has cut: released in asyncpg, closed in ours.
    await compare(pool_use, other_words={34, 45})


async def pool_hooks(m, dsn):
    found = []

    async def init(c):
        found.append(("init", isinstance(c, m.Connection), await c.fetchval("select 1")))

    async def setup(c):
        found.append(("setup", isinstance(c, m.Connection), await c.fetchval("select 2")))

    async def reset(c):
        found.append(("reset", isinstance(c, m.Connection), await c.fetchval("select 3"), c.is_in_transaction()))

    async def connect(*args, **options):
        found.append(("connect", args == (dsn,), sorted(options)))
        return await m.connect(*args, **options)

    async def wrong(*args, **options):
        return 5

    async with m.create_pool(dsn, min_size=1, max_size=1, init=init, setup=setup, reset=reset, connect=connect,
                             command_timeout=5) as p:
        async with p.acquire() as c:
            await c.execute("create temp table kept (a int)")
        await p.fetchval("select 1")
    for name in ("init", "setup", "reset"):
        calls = []

        async def fails_once(c, calls=calls):
            calls.append(c)
            if len(calls) == 1:
                raise KeyError("mine")

        async with m.create_pool(dsn, min_size=0, max_size=1, **{name: fails_once}) as p:
            async def use(p=p):
                async with p.acquire() as c:
                    return await c.fetchval("select 1")

            found += [name, *await all_of(use, p.get_size, p.get_idle_size, use, p.get_size)]
    async with m.create_pool(dsn, min_size=0, max_size=1, connect=wrong) as p:
        found.append(await outcome(p.acquire))
    return found


async def test_hooks_are_called_and_fail_alike(compare):
    await compare(pool_hooks, other_words={24})
