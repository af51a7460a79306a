"""pgqueuer and asyncpg-listen: jobs and messages by LISTEN and NOTIFY, over one connection and over a pool."""
import asyncio
import datetime

import asyncpg
import asyncpg_listen
import pytest
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, PgQueuer, Queries
from pgqueuer.domain.types import QueueExecutionMode


async def work(driver):
    queuer, done = PgQueuer(driver), []

    @queuer.entrypoint("double")
    async def double(job):
        done.append(int(job.payload) * 2)

    queries = Queries(driver)
    await queries.enqueue(["double"] * 20, [str(n).encode() for n in range(20)], [0] * 20)
    await asyncio.wait_for(queuer.qm.run(
        dequeue_timeout=datetime.timedelta(seconds=1), mode=QueueExecutionMode.drain), 20)
    assert sorted(done) == [2 * n for n in range(20)]
    assert not await queries.queue_size()


async def test_jobs_are_done_over_a_connection(dsn):
    connection = await asyncpg.connect(dsn)
    driver = AsyncpgDriver(connection)
    await Queries(driver).install()
    await work(driver)
    await connection.close()


async def test_jobs_are_done_over_a_pool(dsn):
    async with asyncpg.create_pool(dsn, min_size=2, max_size=4) as pool:
        async with AsyncpgPoolDriver(pool) as driver:
            await Queries(driver).install()
            await work(driver)


async def test_a_worker_that_waits_is_woken_by_a_new_job(dsn):
    worker, client = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await Queries(AsyncpgDriver(client)).install()
    queuer, done = PgQueuer.from_asyncpg_connection(worker), asyncio.Event()

    @queuer.entrypoint("only")
    async def only(job):
        done.set()

    running = asyncio.ensure_future(queuer.qm.run(dequeue_timeout=datetime.timedelta(seconds=30)))
    await asyncio.sleep(0.2)
    await Queries(AsyncpgDriver(client)).enqueue(["only"], [None], [0])
    await asyncio.wait_for(done.wait(), 10)
    queuer.shutdown.set()
    await asyncio.wait_for(running, 20)
    await worker.close()
    await client.close()


@pytest.mark.parametrize("policy", [*asyncpg_listen.ListenPolicy])
async def test_messages_are_heard_after_a_lost_connection_too(dsn, policy):
    heard, connections = [], []

    async def connect():
        connections.append(await asyncpg.connect(dsn))
        return connections[-1]

    async def hear(message):
        if isinstance(message, asyncpg_listen.Notification):
            heard.append(message.payload)

    listening = asyncio.ensure_future(asyncpg_listen.NotificationListener(connect, reconnect_delay=0).run(
        {"news": hear}, policy=policy, notification_timeout=5))
    speaker = await asyncpg.connect(dsn)
    for n_connections in (1, 2):
        while len(connections) < n_connections or "ready" not in heard:
            await speaker.execute("NOTIFY news, 'ready'")
            await asyncio.sleep(0.02)
        heard.clear()
        await speaker.execute("SELECT pg_notify('news', n::text) FROM generate_series(1, 3) AS n")
        while heard[-1:] != ["3"]:
            await asyncio.sleep(0.02)
        told = [message for message in heard if message != "ready"]
        # With LAST the one that wakes the listener is told too.
        assert told == ["1", "2", "3"] if policy is asyncpg_listen.ListenPolicy.ALL else told in (["1", "3"], ["3"])
        heard.clear()
        await speaker.execute("SELECT pg_terminate_backend($1)", connections[-1].get_server_pid())
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await speaker.close()
