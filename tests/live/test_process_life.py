"""Fork, a second loop, a second asyncio.run, Ctrl-C, what nobody has closed: what becomes of the backends."""
import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

import asyncpg_core
from asyncpg_core import exceptions

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="missing feature: fork")


def run(script, *arguments, **settings):
    """Run a program in a process of its own and return what it has printed; it must end well and say no more."""
    done = subprocess.run([sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(script), *arguments],
                          capture_output=True, text=True, timeout=30, check=False, cwd=os.getcwd(), **settings)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout.split()


async def backends(connection, name):
    return await connection.fetchval("select count(*) from pg_stat_activity where application_name = $1", name)


async def gone(connection, name, seconds=2.0):
    deadline = time.monotonic() + seconds
    while await backends(connection, name):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# Fork

FORKED = """
import asyncio, os, sys
import asyncpg_core
from asyncpg_core.exceptions import InterfaceError, PoolClosed

async def in_child(use):
    try:
        await use()
    except InterfaceError as error:
        assert f"belongs to process {os.getppid()}, of which this one, {os.getpid()}, is a fork" in str(error), error
    else:
        raise AssertionError("it works")

def child(connection, pool, lent):
    for use in (lambda: connection.fetchval("select 1"), lambda: connection.execute("select 1"),
                lambda: connection.reset(), lambda: lent.fetchval("select 1"), lambda: pool.fetchval("select 1"),
                lambda: pool.execute("select 1"), lambda: pool.acquire()):
        asyncio.run(in_child(use))
    async def end():
        await connection.close()
        connection.terminate()
        await pool.close()
        pool.terminate()
        await lent.close()
    asyncio.run(end())
    return 0

async def main(dsn, settings):
    connection = await asyncpg_core.connect(dsn, **settings)
    pool = await asyncpg_core.create_pool(dsn, min_size=3, max_size=3, **settings)
    lent = await pool.acquire()
    running = asyncio.ensure_future(connection.fetchval("select pg_sleep(0.5), 5", column=1))
    await asyncio.sleep(0.1)
    pid = os.fork()
    if pid == 0:
        code = 1
        asyncio.events._set_running_loop(None)
        try:
            code = child(connection, pool, lent)
        finally:
            sys.stdout.flush()
            os._exit(code)
    status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert status[1] == 0, status
    assert await running == 5
    assert await lent.fetchval("select 6") == 6
    await pool.release(lent)
    assert await asyncio.gather(*[pool.fetchval("select $1::int", i) for i in range(9)]) == list(range(9))
    assert await connection.fetchval("select 7") == 7
    await pool.close()
    await connection.close()
    print("all", "is", "well")
"""


@needs_fork
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("tls", ["disable", "require"])
def test_a_forked_child_leaves_the_connections_of_its_parent_alone(cluster, loop, tls):
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="missing feature: uvloop")
    start = "import uvloop; uvloop.install()\n" if loop == "uvloop" else ""
    script = start + FORKED + "asyncio.run(main(sys.argv[1], {'ssl': sys.argv[2]}))"
    from tests.support.cluster import TRUST_USER

    assert run(script, cluster.dsn(TRUST_USER), tls) == [
        "all", "is", "well"]


@needs_fork
def test_a_forked_child_that_ends_in_the_ordinary_way_says_nothing_to_the_server(dsn):
    assert run("""
        import asyncio, os, sys
        import asyncpg_core
        loop = asyncio.new_event_loop()
        connection = loop.run_until_complete(asyncpg_core.connect(sys.argv[1]))
        pool = loop.run_until_complete(asyncpg_core.create_pool(sys.argv[1], min_size=2, max_size=2).__aenter__())
        pid = os.fork()
        if pid == 0:
            del connection, pool
            loop.close()
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert loop.run_until_complete(connection.fetchval("select 1")) == 1
        assert loop.run_until_complete(pool.fetchval("select 2")) == 2
        loop.run_until_complete(pool.close())
        loop.run_until_complete(connection.close())
        loop.close()
        print("well")
        """, dsn) == ["well"]


@needs_fork
def test_a_pool_that_was_not_opened_is_the_childs_to_open(dsn):
    assert run("""
        import asyncio, os, sys
        import asyncpg_core
        pool = asyncpg_core.create_pool(sys.argv[1], min_size=1, max_size=1)
        async def use():
            async with pool:
                print(await pool.fetchval("select 3"), flush=True)
        pid = os.fork()
        if pid == 0:
            asyncio.run(use())
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        asyncio.run(use())
        """, dsn) == ["3", "3"]


# Other loops and threads

def test_a_pool_used_from_another_loop_is_refused_and_stays_usable(dsn):
    ours = asyncio.new_event_loop()
    pool = ours.run_until_complete(asyncpg_core.create_pool(dsn, min_size=1, max_size=1).__aenter__())

    async def use():
        for ask in (pool.acquire, lambda: pool.acquire(timeout=1), lambda: pool.fetchval("select 1"),
                    lambda: pool.execute("select 1"), pool.close):
            with pytest.raises(exceptions.InterfaceError, match="belongs to the event loop .* was made from <"):
                await ask()
        with pytest.raises(exceptions.InterfaceError, match="belongs to the event loop"):
            async with pool.acquire():
                pass

    asyncio.run(use())
    failures = []

    def in_thread():
        try:
            asyncio.run(use())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join(20)
    assert not failures and not thread.is_alive()
    assert ours.run_until_complete(pool.fetchval("select 2")) == 2
    held = ours.run_until_complete(pool.acquire().__aenter__())

    async def wait():
        for ask in (lambda: pool.acquire(timeout=1), lambda: pool.fetchval("select 1")):
            with pytest.raises(exceptions.InterfaceError, match="belongs to the event loop"):
                await ask()

    asyncio.run(wait())
    ours.run_until_complete(pool.release(held))
    assert pool.stats().waiting == 0
    ours.run_until_complete(pool.close())
    ours.close()


