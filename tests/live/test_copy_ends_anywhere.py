"""A COPY whose sink or source raises, or is cancelled, at any chunk: the error is its own, the connection usable."""
import asyncio

import pytest

N_CHUNKS = 5
USABLE_SECONDS = 1.0
WIDE = "SELECT i, repeat('x', 20000) FROM generate_series(1, 40) i"


class Mine(Exception):
    """What the user's own code raises."""


@pytest.fixture
async def place(connection):
    await connection.execute("CREATE TEMP TABLE ends (a int, b text)")
    return connection


async def usable(connection, began):
    """The connection answers within a second of the end, outside of a transaction."""
    assert await asyncio.wait_for(connection.fetchval("SELECT 17"), 5) == 17
    assert asyncio.get_running_loop().time() - began < USABLE_SECONDS
    assert not connection.is_in_transaction() and connection._session.frontend.n_pending == 0


def end_at(at, how, counter):
    """What the user's code does at chunk `at`: raise, or be cancelled there."""
    async def step():
        counter.append(None)
        if len(counter) == at:
            if how == "raises":
                raise Mine
            asyncio.current_task().cancel()
        await asyncio.sleep(0)
    return step


@pytest.mark.parametrize("how", ["raises", "is cancelled"])
@pytest.mark.parametrize("direction", ["into a sink", "from a source", "of records", "by rows"])
async def test_the_end_at_any_chunk_leaves_the_connection_usable(place, direction, how):
    reached_end = False
    for at in range(1, 60):
        counter = []
        step = end_at(at, how, counter)

        async def sink(chunk, step=step):
            await step()

        async def source(step=step):
            for _ in range(N_CHUNKS):
                await step()
                yield b"1\tx\n" * 10_000
            await step()        # after the last one

        async def records(step=step):
            for n in range(N_CHUNKS):
                await step()
                yield n, "x" * 1000
            await step()

        async def rows(step=step):
            async with place.copy_rows(WIDE) as found:
                async for _ in found:
                    await step()

        copy = {"into a sink": lambda sink=sink: place.copy_from_query(WIDE, output=sink),
                "from a source": lambda source=source: place.copy_to_table("ends", source=source()),
                "of records": lambda records=records: place.copy_records_to_table("ends", records=records()),
                "by rows": rows}[direction]
        task = asyncio.ensure_future(copy())
        await asyncio.wait([task], timeout=5)
        began = asyncio.get_running_loop().time()
        if len(counter) < at:
            task.result()
            reached_end = True
            break
        assert task.cancelled() if how == "is cancelled" else type(task.exception()) is Mine, (at, task)
        await usable(place, began)
    assert reached_end and at > 3
    expected = {"from a source": 10_000 * N_CHUNKS, "of records": N_CHUNKS}.get(direction, 0)
    assert await place.fetchval("SELECT count(*) FROM ends") == expected
