"""Many operations in flight on one connection: by gather, each with its own Sync, and in a pipeline block, with one."""
import asyncio

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.fake_server import FakeServer
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import until


@pytest.fixture
async def proxied(cluster):
    """A connection whose flights are listed in `proxy.flights`; answers take 20 ms."""
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        await connection.fetchval("select 'it knows who answers'")
        proxy.latency_seconds = 0.02
        proxy.flights.clear()
        proxy.client_is_next = True
        yield connection, proxy
        connection.terminate()


def status(connection):
    return connection._session.frontend.transaction_status


# gather

async def test_gather_of_hundreds_returns_each_its_own(connection):
    values = await asyncio.gather(*[connection.fetchval("select $1::int * 2", i) for i in range(500)])
    assert values == [i * 2 for i in range(500)]


async def test_gather_of_every_kind_of_call(connection):
    await connection.execute("create temp table t (a int)")
    outcomes = await asyncio.gather(
        connection.execute("insert into t values (1)"), connection.fetch("select a from t"),
        connection.execute("insert into t values ($1)", 2), connection.fetchrow("select count(*) from t"),
        connection.executemany("insert into t values ($1)", [(3,), (4,)]), connection.fetchval("select sum(a) from t"),
        connection.fetchmany("insert into t values ($1) returning a", [(5,), (6,)]),
        connection.execute("delete from t; select 1"), connection.fetchval("select count(*) from t"))
    assert outcomes == ["INSERT 0 1", [(1,)], "INSERT 0 1", (2,), None, 10, [(5,), (6,)], "SELECT 1", 0]


async def test_a_failure_leaves_the_neighbours_alone(connection):
    await connection.execute("create temp table t (a int primary key)")
    outcomes = await asyncio.gather(
        connection.execute("insert into t values ($1)", 1), connection.execute("insert into t values ($1)", 1),
        connection.fetchval("select nonsense"), connection.execute("insert into t values ($1)", "bad"),
        connection.execute("insert into t values ($1)", 2), connection.execute("selec"),
        connection.fetchval("select 1, 2", 5), connection.fetchval("select count(*) from t"), return_exceptions=True)
    assert [outcomes[i] for i in (0, 4, 7)] == ["INSERT 0 1", "INSERT 0 1", 2]
    assert [type(outcomes[i]) for i in (1, 2, 3, 5, 6)] == [
        exceptions.UniqueViolationError, exceptions.UndefinedColumnError, exceptions.DataError,
        exceptions.PostgresSyntaxError, exceptions.InterfaceError]
    assert (status(connection), connection._session.frontend.n_pending) == ("I", 0)


async def test_calls_execute_in_the_order_in_which_they_started(connection):
    await connection.execute("create temp table t (id serial, a int)")
    # Statements that are new, known and simple, mixed; the ones that must be described first hold the others.
    calls = []
    for i in range(60):
        if i % 3 == 0:
            calls.append(connection.execute(f"insert into t (a) values ($1) -- {i}", i))
        elif i % 3 == 1:
            calls.append(connection.execute("insert into t (a) values ($1)", i))
        else:
            calls.append(connection.execute(f"insert into t (a) values ({i})"))
    await asyncio.gather(*calls)
    assert [row[0] for row in await connection.fetch("select a from t order by id")] == list(range(60))


async def test_a_statement_may_need_what_the_call_before_it_creates(connection):
    for i in range(5):
        outcomes = await asyncio.gather(
            connection.fetchval("select pg_sleep(0.001)"), connection.execute(f"create temp table made_{i} (a int)"),
            connection.fetch(f"select * from made_{i}"))
        assert outcomes[1:] == ["CREATE TABLE", []]


async def test_large_results_in_a_row_are_not_mixed(connection):
    def query(n):
        return connection.fetch("select $1::int as n, i, repeat('x', 200) from generate_series(1, $2) i", n, 3000 + n)

    for n, rows in enumerate(await asyncio.gather(*[query(n) for n in range(12)])):
        assert len(rows) == 3000 + n
        assert all(row["n"] == n and row["i"] == i for i, row in enumerate(rows, 1))


