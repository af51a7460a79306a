"""The server is killed, stopped or ends its backends while a pool is busy: only what was under way fails, and all is
well as soon as it is back."""
import asyncio
import contextlib
import logging

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from tests.support.cluster import Cluster
from tests.support.waiting import until, until_active

WORKERS = 20
SIZE = 10
# What the promises are (docs/reliability-time.md), and what a busy machine may need: ten times that.
BACK_SECONDS = 0.05 * 10
SLOTS_SECONDS = 1.0
LOST = (OSError, exceptions.PostgresConnectionError, exceptions.OperatorInterventionError,
        exceptions.InterfaceError)


@pytest.fixture(scope="module")
def own_cluster():
    """A server that may be killed."""
    with Cluster() as running:
        yield running


class Workers:
    """Twenty tasks that query a pool of ten without end and note what came of each attempt."""

    def __init__(self, pool):
        self.pool = pool
        self.loop = asyncio.get_running_loop()
        self.attempts = []      # (began, ended, error)
        self.is_over = False
        self.n = 0

    async def one(self):
        while not self.is_over:
            self.n += 1
            n, began, error = self.n, self.loop.time(), None
            try:
                if n % 3:
                    assert await self.pool.fetchval("SELECT $1::int", n) == n
                else:
                    async with self.pool.acquire() as connection, connection.transaction():
                        assert await connection.fetchval("SELECT $1::int", n) == n
            except LOST as raised:
                error = raised
                await asyncio.sleep(0.02)
            self.attempts.append((began, self.loop.time(), error))

    @contextlib.asynccontextmanager
    async def at_work(self):
        tasks = [self.loop.create_task(self.one()) for _ in range(WORKERS)]
        try:
            yield
        finally:
            self.is_over = True
            await asyncio.wait_for(asyncio.gather(*tasks), 10)


