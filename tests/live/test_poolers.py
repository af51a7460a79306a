"""Behind real poolers and proxies, with no setting at all: PgBouncer that cannot follow names, one that can, pgpool-II
and HAProxy."""
import asyncio
import random
import time

import pytest

import asyncpg_core
from tests.support.chaos import note, times
from tests.support.cluster import TRUST_USER
from tests.support.features import REASON
from tests.support.postgres_binaries import Unavailable

# Of the tests alone: what fetches a pooler's packages has bounds of its own.
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(times(600, 30), func_only=True)]

N_CLIENTS, N_SERVERS = 16, 3
KINDS = ["pgbouncer", "newer pgbouncer", "pgpool", "haproxy"]
TRANSACTION_MODE = KINDS[:2]


def start(kind, cluster, **settings):
    from tests.support.haproxy import HAProxy
    from tests.support.pgbouncer import PgBouncer
    from tests.support.pgpool import Pgpool

    if kind == "haproxy":
        return HAProxy(cluster, TRUST_USER)
    if kind == "pgpool":
        return Pgpool(cluster, TRUST_USER)
    return PgBouncer(cluster, TRUST_USER, newer=kind == "newer pgbouncer", **settings)


@pytest.fixture(scope="module")
def started(cluster):
    """Starts each kind once; one that cannot be had here skips what needs it, by name."""
    running, missing = {}, {}

    def get(kind):
        if kind in missing:
            pytest.skip(REASON + kind)
        if kind not in running:
            try:
                running[kind] = start(kind, cluster)
            except Unavailable as why:
                missing[kind] = why
                note("missing", kind=kind, why=str(why))
                pytest.skip(REASON + kind)
        return running[kind]

    yield get
    for daemon in running.values():
        daemon.stop()


@pytest.fixture
def through(started, request):
    """Returns what connect needs for a kind of pooler; the one of the test's parameter `kind` is started."""
    started(request.node.callspec.params["kind"])
    return lambda kind: {"host": "127.0.0.1", "port": started(kind).port, "user": TRUST_USER, "database": "postgres",
                         "ssl": False}


@pytest.fixture
def table(cluster):
    """The table `pooled`, and a function that counts its rows, past all poolers."""
    cluster.sql("DROP TABLE IF EXISTS pooled; CREATE TABLE pooled (client int, n int); CREATE INDEX ON pooled (client);"
                f" GRANT ALL ON pooled TO {TRUST_USER}")
    yield lambda: int(cluster.sql("SELECT count(*) FROM pooled")[0][0])
    cluster.sql("DROP TABLE pooled")