async def test_large_arguments_both_ways_do_not_deadlock(connection):
    # Both socket buffers are full: who writes must not stop reading.
    big = "x" * 2_000_000
    values = await asyncio.wait_for(
        asyncio.gather(*[connection.fetchval("select $1::text || $2::text", big, str(i)) for i in range(20)]), 30)
    assert [len(value) for value in values] == [2_000_001] * 10 + [2_000_002] * 10


async def test_ten_new_statements_under_gather_cost_two_flights(proxied):
    connection, proxy = proxied
    assert await asyncio.gather(*[connection.fetchval(f"select {i}") for i in range(10)]) == list(range(10))
    assert proxy.flights[0].count(b"select ") == 10
    # The answers to the ten Prepares may come in more than one piece; each lets the executions that it allows go.
    assert 2 <= len(proxy.flights) <= 4
    proxy.flights.clear()
    proxy.client_is_next = True
    assert await asyncio.gather(*[connection.fetchval(f"select {i}") for i in range(10)]) == list(range(10))
    # The first is written when nothing is in flight, the others with the tick.
    assert len(proxy.flights) == 1


async def test_ten_tasks_that_miss_on_one_text_share_one_prepare(proxied):
    connection, proxy = proxied
    assert await asyncio.gather(*[connection.fetchval("select $1::int", i) for i in range(10)]) == list(range(10))
    assert (len(proxy.flights), b"".join(proxy.flights).count(b"select $1::int")) == (2, 1)


async def test_cancel_of_the_first_that_misses_does_not_fail_the_others(connection):
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(connection.fetchval("select $1::int /* shared */", i)) for i in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await asyncio.gather(*tasks[1:]) == [1, 2]
    assert tasks[0].cancelled()


async def test_a_prepare_that_fails_fails_every_caller_and_is_not_remembered(connection):
    outcomes = await asyncio.gather(*[connection.fetchval("select a from made_later") for _ in range(3)],
                                    return_exceptions=True)
    assert [type(one) for one in outcomes] == [exceptions.UndefinedTableError] * 3
    await connection.execute("create temp table made_later as select 5 as a")
    assert await connection.fetchval("select a from made_later") == 5


async def test_executemany_and_its_neighbours_keep_their_order(connection):
    await connection.execute("create temp table t (a int, b text)")
    outcomes = await asyncio.gather(
        connection.fetchval("select count(*) from t"),
        connection.executemany("insert into t values ($1, $2)", ((i, "x" * 500) for i in range(2000))),
        connection.fetchval("select count(*) from t"),
        connection.executemany("insert into t values ($1, $2)", [(1, "a"), ("bad", "b")]),
        connection.fetchval("select count(*) from t"), return_exceptions=True)
    assert [outcomes[i] for i in (0, 1, 2, 4)] == [0, None, 2000, 2000]
    assert type(outcomes[3]) is exceptions.DataError


async def test_every_chunking_of_the_answers_gives_the_same_results(cluster):
    async with FaultProxy(cluster.socket_path) as proxy:
        connection = await asyncpg_core.connect(proxy.dsn)
        for chunk in (1, 2, 3, 5, 7, 64):
            proxy.chunk = chunk
            outcomes = await asyncio.gather(
                connection.fetch(f"select i, 'text' || i from generate_series(1, 5) i -- {chunk}"),
                connection.fetchval("select 1 / 0"), connection.execute("select 1; select 2"), return_exceptions=True)
            assert outcomes[0] == [(i, f"text{i}") for i in range(1, 6)]
            assert (type(outcomes[1]), outcomes[2]) == (exceptions.DivisionByZeroError, "SELECT 1")
        connection.terminate()


async def test_one_write_per_tick_and_each_operation_has_its_own_sync():
    async def script(session):
        await session.start()
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        assert await asyncio.gather(*[connection.fetchval("select 1 as a") for _ in range(5)]) == [1] * 5
        await connection.close()
        kinds = "".join(kind for kind, _ in server.sessions[0].taken)
        assert kinds == "PDS" + "BES" * 5 + "X"


