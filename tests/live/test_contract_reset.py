"""Connection.reset(): what it undoes, what it keeps and of whom it complains; and the pool's patience at its end."""
import asyncio
import logging

import pytest

import asyncpg_core
from asyncpg_core import exceptions, pool_end


async def test_reset_undoes_settings_locks_cursors_channels_temporary_tables_and_roles(connection, connect):
    other = await connect()
    await connection.execute("drop role if exists resetting; create role resetting")
    try:
        await connection.execute("""
            set statement_timeout = 12345; create temp table mine (a int); listen a_channel;
            select pg_advisory_lock(77); declare held cursor with hold for select 1; set role resetting""")
        await connection.reset()
        assert tuple(await connection.fetchrow(
            "select current_setting('statement_timeout'), to_regclass('mine'), current_user,"
            " (select count(*) from pg_cursors where name = 'held'),"
            " (select count(*) from pg_listening_channels())")) == ("0", None, "postgres", 0, 0)
        assert await other.fetchval("select pg_try_advisory_lock(77)") is True
    finally:
        await connection.execute("reset role; drop role resetting")


async def test_reset_keeps_codecs_statements_and_sequences(connection):
    await connection.set_type_codec("int8", schema="pg_catalog", encoder=str, decoder=lambda text: f"<{text}>")
    statement = await connection.prepare("select 5::int8")
    await connection.reset()
    assert (await connection.fetchval("select 7::int8"), await statement.fetchval()) == ("<7>", "<5>")


async def test_the_reset_query_has_a_line_for_each_thing(connection):
    assert connection.get_reset_query().splitlines() == [
        "SELECT pg_catalog.pg_advisory_unlock_all();", "CLOSE ALL;", "UNLISTEN *;", "RESET ALL;", "DISCARD TEMP;"]


@pytest.mark.expects_loop_errors
@pytest.mark.parametrize("begin", ["by hand", "by a transaction", "failed"])
async def test_reset_rolls_back_an_open_transaction_and_tells_the_loop(connection, quiet_loop, begin):
    await connection.execute("drop table if exists r; create table r (a int)")
    if begin == "by a transaction":
        await connection.transaction().start()
    else:
        await connection.execute("begin")
    await connection.execute("insert into r values (1)")
    if begin == "failed":
        with pytest.raises(exceptions.PostgresSyntaxError):
            await connection.execute("selec")
    await connection.reset()
    assert not connection.is_in_transaction()
    assert await connection.fetchval("select count(*) from r") == 0
    assert len(quiet_loop) == 1 and "Resetting connection with an active transaction" in quiet_loop[0]


async def test_reset_inside_a_managed_block_rolls_back_and_tells_nobody(connection):
    with pytest.raises(exceptions.InterfaceError):
        async with connection.transaction():
            await connection.execute("create temp table never (a int)")
            await connection.reset()
            assert not connection.is_in_transaction()
            raise exceptions.InterfaceError("the block's own")
    assert await connection.fetchval("select to_regclass('never')") is None


async def test_reset_of_a_fresh_transaction_sends_no_begin(connection):
    async with connection.transaction():
        await connection.reset()
        assert not connection.is_in_transaction()


async def test_a_pool_that_waits_long_for_its_borrowers_says_so(dsn, monkeypatch, caplog):
    monkeypatch.setattr(pool_end, "CLOSE_WARNING_SECONDS", 0.02)
    caplog.set_level(logging.WARNING, "asyncpg_core.pool")
    pool = await asyncpg_core.create_pool(dsn, min_size=1, max_size=1)
    lent = await pool.acquire()
    closing = asyncio.create_task(pool.close())
    while not caplog.records:
        await asyncio.sleep(0.01)
    assert not closing.done() and "taking over 60 seconds" in caplog.text
    await pool.release(lent)
    await asyncio.wait_for(closing, 5)
