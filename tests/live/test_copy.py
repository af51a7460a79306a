"""COPY of raw data in both directions: every kind of source and sink, and every way in which one can fail."""
import asyncio
import contextlib
import gc
import io
import tracemalloc

import pytest

import asyncpg_core
from asyncpg_core.exceptions import (
    ConnectionDoesNotExistError,
    FeatureNotSupportedError,
    InterfaceError,
    InvalidTextRepresentationError,
    PostgresSyntaxError,
    QueryTimeout,
    UndefinedColumnError,
    UndefinedTableError,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import until

BIG = "select n, repeat('x', 1000) from generate_series(1, {}) n"


@pytest.fixture
async def filled(connection):
    """A connection with a table `c` of three rows, and an empty `d` like it."""
    await connection.execute("""
        drop table if exists c, d cascade;
        create table c (a int, b text); create table d (like c);
        insert into c values (1, 'one'), (2, null), (3, 'th"r,ee')""")
    return connection


TEXT = b'1\tone\n2\t\\N\n3\tth"r,ee\n'


async def is_usable(connection):
    return await connection.fetchval("select 1") == 1


async def copied(connection):
    return [tuple(row) for row in await connection.fetch("select * from d order by a")]


# Sinks

async def test_copy_out_into_a_path_a_file_and_callables(filled, tmp_path):
    path = tmp_path / "out"
    for output in (path, str(path), bytes(path)):
        path.write_bytes(b"what was there before")
        assert await filled.copy_from_table("c", output=output) == "COPY 3"
        assert path.read_bytes() == TEXT
    file = io.BytesIO()
    assert await filled.copy_from_table("c", output=file) == "COPY 3"
    assert file.getvalue() == TEXT
    chunks = []

    async def sink(chunk):
        await asyncio.sleep(0)
        chunks.append(chunk)

    assert await filled.copy_from_table("c", output=sink) == "COPY 3"
    assert await filled.copy_from_table("c", output=chunks.append) == "COPY 3"
    assert b"".join(chunks) == TEXT * 2

    class AsyncFile:
        async def write(self, chunk):
            chunks.append(chunk)

    assert await filled.copy_from_query("select 7", output=AsyncFile()) == "COPY 1"
    assert chunks[-1] == b"7\n"


async def test_nothing_copied_is_nothing_written(filled):
    chunks = []
    assert await filled.copy_from_table("d", output=chunks.append) == "COPY 0"
    assert chunks == []


@pytest.mark.parametrize("output", [5, None, object()])
async def test_what_cannot_take_data_is_refused(filled, output):
    with pytest.raises(TypeError, match="output is expected to be a file-like object, a path-like object or a corout"):
        await filled.copy_from_table("c", output=output)
    assert await is_usable(filled)


async def test_data_reaches_the_sink_while_the_query_goes_on(filled):
    came = asyncio.Event()

    async def sink(chunk):
        came.set()

    copying = asyncio.create_task(filled.copy_from_query(
        "select case when n > 500 then pg_sleep(20)::text else repeat('x', 100) end from generate_series(1, 501) n",
        output=sink))
    await asyncio.wait_for(came.wait(), 5)
    assert not copying.done()
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert await is_usable(filled)


# Options

async def test_options_reach_the_server(filled):
    out = io.BytesIO()
    assert await filled.copy_from_table(
        "c", output=out, columns=["b", "a"], schema_name="public", format="csv", header=True, delimiter="|",
        null="NULL", quote="'", escape="\\", force_quote=["b"], encoding="latin1") == "COPY 3"
    assert out.getvalue() == b"b|a\n'one'|1\nNULL|2\n'th\"r,ee'|3\n"
    out = io.BytesIO()
    await filled.copy_from_query("select 1, 'x'", output=out, format="csv", force_quote=True)
    assert out.getvalue() == b'"1","x"\n'
    out = io.BytesIO()
    await filled.copy_from_query("select 1 -- one", output=out, format="binary")
    assert out.getvalue().startswith(b"PGCOPY\n\xff\r\n\0")
    header = "match" if filled.get_server_version().major >= 15 else True
    assert await filled.copy_to_table(
        "d", source=b"b;a\nx;1\n;2\n\"\";3\n", columns=["b", "a"], format="csv", header=header, delimiter=";",
        force_not_null=["b"], where="a < 3") == "COPY 2"
    assert await copied(filled) == [(1, "x"), (2, "")]
    with pytest.raises((PostgresSyntaxError, FeatureNotSupportedError)):
        await filled.copy_from_table("c", output=io.BytesIO(), oids=True)
    with pytest.raises(UndefinedColumnError):
        await filled.copy_from_table("c", output=io.BytesIO(), columns=['a", "b'])
    assert await is_usable(filled)


# Arguments of a query

@pytest.mark.parametrize(("query", "args", "expected"), [
    ("select $1::int", (5,), b"5\n"),
    ("select $1, $2 || $1", ("it's", "\\"), b"it's\t\\\\it's\n"),
    ("select '$1', $1::text, $$ $1 $$, \"$1\" from (select 2 as \"$1\") s -- $1", ("x",), b"$1\tx\t $1 \t2\n"),
    ("select $1::int[], ($1::int[])[2]", ([1, 2],), b"{1,2}\t2\n"),
    ("select $1::bpchar, $2::varchar, $3::bit", ("abc", "def", asyncpg_core.BitString("1")), b"abc\tdef\t1\n"),
    ("select $1::int is null, $2::bytea", (None, b"\0\xff"), b"t\t\\\\x00ff\n"),
    ("select -$1::int, 2^$2::int", (3, 4), b"-3\t16\n"),
    ("select n from generate_series(1, $1) n limit $2", (10, 2), b"1\n2\n"),
])
async def test_arguments_of_a_query_are_the_servers_literals(filled, query, args, expected):
    out = io.BytesIO()
    await filled.copy_from_query(query, *args, output=out)
    assert out.getvalue() == expected


async def test_a_literal_cannot_break_out(filled):
    for settings in ("", "set standard_conforming_strings = off", "set standard_conforming_strings = on"):
        await filled.execute(settings)
        for text in ("'; drop table c; --", "\\'; drop table c; --", "$1", "\\", "'", "E'\\'"):
            out = io.BytesIO()
            await filled.copy_from_query("select $1 = $2, length($1)", text, text, output=out)
            assert out.getvalue() == b"t\t%d\n" % len(text)


async def test_a_wrong_number_of_arguments_or_a_bad_one_is_told(filled):
    with pytest.raises(InterfaceError, match="expects 1 argument for this query, 2 were passed"):
        await filled.copy_from_query("select $1::int", 1, 2, output=io.BytesIO())
    with pytest.raises(asyncpg_core.DataError, match="query argument \\$1: 'x'"):
        await filled.copy_from_query("select $1::int", "x", output=io.BytesIO())
    with pytest.raises(asyncpg_core.UndefinedParameterError):
        await filled.copy_from_query("select $1::int", output=io.BytesIO())
    assert await is_usable(filled)


# Sources

async def test_copy_in_from_paths_files_bytes_and_iterables(filled, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(TEXT)

    async def pieces():
        for at in range(len(TEXT)):
            yield TEXT[at:at + 1]

    class AsyncFile:
        def __init__(self):
            self.file = io.BytesIO(TEXT)

        async def read(self, n):
            return self.file.read(n)

    with open(path, "rb") as file:  # noqa: ASYNC230  # a user's own
        for source in (path, str(path), TEXT, bytearray(TEXT), memoryview(TEXT), io.BytesIO(TEXT), file, pieces(),
                       [TEXT[:5], TEXT[5:]], (part for part in (TEXT, b"")), AsyncFile(), memoryview(TEXT)[::-1][::-1]):
            assert await filled.copy_to_table("d", source=source) == "COPY 3"
            assert await copied(filled) == [(1, "one"), (2, None), (3, 'th"r,ee')]
            await filled.execute("truncate d")
    assert await filled.copy_to_table("d", source=b"") == "COPY 0"


@pytest.mark.parametrize("source", [5, None, object()])
async def test_what_cannot_give_data_is_refused(filled, source):
    with pytest.raises(TypeError, match="source is expected to be"):
        await filled.copy_to_table("d", source=source)
    assert await is_usable(filled)


@pytest.mark.parametrize("source", [
    lambda: ["text"], lambda: io.StringIO("1\tx\n"), lambda: [None], lambda: [5]],
    ids=["str", "text file", "None", "int"])
async def test_a_source_gives_bytes(filled, source):
    with pytest.raises(TypeError, match="the source of a COPY must give bytes, it gave"):
        await filled.copy_to_table("d", source=source())
    assert await is_usable(filled)
    assert await copied(filled) == []


async def test_files_that_cannot_be_opened_leave_the_connection_alone(filled, tmp_path):
    with pytest.raises(FileNotFoundError):
        await filled.copy_to_table("d", source=tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        await filled.copy_from_table("c", output=tmp_path / "none" / "none")
    assert await is_usable(filled)


# What fails

FAILURES = [OSError("disk full"), ValueError("x" * 100_000), asyncpg_core.DataError("another connection's")]


@pytest.mark.parametrize("n_good", [0, 1, 3])
@pytest.mark.parametrize("failure", FAILURES, ids=["OSError", "ValueError", "PostgresError"])
async def test_a_source_that_raises_is_heard_and_the_connection_usable(filled, n_good, failure):
    async def source():
        for _ in range(n_good):
            yield b"1\tx\n" * 100_000
        raise failure

    with pytest.raises(type(failure)) as heard:
        await filled.copy_to_table("d", source=source())
    assert heard.value is failure
    assert await is_usable(filled)
    assert await copied(filled) == []


@pytest.mark.parametrize(("query", "n_good"), [("select 1", 0), (BIG.format(5000), 0), (BIG.format(5000), 3)])
@pytest.mark.parametrize("failure", FAILURES, ids=["OSError", "ValueError", "PostgresError"])
async def test_a_sink_that_raises_is_heard_and_the_connection_usable(filled, query, n_good, failure):
    chunks = []

    async def sink(chunk):
        chunks.append(chunk)
        if len(chunks) > n_good:
            raise failure

    with pytest.raises(type(failure)) as heard:
        await filled.copy_from_query(query, output=sink)
    assert heard.value is failure
    assert len(chunks) == n_good + 1
    assert await is_usable(filled)


async def test_the_servers_errors_name_the_statement(filled):
    for call, error in (
        (filled.copy_to_table("none", source=b""), UndefinedTableError),
        (filled.copy_from_table("none", output=io.BytesIO()), UndefinedTableError),
        (filled.copy_to_table("d", source=b"x\ty\n"), InvalidTextRepresentationError),
        (filled.copy_from_query("selec 1", output=io.BytesIO()), PostgresSyntaxError),
    ):
        with pytest.raises(error) as told:
            await call
        assert told.value.query.startswith("COPY ")
        assert await is_usable(filled)


async def test_a_refusal_that_comes_with_the_servers_readiness_is_the_servers(filled):
    for _ in range(30):
        with pytest.raises(asyncpg_core.ObjectNotInPrerequisiteStateError):
            await filled.copy_to_table("d", source=[b"1\tx\n"] * 3, freeze=True)
    assert await is_usable(filled)


async def test_an_error_in_the_middle_of_the_rows_is_raised(filled):
    chunks = []
    with pytest.raises(asyncpg_core.DivisionByZeroError):
        await filled.copy_from_query("select 1 / (n - 50000) from generate_series(1, 100000) n", output=chunks.append)
    assert await is_usable(filled)


async def test_a_bad_line_interrupts_a_source_that_would_not_end(filled):
    async def endless():
        yield b"bad\n" * 50_000
        await asyncio.Event().wait()

    with pytest.raises(InvalidTextRepresentationError):
        await asyncio.wait_for(filled.copy_to_table("d", source=endless()), 5)
    assert await is_usable(filled)


# Time and cancellation

async def slow_sink(chunk):
    await asyncio.sleep(30)


async def slow_source():
    yield b"1\tx\n"
    await asyncio.sleep(30)


@pytest.mark.parametrize("copy", [
    lambda c, timeout: c.copy_from_query(BIG.format(20_000), output=slow_sink, timeout=timeout),
    lambda c, timeout: c.copy_from_query("select pg_sleep(30)", output=slow_sink, timeout=timeout),
    lambda c, timeout: c.copy_to_table("d", source=slow_source(), timeout=timeout),
    lambda c, timeout: c.copy_records_to_table("d", records=slow_records(), timeout=timeout),
], ids=["slow sink", "slow server", "slow source", "slow records"])
@pytest.mark.parametrize("in_transaction", [False, True])
async def test_time_and_cancellation_in_the_middle_leave_the_connection_usable(filled, copy, in_transaction):
    for way in ("timeout", "cancel", "wait_for"):
        transaction = filled.transaction()
        if in_transaction:
            await transaction.start()
        if way == "timeout":
            with pytest.raises(QueryTimeout, match="copy_"):
                await copy(filled, 0.05)
        elif way == "cancel":
            copying = asyncio.create_task(copy(filled, None))
            await asyncio.sleep(0.05)
            copying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await copying
        else:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(copy(filled, None), 0.05)
        if in_transaction:
            await transaction.rollback()
        assert await asyncio.wait_for(is_usable(filled), 5)
        assert not filled.is_in_transaction()
    assert await copied(filled) == []


async def slow_records():
    yield (1, "x")
    await asyncio.sleep(30)


async def test_no_time_is_no_time_and_command_timeout_is_the_default(filled, connect):
    with pytest.raises(QueryTimeout, match="over before it began"):
        await filled.copy_from_table("c", output=io.BytesIO(), timeout=0)
    for bad in (True, "1"):
        with pytest.raises(ValueError, match="invalid timeout value"):
            await filled.copy_from_table("c", output=io.BytesIO(), timeout=bad)
    hurried = await connect(command_timeout=0.5)
    with pytest.raises(QueryTimeout):
        await hurried.copy_from_query("select pg_sleep(30)", output=io.BytesIO())
    assert await is_usable(hurried)
    assert await is_usable(filled)


async def test_a_timeout_in_a_task_that_is_cancelled_too_stays_a_cancellation(filled):
    async def stubborn(chunk):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            asyncio.current_task().cancel()
            raise

    copying = asyncio.create_task(filled.copy_from_query("select 1", output=stubborn))
    await asyncio.sleep(0.05)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert await is_usable(filled)


async def test_a_sink_that_swallows_the_interruption_does_not_hide_it(filled):
    async def deaf(chunk):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    with pytest.raises(QueryTimeout):
        await filled.copy_from_query(BIG.format(20_000), output=deaf, timeout=0.05)
    assert await is_usable(filled)


# Memory and the other end

async def grown(copying):
    """Return the bytes of Python's memory that were there at most while something ran."""
    gc.collect()
    tracemalloc.start()
    try:
        await copying
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_slow_sink_slows_the_server_down(filled, cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        n_bytes = 0

        async def sink(chunk):
            nonlocal n_bytes
            n_bytes += len(chunk)
            if n_bytes == len(chunk):
                before = -1
                while before != proxy.n_from_server:
                    before = proxy.n_from_server
                    await asyncio.sleep(0.1)
                # What the kernel's buffers hold has passed the proxy, and not the 40 MB that there are.
                assert proxy.n_from_server < 20_000_000

        assert await grown(connection.copy_from_query(BIG.format(40_000), output=sink)) < 8_000_000
        assert n_bytes > 40_000_000
        await connection.close()


async def test_a_slow_server_slows_the_source_down(filled, cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        n_given = n_held = 0

        async def source():
            nonlocal n_given, n_held
            for _ in range(400):
                n_given += 1
                n_held = max(n_held, connection._session.frontend.out.allocated)
                yield b"1\t" + b"x" * 99_997 + b"\n"
                if n_given == 1:
                    proxy.is_black_hole = True

        copying = asyncio.create_task(connection.copy_to_table("d", source=source()))
        before = -1
        while before != n_given or n_given < 2:
            before = n_given
            await asyncio.sleep(0.1)
        assert n_given < 200
        proxy.is_black_hole = False
        assert await copying == "COPY 400"
        assert n_held < 1_000_000
        await connection.close()


@pytest.mark.requires("tls")
async def test_over_tls_too(filled, cluster, connect):
    await filled.execute("grant all on d to public")
    connection = await connect(cluster.dsn("scram_user", tls=True))
    sizes = []
    assert await connection.copy_from_query(
        BIG.format(5000), output=lambda chunk: sizes.append(len(chunk))) == "COPY 5000"
    assert sum(sizes) == 5000 * 1002 + sum(len(str(n)) for n in range(1, 5001))
    assert await connection.copy_to_table("d", source=[b"1\t" + b"y" * 997 + b"\n"] * 5000) == "COPY 5000"
    with pytest.raises(OSError, match="disk"):
        await connection.copy_from_query(BIG.format(5000), output=raise_error)
    assert await is_usable(connection)


def raise_error(chunk):
    raise OSError("disk")


@pytest.mark.parametrize("copy", [
    lambda c: c.copy_from_query(BIG.format(20_000), output=slow_sink),
    lambda c: c.copy_to_table("d", source=slow_source())], ids=["out", "in"])
async def test_a_lost_connection_interrupts(filled, cluster, copy):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        copying = asyncio.create_task(copy(connection))
        await asyncio.sleep(0.1)
        connection.terminate()
        with pytest.raises(ConnectionDoesNotExistError):
            await asyncio.wait_for(copying, 5)


@pytest.mark.parametrize("chunk", [1, 7])
async def test_data_in_small_pieces_and_with_latency(filled, cluster, chunk):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        proxy.chunk = chunk
        proxy.latency_seconds = 0.0001
        out = io.BytesIO()
        assert await connection.copy_from_table("c", output=out) == "COPY 3"
        assert out.getvalue() == TEXT
        assert await connection.copy_to_table("d", source=[TEXT[:3], TEXT[3:]]) == "COPY 3"
        assert len(await copied(connection)) == 3
        proxy.chunk = 65536
        await connection.close()


# Transactions, other calls, the pool

async def test_copy_carries_begin(filled):
    async with filled.transaction():
        assert await filled.copy_from_table("c", output=io.BytesIO()) == "COPY 3"
        assert filled.is_in_transaction()
        assert await filled.copy_to_table("d", source=TEXT) == "COPY 3"
    transaction = filled.transaction()
    await transaction.start()
    assert await filled.copy_to_table("d", source=TEXT) == "COPY 3"
    await transaction.rollback()
    assert len(await copied(filled)) == 3


async def test_a_sink_cannot_use_the_connection_that_feeds_it(filled):
    async def greedy(chunk):
        await filled.fetchval("select 1")

    with pytest.raises(InterfaceError, match="its own source or sink cannot use it"):
        await asyncio.wait_for(filled.copy_from_query(BIG.format(20_000), output=greedy), 5)
    assert await is_usable(filled)


async def test_a_copy_comes_before_statements_that_the_server_is_to_forget(filled):
    for _ in range(2):
        await filled.prepare("select 1")    # dropped at once: its Close travels with the next write
        assert await filled.copy_from_table("c", output=io.BytesIO()) == "COPY 3"
    assert await filled.fetchval("select count(*) from pg_prepared_statements where statement = 'select 1'") == 0


async def test_copies_and_queries_share_a_connection(filled):
    outs = [io.BytesIO() for _ in range(5)]
    results = await asyncio.gather(*[call for out in outs for call in (
        filled.copy_from_table("c", output=out), filled.fetchval("select 5"),
        filled.copy_to_table("d", source=TEXT))])
    assert results == ["COPY 3", 5, "COPY 3"] * 5
    assert {out.getvalue() for out in outs} == {TEXT}
    assert len(await copied(filled)) == 15


async def test_a_copy_inside_a_pipeline_block_has_the_connection_when_the_block_is_written(filled):
    async with filled.pipeline() as p:
        first = p.fetchval("select 1")
        assert await filled.copy_to_table("d", source=TEXT) == "COPY 3"
        second = p.fetchval("select count(*) from d")
    assert (await first, await second) == (1, 3)


async def test_a_pool_copies_and_its_connection_comes_back_clean(filled, dsn, tmp_path):
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        assert await pool.copy_from_table("c", output=tmp_path / "out") == "COPY 3"
        out = io.BytesIO()
        assert await pool.copy_from_query("select $1::text", "x", output=out) == "COPY 1"
        assert out.getvalue() == b"x\n"
        assert await pool.copy_to_table("d", source=TEXT) == "COPY 3"
        for copy in (pool.copy_to_table("d", source=slow_source(), timeout=0.05),
                     pool.copy_from_query(BIG.format(20_000), output=slow_sink, timeout=0.05)):
            with pytest.raises(asyncio.TimeoutError):
                await copy
            assert await pool.fetchval("select 1") == 1
        async with pool.acquire() as connection:
            pass
        for method in ("copy_from_table", "copy_to_table"):
            with pytest.raises(InterfaceError, match=rf"Connection\.{method}\(\): connection has been released"):
                await getattr(connection, method)("c", **{"source" if "to" in method else "output": b""})
        with pytest.raises(asyncio.CancelledError):
            async with pool.acquire() as connection:
                copying = asyncio.create_task(connection.copy_to_table("d", source=slow_source()))
                await until(lambda: connection._session.frontend.is_gated)
                copying.cancel()
                await copying
        assert await pool.fetchval("select count(*) from d") == 3


@pytest.mark.parametrize("copy", [
    lambda c: c.copy_from_query(BIG.format(20_000), output=slow_sink),
    lambda c: c.copy_to_table("d", source=slow_source())], ids=["out", "in"])
async def test_release_and_close_do_not_wait_for_a_source_or_sink(filled, connect, dsn, copy):
    loop = asyncio.get_running_loop()
    async with asyncpg_core.create_pool(dsn, max_size=1) as pool:
        async with pool.acquire() as borrowed:
            copying = asyncio.create_task(copy(borrowed))
            await asyncio.sleep(0.05)
            before = loop.time()
        with pytest.raises(InterfaceError, match="released back to the pool in the middle of the COPY"):
            await copying
        assert await pool.fetchval("select count(*) from d") == 0
        assert loop.time() - before < 2
    connection = await connect()
    copying = asyncio.create_task(copy(connection))
    await asyncio.sleep(0.05)
    before = loop.time()
    await connection.close()
    assert loop.time() - before < 2
    with pytest.raises(InterfaceError, match="is being closed"):
        await copying


async def test_a_closed_connection_copies_nothing(filled):
    await filled.close()
    for call in (filled.copy_from_table("c", output=io.BytesIO()), filled.copy_to_table("c", source=b""),
                 filled.copy_records_to_table("c", records=[]),
                 filled.copy_from_query("select 1", output=io.BytesIO())):
        with pytest.raises(InterfaceError, match="connection is closed"):
            await call


async def test_many_copies_cancelled_at_any_moment_leave_no_trace(filled):
    loop = asyncio.get_running_loop()
    for n in range(60):
        async def trickle():
            for _ in range(3):
                yield b"1\tx\n" * 5000
                await asyncio.sleep(0.0005)

        copy = (filled.copy_from_query(BIG.format(300), output=io.BytesIO()) if n % 3 == 0 else
                filled.copy_to_table("d", source=trickle()) if n % 3 == 1 else
                filled.copy_records_to_table("d", records=[(1, "x")] * 3000))
        copying = asyncio.create_task(copy)
        loop.call_later(0.0002 * (n % 20), copying.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await copying
        assert await filled.fetchval("select $1::int", n) == n
    assert not filled.is_in_transaction()
    assert filled._session.frontend.n_pending == 0