# async with conn.pipeline()

async def test_a_block_returns_each_call_its_own_result_under_one_sync():
    async def script(session):
        await session.start()
        await session.serve()

    async with FakeServer(script) as server:
        connection = await asyncpg_core.connect(server.dsn)
        await connection.fetchval("select 1 as a")
        server.sessions[0].taken.clear()
        async with connection.pipeline() as p:
            calls = [p.fetchval("select 1 as a") for _ in range(4)]
        assert await asyncio.gather(*calls) == [1] * 4
        await connection.close()
        assert "".join(kind for kind, _ in server.sessions[0].taken) == "BE" * 4 + "SX"


async def test_a_block_with_every_method(connection):
    await connection.execute("create temp table t (a int)")
    async with connection.pipeline() as p:
        calls = [p.execute("insert into t values (1)"), p.fetch("select a from t"),
                 p.execute("insert into t values ($1)", 2), p.fetchrow("select count(*) as n from t"),
                 p.fetchval("select max(a) as m from t", column="m"),
                 p.fetchmany("insert into t values ($1) returning a", [(3,), (4,)]),
                 p.executemany("insert into t values ($1)", [(5,), (6,)]), p.fetchval("select count(*) from t")]
    assert [await call for call in calls] == ["INSERT 0 1", [(1,)], "INSERT 0 1", (2,), 2, [(3,), (4,)], None, 6]
    assert await connection.fetchval("select count(*) from t") == 6


@pytest.mark.parametrize("warm", [False, True])
async def test_a_failing_member_aborts_the_others_and_nothing_is_applied(connection, warm):
    await connection.execute("create temp table t (a int primary key)")
    if warm:
        await connection.execute("insert into t values ($1)", 1)
        await connection.fetchval("select count(*) from t")
        await connection.execute("delete from t")
    async with connection.pipeline() as p:
        before = p.execute("insert into t values ($1)", 1)
        failing = p.execute("insert into t values ($1)", 1)
        behind = p.fetchval("select count(*) from t")
    outcomes = await asyncio.gather(before, failing, behind, return_exceptions=True)
    assert [type(one) for one in outcomes] == [
        exceptions.PipelineAborted, exceptions.UniqueViolationError, exceptions.PipelineAborted]
    assert outcomes[0].__cause__ is outcomes[1]
    assert outcomes[2].__cause__ is outcomes[1]
    assert (await connection.fetchval("select count(*) from t"), status(connection)) == (0, "I")


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_a_member_that_cannot_be_prepared_aborts_the_others_and_nothing_is_applied(connection, position):
    await connection.execute("create temp table t (a int primary key)")
    queries = ["insert into t values (1)", "insert into t values (2)", "insert into t values ($1::int4)"]
    queries[position] = "insert into nowhere values (5)"
    async with connection.pipeline() as p:
        calls = [p.execute(query, *([3] if "$1" in query else [])) for query in queries]
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
    assert [type(one) for one in outcomes] == [
        exceptions.UndefinedTableError if i == position else exceptions.PipelineAborted for i in range(3)]
    assert (await connection.fetchval("select count(*) from t"), status(connection)) == (0, "I")


async def test_a_member_added_after_another_was_refused_is_not_executed(connection):
    await connection.execute("create temp table t (a int)")
    await connection.execute("insert into t values ($1)", 1)
    async with connection.pipeline() as p:
        refused = p.execute("insert into nowhere values (5)")
        await until(refused.done)
        late = p.execute("insert into t values ($1)", 2)
    outcomes = await asyncio.wait_for(asyncio.gather(refused, late, return_exceptions=True), 5)
    assert [type(one) for one in outcomes] == [exceptions.UndefinedTableError, exceptions.PipelineAborted]
    assert await connection.fetchval("select count(*) from t") == 1


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_an_argument_error_inside_aborts_the_others_and_nothing_is_applied(connection, position):
    await connection.execute("create temp table t (a int primary key)")
    await connection.execute("insert into t values ($1)", 9)
    await connection.execute("delete from t")
    arguments = [1, 2, 3]
    arguments[position] = "bad"
    async with connection.pipeline() as p:
        calls = [p.execute("insert into t values ($1)", one) for one in arguments]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in outcomes] == [
        exceptions.DataError if i == position else exceptions.PipelineAborted for i in range(3)]
    assert (await connection.fetchval("select count(*) from t"), status(connection)) == (0, "I")