class Mixed:
    """One client's operations, each of which checks what it gets; `n_rows` is how many it has written."""

    def __init__(self, connection, number):
        self.connection = connection
        self.number = number
        self.n_rows = 0
        self.random = random.Random(number)
        self.operations = [
            self.fetch, self.fetchval, self.no_argument, self.script, self.executemany, self.fetchmany, self.pipeline,
            self.transaction, self.savepoint, self.cursor, self.prepared, self.prepared_outside, self.copy_in,
            self.copy_out, self.columns, self.stream, self.count]

    async def run(self, n):
        for _ in range(n):
            await self.random.choice(self.operations)(self.random.randrange(1000))

    async def fetch(self, n):
        rows = await self.connection.fetch("SELECT g FROM generate_series($1::int, $1 + 2) g", n)
        assert [row["g"] for row in rows] == [n, n + 1, n + 2]

    async def fetchval(self, n):
        assert await self.connection.fetchval("SELECT $1::int * 3", n) == n * 3
        assert await self.connection.fetchval("SELECT $1::text || '!'", str(n)) == f"{n}!"

    async def no_argument(self, n):
        assert await self.connection.fetchval(f"SELECT {n % 20}") == n % 20

    async def script(self, n):
        assert await self.connection.execute("SELECT 1; SELECT 2") == "SELECT 1"

    async def executemany(self, n):
        await self.connection.executemany("INSERT INTO pooled VALUES ($1, $2)", [(self.number, n), (self.number, -n)])
        self.n_rows += 2

    async def fetchmany(self, n):
        rows = await self.connection.fetchmany("SELECT $1::int + 1", [(n,), (n + 1,)])
        assert [row[0] for row in rows] == [n + 1, n + 2]

    async def pipeline(self, n):
        async with self.connection.pipeline() as block:
            a = block.fetchval("SELECT $1::int - 1", n)
            block.execute("INSERT INTO pooled VALUES ($1, $2)", self.number, n)
            b = block.fetchval("SELECT $1::int - 2", n)
        assert (await a, await b) == (n - 1, n - 2)
        self.n_rows += 1

    async def transaction(self, n):
        async with self.connection.transaction():
            await self.connection.execute("INSERT INTO pooled VALUES ($1, $2)", self.number, n)
            self.n_rows += 1
            await self.count(n)

    async def savepoint(self, n):
        async with self.connection.transaction():
            await self.connection.execute("INSERT INTO pooled VALUES ($1, $2)", self.number, n)
            self.n_rows += 1
            with pytest.raises(asyncpg_core.DivisionByZeroError):
                async with self.connection.transaction():
                    await self.connection.execute("INSERT INTO pooled VALUES ($1, $2 / 0)", self.number, n)
            await self.count(n)

    async def cursor(self, n):
        async with self.connection.transaction():
            rows = self.connection.cursor("SELECT g FROM generate_series(1, $1::int) g", n % 50, prefetch=10)
            assert [row["g"] async for row in rows] == list(range(1, n % 50 + 1))

    async def prepared(self, n):
        async with self.connection.transaction():
            statement = await self.connection.prepare("SELECT $1::int + 7")
            assert [await statement.fetchval(n), await statement.fetchval(n + 1)] == [n + 7, n + 8]
            assert [row[0] async for row in statement.cursor(n)] == [n + 7]

    async def prepared_outside(self, n):
        statement = await self.connection.prepare("SELECT $1::int + 9")
        assert [await statement.fetchval(n), await statement.fetchval(n + 1)] == [n + 9, n + 10]

    async def copy_in(self, n):
        assert await self.connection.copy_records_to_table("pooled", records=[(self.number, n)] * 3) == "COPY 3"
        self.n_rows += 3

    async def copy_out(self, n):
        got = []

        async def keep(chunk):
            got.append(chunk)

        await self.connection.copy_from_query("SELECT $1::int + 11", n, output=keep)
        assert b"".join(got) == b"%d\n" % (n + 11)

    async def columns(self, n):
        result = await self.connection.fetch_arrow("SELECT g FROM generate_series(1, $1::int) g", n % 9 + 1)
        assert len(result) == n % 9 + 1

    async def stream(self, n):
        batches = self.connection.stream_arrow("SELECT g FROM generate_series(1, $1::int) g", 5, batch_rows=2)
        assert sum([len(batch) async for batch in batches]) == 5

    async def count(self, n):
        n_rows = await self.connection.fetchval("SELECT count(*) FROM pooled WHERE client = $1", self.number)
        assert n_rows == self.n_rows


@pytest.fixture
async def connect_all():
    """Makes connections; they are closed with the test."""
    made = []

    async def connect(where, n, **settings):
        new = await asyncio.gather(*(asyncpg_core.connect(**where, **settings) for _ in range(n)))
        made.extend(new)
        return new

    yield connect
    for connection in made:
        connection.terminate()


@pytest.mark.parametrize("kind", KINDS)
async def test_mixed_operations_of_16_clients_over_3_servers_need_no_setting(through, table, connect_all, kind):
    n_each = times(10_000, 640) // N_CLIENTS
    connections = await connect_all(through(kind), N_CLIENTS)
    started = time.monotonic()
    clients = [Mixed(connection, number) for number, connection in enumerate(connections)]
    for client in clients:
        if kind == "pgpool":
            # It keeps back what the server answers to a Flush, which is how a stream outside a transaction is read.
            client.operations.remove(client.stream)
    await asyncio.gather(*(client.run(n_each) for client in clients))
    modes = {connection.prepare_mode.mode for connection in connections}
    assert table() == sum(client.n_rows for client in clients)
    assert modes == {"never" if kind in TRANSACTION_MODE else "always"}
    note("mixed operations, no setting", kind=kind, operations=n_each * N_CLIENTS, errors=0,
         seconds=round(time.monotonic() - started, 1))


@pytest.mark.parametrize("kind", TRANSACTION_MODE)
async def test_nothing_is_left_of_all_the_statements(through, connect_all, kind):
    connections = await connect_all(through(kind), N_CLIENTS)
    await asyncio.gather(*(c.fetchval(f"SELECT {n}") for n, c in enumerate(connections)))
    # As many at once as there are servers, so that each is asked.
    left = await asyncio.gather(*(connection.fetchval(
        "SELECT count(*) FROM pg_prepared_statements, pg_sleep(0.02) WHERE name <> ''") for connection in connections))
    assert left == [0] * N_CLIENTS