@pytest.mark.parametrize("tls", ["disable", "require"])
def test_a_second_asyncio_run_gets_one_clear_error_and_close_releases_the_socket(cluster, tls):
    from tests.support.cluster import TRUST_USER

    made = {}

    async def first():
        dsn = cluster.dsn(TRUST_USER)
        made["connection"] = await asyncpg_core.connect(dsn, ssl=tls, server_settings={"application_name": "twice"})
        made["pool"] = await asyncpg_core.create_pool(
            dsn, ssl=tls, min_size=2, max_size=2, server_settings={"application_name": "twice"})
        assert await made["pool"].fetchval("select 1") == 1

    async def second():
        connection, pool = made["connection"], made["pool"]
        for ask in (lambda: connection.fetchval("select 1"), lambda: pool.fetchval("select 1"),
                    lambda: pool.acquire(timeout=1)):
            with pytest.raises(exceptions.InterfaceError, match="belongs to the event loop .*closed=True"):
                await ask()
        await asyncio.wait_for(connection.close(), 2)
        await asyncio.wait_for(pool.close(), 2)
        assert connection.is_closed() and pool.get_size() == 0
        other = await asyncpg_core.connect(cluster.dsn())
        await gone(other, "twice")
        await other.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error" if tls == "disable" else "ignore")    # asyncio warns of its own TLS transports
        asyncio.run(first())
        asyncio.run(second())
        made.clear()
        gc.collect()


# What nobody has closed

async def test_a_pool_that_is_forgotten_warns_and_its_backends_go(dsn, connection):
    pool = await asyncpg_core.create_pool(
        dsn, min_size=3, max_size=3, max_lifetime=100, server_settings={"application_name": "forgotten"})
    assert await pool.fetchval("select 1") == 1
    async with pool.acquire() as lent:
        assert await lent.fetchval("select 1") == 1
    assert await backends(connection, "forgotten") == 3
    del lent
    with pytest.warns(ResourceWarning, match="unclosed pool <Pool open 3/3>"):
        del pool
        gc.collect()
    await gone(connection, "forgotten")


async def test_a_pool_that_was_closed_does_not_warn(dsn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for end in ("close", "terminate"):
            pool = await asyncpg_core.create_pool(dsn, min_size=1, max_size=1)
            if end == "close":
                await pool.close()
            else:
                pool.terminate()
                await asyncio.gather(*pool._tasks, return_exceptions=True)
            del pool
            gc.collect()
        asyncpg_core.create_pool(dsn, min_size=1, max_size=1)
        gc.collect()


def test_a_program_that_closes_nothing_leaves_no_backend(dsn, cluster):
    script = textwrap.dedent("""
        import asyncio, sys
        import asyncpg_core
        async def main():
            settings = {"server_settings": {"application_name": "left"}}
            connection = await asyncpg_core.connect(sys.argv[1], **settings)
            pool = await asyncpg_core.create_pool(sys.argv[1], min_size=2, max_size=2, **settings)
            print(await connection.fetchval("select 1"), await pool.fetchval("select 2"))
        asyncio.run(main())
        """)
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script, dsn], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0 and done.stdout.split() == ["1", "2"], done.stderr
    assert "ResourceWarning: unclosed connection" in done.stderr and "ResourceWarning: unclosed pool" in done.stderr
    assert "Traceback" not in done.stderr.replace("Object allocated at", "")
    deadline = time.monotonic() + 2
    while cluster.sql("select 1 from pg_stat_activity where application_name = 'left'"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="missing feature: SIGINT to one process")
@pytest.mark.parametrize("what", ["connection", "pool", "unclosed", "transaction"])
def test_ctrl_c_in_the_middle_of_a_query_leaves_no_backend(dsn, cluster, what):
    script = textwrap.dedent("""
        import asyncio, signal, sys
        import asyncpg_core
        signal.signal(signal.SIGINT, signal.default_int_handler)    # A shell's background jobs ignore it.
        dsn, what = sys.argv[1:]
        settings = {"server_settings": {"application_name": "interrupted"}}
        async def main():
            if what == "pool":
                async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, **settings) as pool:
                    await pool.fetchval("select pg_sleep(60)")
            connection = await asyncpg_core.connect(dsn, **settings)
            if what == "unclosed":
                await connection.fetchval("select pg_sleep(60)")
            try:
                if what == "transaction":
                    async with connection.transaction():
                        await connection.execute("select pg_sleep(60)")
                await connection.fetchval("select pg_sleep(60)")
            finally:
                await connection.close()
        asyncio.run(main())
        """)
    running = "select 1 from pg_stat_activity where application_name = 'interrupted'"
    process = subprocess.Popen([sys.executable, "-c", script, dsn, what], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 10
        while not cluster.sql(f"{running} and query like '%pg_sleep%' and state = 'active'"):
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        assert "KeyboardInterrupt" in stderr
        deadline = time.monotonic() + 2
        while cluster.sql(running):
            assert time.monotonic() < deadline, "its backend is still there"
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