async def test_an_exception_leaving_the_block_applies_nothing(connection):
    await connection.execute("create temp table t (a int primary key)")
    with pytest.raises(KeyError, match="mine"):
        async with connection.pipeline() as p:
            call = p.execute("insert into t values (1)")
            raise KeyError("mine")
    with pytest.raises(exceptions.PipelineAborted):
        await call
    assert (await connection.fetchval("select count(*) from t"), status(connection)) == (0, "I")


async def test_awaiting_inside_the_block_ends_the_group_and_opens_a_new_one(connection):
    await connection.execute("create temp table t (a int primary key)")
    async with connection.pipeline() as p:
        first = p.execute("insert into t values (1)")
        assert await asyncio.wait_for(p.fetchval("select count(*) from t"), 5) == 1
        assert await first == "INSERT 0 1"
        failing = p.execute("insert into t values (1)")
        aborted = p.execute("insert into t values (2)")
    outcomes = await asyncio.gather(failing, aborted, return_exceptions=True)
    assert [type(one) for one in outcomes] == [exceptions.UniqueViolationError, exceptions.PipelineAborted]
    assert await connection.fetch("select a from t") == [(1,)]


@pytest.mark.parametrize("how", ["gather", "task", "wait_for"])
async def test_waiting_for_members_inside_the_block_in_any_way_does_not_hang(connection, how):
    async with connection.pipeline() as p:
        calls = [p.fetchval(f"select {i}") for i in range(3)]
        if how == "gather":
            values = await asyncio.wait_for(asyncio.gather(*calls), 5)
        elif how == "task":
            loop = asyncio.get_running_loop()
            values = [await asyncio.wait_for(loop.create_task(call), 5) for call in calls]
        else:
            values = [await asyncio.wait_for(call, 5) for call in calls]
    assert values == [0, 1, 2]


async def test_calls_from_outside_wait_until_the_group_is_written(connection):
    await connection.execute("create temp table t (id serial, a int)")
    inside = asyncio.Event()
    go_on = asyncio.Event()

    async def block():
        async with connection.pipeline() as p:
            calls = [p.execute("insert into t (a) values (1)")]
            inside.set()
            await go_on.wait()
            calls.append(p.execute("insert into t (a) values (2)"))
        await asyncio.gather(*calls)

    loop = asyncio.get_running_loop()
    task = loop.create_task(block())
    await inside.wait()
    outside = loop.create_task(connection.execute("insert into t (a) values (3)"))
    await asyncio.sleep(0.02)
    assert not outside.done()
    go_on.set()
    await asyncio.wait_for(asyncio.gather(task, outside), 5)
    assert [row[0] for row in await connection.fetch("select a from t order by id")] == [1, 2, 3]


async def test_a_call_on_the_connection_inside_the_block_by_its_own_task_does_not_hang(connection):
    async with connection.pipeline() as p:
        first = p.fetchval("select 1")
        assert await asyncio.wait_for(connection.fetchval("select 2"), 5) == 2
        second = p.fetchval("select 3")
    assert [await first, await second] == [1, 3]


async def test_an_empty_block_does_nothing(connection):
    n_executed = connection._session.n_executed
    async with connection.pipeline():
        pass
    assert connection._session.n_executed == n_executed
    assert await connection.fetchval("select 1") == 1


async def test_vacuum_in_a_block_says_that_it_belongs_outside(connection):
    async with connection.pipeline() as p:
        first = p.fetchval("select 1")
        vacuum = p.execute("vacuum pg_am")
    outcomes = await asyncio.gather(first, vacuum, return_exceptions=True)
    assert type(outcomes[1]) is exceptions.ActiveSQLTransactionError
    said = " ".join([str(outcomes[1]), outcomes[1].hint or "", *getattr(outcomes[1], "__notes__", [])])
    assert "outside pipeline()" in said
    assert await connection.execute("vacuum pg_am") == "VACUUM"