async def all_slots_are_back(pool):
    """Seconds until the pool has all its places again, each with a connection that answers."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    held = await asyncio.gather(*[pool.acquire(timeout=10) for _ in range(SIZE)])
    assert await asyncio.gather(*[one.fetchval("SELECT 17") for one in held]) == [17] * SIZE
    for one in held:
        await pool.release(one)
    assert pool.get_size() <= SIZE
    return loop.time() - began


@pytest.mark.parametrize("how", ["kill -9", "immediate stop"])
async def test_only_what_was_under_way_or_tried_meanwhile_fails(own_cluster, how, caplog):
    caplog.set_level(logging.CRITICAL, "asyncpg_core.pool")
    loop = asyncio.get_running_loop()
    async with asyncpg_core.create_pool(own_cluster.dsn(), min_size=SIZE, max_size=SIZE) as pool:
        workers = Workers(pool)
        async with workers.at_work():
            await until(lambda: len(workers.attempts) > 200)
            down_at = loop.time()
            if how == "kill -9":
                await asyncio.to_thread(own_cluster.kill9)
            else:
                await asyncio.to_thread(own_cluster.stop, immediate=True)
            await until(lambda: workers.attempts[-1][2] is not None)
            await asyncio.to_thread(own_cluster.start)
            back_at = loop.time()
            await until(lambda: any(began > down_at and not error for began, _, error in list(workers.attempts)))
            await asyncio.sleep(BACK_SECONDS + 0.3)
        failed = [(began, ended) for began, ended, error in workers.attempts if error is not None]
        in_flight = [one for one in failed if one[0] <= down_at]
        assert len(in_flight) <= WORKERS
        # Who comes while a connect of before is under way waits for that one, and hears that it has failed.
        assert [one for one in failed if one[0] > back_at + BACK_SECONDS] == []
        first = min(ended for began, ended, error in workers.attempts if error is None and began > down_at)
        slots = await all_slots_are_back(pool)
        print(f"\n{how}: {len(in_flight)} in flight and {len(failed) - len(in_flight)} tried while it was down have "
              f"failed; first success {(first - back_at) * 1000:.0f} ms after it was back, all slots {slots:.2f} s")
        assert first - back_at < BACK_SECONDS
        assert slots < SLOTS_SECONDS


async def test_only_those_whose_backends_were_terminated_fail_and_all_slots_come_back(own_cluster):
    async with asyncpg_core.create_pool(own_cluster.dsn(), min_size=SIZE, max_size=SIZE) as pool:
        workers = Workers(pool)
        async with workers.at_work():
            for _ in range(5):
                n = len(workers.attempts)
                await until(lambda n=n: len(workers.attempts) > n + 100)
                await asyncio.to_thread(
                    own_cluster.sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                    "pg_backend_pid() AND backend_type = 'client backend'")
        errors = [error for _, _, error in workers.attempts if error is not None]
        # A shared connection may carry several calls at once.
        assert len(errors) <= 5 * WORKERS
        assert all(isinstance(error, (exceptions.ConnectionDoesNotExistError, exceptions.AdminShutdownError))
                   for error in errors)
        assert await all_slots_are_back(pool) < SLOTS_SECONDS


async def test_a_floor_that_cannot_be_reached_is_tried_less_and_less_often(own_cluster, caplog):
    caplog.set_level(logging.CRITICAL, "asyncpg_core.pool")
    n_tries = 0

    async def connect(*args, **settings):
        nonlocal n_tries
        n_tries += 1
        settings.pop("loop")
        if n_tries > 4:
            raise ConnectionRefusedError("nobody there")
        return await asyncpg_core.connect(*args, **settings)

    async with asyncpg_core.create_pool(own_cluster.dsn(), min_size=4, max_size=4, connect=connect) as pool:
        for member in list(pool._state.idle):
            member.connection.terminate()
        await until(lambda: pool._upkeep.retry_timer is not None)
        n_at_once = n_tries - 4
        assert n_at_once <= 4
        await asyncio.sleep(0.5)
        assert n_tries - 4 == n_at_once
        waits = []
        for _ in range(8):
            pool._upkeep.on_connect_failed(ConnectionRefusedError("nobody there"))
            waits.append(pool._upkeep.retry_seconds)
            pool._upkeep.retry_timer.cancel()
            pool._upkeep.retry_timer = None
        assert waits == sorted(waits) and waits[-1] == 60.0


async def test_a_backend_terminated_inside_a_transaction_says_so_and_the_same_error_leaves_the_block(connect):
    connection, other = await connect(), await connect()
    caught_inside = None
    with pytest.raises(exceptions.ConnectionDoesNotExistError) as caught:
        async with connection.transaction():
            await connection.execute("CREATE TEMP TABLE t (a int)")
            under_way = asyncio.ensure_future(connection.fetchval("SELECT 1 FROM pg_sleep(60)"))
            await until_active(other, connection, "pg_sleep")
            await other.fetchval("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            try:
                await under_way
            except exceptions.ConnectionDoesNotExistError as error:
                caught_inside = error
                raise
    error = caught.value
    assert error is caught_inside
    assert str(error).endswith("terminating connection due to administrator command")
    assert isinstance(error.__cause__, exceptions.AdminShutdownError) and error.__cause__.sqlstate == "57P01"
    assert error.sqlstate_of_cause == "57P01"
    assert connection.is_closed() and not connection.is_in_transaction()


async def test_ten_idle_members_are_terminated_and_thirty_queries_at_once_do_not_notice(own_cluster):
    async with asyncpg_core.create_pool(own_cluster.dsn(), min_size=SIZE, max_size=SIZE) as pool:
        for _ in range(3):
            # The loop does not run meanwhile: nobody but the queries themselves can notice.
            own_cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                            "AND backend_type = 'client backend'")
            outcomes = await asyncio.wait_for(asyncio.gather(
                *[pool.fetchval("SELECT $1::int", n) for n in range(30)], return_exceptions=True), 10)
            assert outcomes == list(range(30))
            assert await all_slots_are_back(pool) < SLOTS_SECONDS