@pytest.mark.parametrize("setting", [{}, {"prepare": "never"}, {"prepare": "auto", "prepare_threshold": 10**9}])
@pytest.mark.parametrize("kind", TRANSACTION_MODE)
@pytest.mark.usefixtures("through")
async def test_interleaved_unnamed_statements_are_never_answered_by_each_other(cluster, connect_all, kind, setting):
    """Two clients with one server process: whatever one of them has parsed is what the other finds."""
    n_rounds = times(10_000, 400) // (6 if setting else 2)
    with start(kind, cluster, pool_size=1) as bouncer:
        where = {"host": "127.0.0.1", "port": bouncer.port, "user": TRUST_USER, "database": "postgres", "ssl": False}
        a, b = await connect_all(where, 2, **setting)
        wrong = 0

        async def ask(connection, text, answer):
            nonlocal wrong
            for n in range(n_rounds):
                wrong += await connection.fetchval(text, n) != answer(n)

        await asyncio.gather(
            ask(a, "SELECT $1::int + 1", lambda n: n + 1), ask(b, "SELECT $1::int * 2", lambda n: n * 2))
        assert wrong == 0
        note("interleaved unnamed statements", kind=kind, setting=str(setting or "none"), answers=2 * n_rounds,
             wrong=wrong)


@pytest.mark.parametrize("kind", TRANSACTION_MODE)
async def test_a_pool_whose_one_shots_share_connections_needs_no_setting(through, table, kind):
    n = times(5_000, 300)
    async with asyncpg_core.create_pool(**through(kind), min_size=2, max_size=6) as pool:
        values = await asyncio.gather(*(pool.fetchval("SELECT $1::int + 5", i) for i in range(n)))
        assert values == [i + 5 for i in range(n)]
        await asyncio.gather(*(pool.execute("INSERT INTO pooled VALUES ($1, $2)", 1, i) for i in range(100)))
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO pooled VALUES ($1, $2)", 1, -1)
            assert connection.prepare_mode.mode == "never"
    assert table() == 101


@pytest.mark.parametrize("kind", ["newer pgbouncer"])
@pytest.mark.usefixtures("through")
async def test_names_that_a_pooler_follows_can_be_chosen(cluster, connect_all, kind):
    with start(kind, cluster, max_prepared_statements=100) as bouncer:
        where = {"host": "127.0.0.1", "port": bouncer.port, "user": TRUST_USER, "database": "postgres", "ssl": False}
        connections = await connect_all(where, N_CLIENTS, prepare="always")

        async def use(connection, number):
            for n in range(40):
                assert await connection.fetchval("SELECT $1::int + 1", n) == n + 1
                async with connection.transaction():
                    assert await connection.fetchval("SELECT $1::int + 2", n) == n + 2
            return connection._session.statements.listed()[0].name

        names = await asyncio.gather(*(use(connection, n) for n, connection in enumerate(connections)))
        assert all(names) and len(set(names)) == N_CLIENTS


@pytest.mark.parametrize("kind", TRANSACTION_MODE)
async def test_a_startup_parameter_that_the_pooler_refuses_is_named_and_explained(through, kind):
    with pytest.raises(asyncpg_core.PostgresError, match="jit") as caught:
        await asyncpg_core.connect(**through(kind), server_settings={"jit": "off"})
    assert "'jit' comes from server_settings" in caught.value.hint and "SET jit" in caught.value.hint


@pytest.mark.parametrize("kind", TRANSACTION_MODE)
async def test_columns_that_have_swapped_their_names_come_with_the_new_ones(through, cluster, connect_all, kind):
    cluster.sql("DROP TABLE IF EXISTS swapped; CREATE TABLE swapped (a int, b int); INSERT INTO swapped VALUES (1, 2);"
                f" GRANT ALL ON swapped TO {TRUST_USER}")
    (connection,) = await connect_all(through(kind), 1)
    for before, after in ((1, 2), (2, 1)):
        assert dict(await connection.fetchrow("SELECT * FROM swapped")) == {"a": before, "b": after}
        cluster.sql("ALTER TABLE swapped RENAME a TO c; ALTER TABLE swapped RENAME b TO a;"
                    " ALTER TABLE swapped RENAME c TO b")
    cluster.sql("DROP TABLE swapped")