async def test_a_block_inside_a_transaction_that_fails_leaves_the_rollback_to_it(connection):
    await connection.execute("create temp table t (a int primary key)")
    async with connection.transaction():
        await connection.execute("insert into t values (1)")
        with pytest.raises(exceptions.UniqueViolationError):
            async with connection.transaction():
                async with connection.pipeline() as p:
                    fine = p.execute("insert into t values (2)")
                    failing = p.execute("insert into t values (1)")
                outcomes = await asyncio.gather(fine, return_exceptions=True)
                assert type(outcomes[0]) is exceptions.PipelineAborted
                await failing
    assert await connection.fetch("select a from t") == [(1,)]


async def test_a_block_as_first_thing_of_a_transaction_carries_begin(connection):
    await connection.execute("create temp table t (a int primary key)")
    with pytest.raises(KeyError):
        async with connection.transaction():
            async with connection.pipeline() as p:
                calls = [p.execute("insert into t values ($1)", i) for i in range(3)]
            assert await asyncio.gather(*calls) == ["INSERT 0 1"] * 3
            assert status(connection) == "T"
            raise KeyError
    assert (await connection.fetchval("select count(*) from t"), status(connection)) == (0, "I")


async def test_a_second_block_at_once_is_refused_and_the_first_goes_on(connection):
    async with connection.pipeline() as p:
        first = p.fetchval("select 1")
        with pytest.raises(exceptions.InterfaceError, match="pipeline is open"):
            async with connection.pipeline():
                pass
    assert await first == 1
    with pytest.raises(exceptions.InterfaceError, match="over"):
        p.fetchval("select 2")


async def test_a_large_group_is_written_whole_and_settles(connection):
    await connection.execute("create temp table t (a int, b text)")
    async with connection.pipeline() as p:
        calls = [p.execute("insert into t values ($1, $2)", i, "x" * 1000) for i in range(500)]
    assert await asyncio.wait_for(asyncio.gather(*calls), 20) == ["INSERT 0 1"] * 500
    assert await connection.fetchval("select count(*) from t") == 500


async def test_cancel_of_a_member_before_the_group_is_written_drops_it_alone(connection):
    await connection.execute("create temp table t (a int)")
    async with connection.pipeline() as p:
        first = p.execute("insert into t values (1)")
        dropped = p.execute("insert into t values (2)")
        last = p.execute("insert into t values (3)")
        dropped.cancel()
    assert await asyncio.wait_for(asyncio.gather(first, last), 5) == ["INSERT 0 1", "INSERT 0 1"]
    assert [row[0] for row in await connection.fetch("select a from t order by a")] == [1, 3]


async def test_cancel_of_the_last_member_still_ends_the_group(connection):
    async with connection.pipeline() as p:
        first = p.fetchval("select 1")
        last = p.fetchval("select 2")
    last.cancel()
    assert await asyncio.wait_for(first, 5) == 1
    assert await asyncio.wait_for(connection.fetchval("select 3"), 5) == 3


async def test_timeout_of_the_last_member_leaves_the_others_their_results(connection):
    # The server keeps what it has answered until the Sync, so the first member waits for the abandoned one.
    async with connection.pipeline() as p:
        first = p.fetchval("select 1")
        last = p.fetchval("select pg_sleep(0.2)", timeout=0.02)
    with pytest.raises(asyncio.TimeoutError):
        await last
    assert await asyncio.wait_for(first, 5) == 1
    assert await asyncio.wait_for(connection.fetchval("select 3"), 5) == 3


async def test_two_tasks_with_blocks_one_after_the_other(connection):
    async def one(n):
        async with connection.pipeline() as p:
            calls = [p.fetchval("select $1::int", n * 10 + i) for i in range(5)]
        return await asyncio.gather(*calls)

    assert [await one(n) for n in range(5)] == [[n * 10 + i for i in range(5)] for n in range(5)]
