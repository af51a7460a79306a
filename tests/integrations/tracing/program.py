"""What the tracers look at: one program that uses every part of the API which one of them traces."""
import contextlib


async def run(asyncpg, dsn):
    """Run all of it. Each part is announced by `SELECT 'part'` on a connection, so that its spans can be told apart."""
    connection = await asyncpg.connect(dsn)
    try:
        for part in PARTS:
            await connection.execute(f"SELECT '{part.__name__}'")
            await part(connection)
    finally:
        await connection.close()
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await in_a_pool(pool)


async def queries(connection):
    await connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
    assert await connection.execute("INSERT INTO t VALUES ($1, $2)", 1, "x") == "INSERT 0 1"
    assert [tuple(row) for row in await connection.fetch("SELECT a, b FROM t")] == [(1, "x")]
    assert tuple(await connection.fetchrow("SELECT * FROM t WHERE a = $1", 1)) == (1, "x")
    assert await connection.fetchrow("SELECT * FROM t WHERE a = $1", 9) is None
    assert await connection.fetchval("SELECT b FROM t WHERE a = $1", 1) == "x"


async def many(connection):
    assert await connection.executemany("INSERT INTO t VALUES ($1, $2)", [(2, "y"), (3, "z")]) is None
    rows = await connection.fetchmany("INSERT INTO t VALUES ($1, $2) RETURNING a", [(4, "y"), (5, "z")])
    assert [row["a"] for row in rows] == [4, 5]


async def errors(connection):
    with contextlib.suppress(ZeroDivisionError, Exception):
        await connection.fetch("SELECT 1 / $1::int", 0)
    with contextlib.suppress(Exception):
        await connection.execute("SELECT nonsense")


async def transactions(connection):
    async with connection.transaction():
        await connection.execute("DELETE FROM t WHERE a = $1", 5)
        async with connection.transaction():
            await connection.execute("DELETE FROM t")
    with contextlib.suppress(LookupError):
        async with connection.transaction(isolation="serializable"):
            await connection.execute("INSERT INTO t VALUES (1)")
            with contextlib.suppress(LookupError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO t VALUES (2)")
                    raise LookupError
            raise LookupError
    assert await connection.fetchval("SELECT count(*) FROM t") == 0


async def by_hand(connection):
    block = connection.transaction(readonly=True)
    await block.start()
    await connection.fetchval("SELECT 1")
    await block.commit()
    block = connection.transaction()
    await block.start()
    await connection.fetchval("SELECT 1")
    await block.rollback()


async def statements(connection):
    statement = await connection.prepare("SELECT $1::int AS n")
    assert (await statement.fetchrow(2))["n"] == 2
    assert [row["n"] for row in await statement.fetch(1)] == [1]
    assert statement.get_statusmsg() == "SELECT 1"
    assert await statement.fetchval(3) == 3
    insert = await connection.prepare("INSERT INTO t VALUES ($1) RETURNING a")
    await insert.executemany([(11,), (12,)])
    assert [row["a"] for row in await insert.fetchmany([(13,), (14,)])] == [13, 14]


async def cursors(connection):
    async with connection.transaction():
        numbers = [row[0] async for row in connection.cursor("SELECT generate_series(1, 5)", prefetch=2)]
        assert numbers == [1, 2, 3, 4, 5]
        cursor = await connection.cursor("SELECT generate_series(1, $1)", 6)
        assert [row[0] for row in await cursor.fetch(2)] == [1, 2]
        assert await cursor.forward(1) == 1
        assert (await cursor.fetchrow())[0] == 4
        statement = await connection.prepare("SELECT generate_series(1, 2)")
        assert [row[0] async for row in statement.cursor()] == [1, 2]


async def copies(connection):
    assert await connection.copy_records_to_table("t", records=[(21, "r")]) == "COPY 1"
    written = bytearray()

    async def write(chunk):
        written.extend(chunk)

    async def read():
        yield b"22\ts\n"

    assert await connection.copy_from_table("t", columns=["a"], output=write) == "COPY 5"
    assert await connection.copy_from_query("SELECT 1", output=write) == "COPY 1"
    assert await connection.copy_to_table("t", source=read()) == "COPY 1"
    assert written.split() == [b"11", b"12", b"13", b"14", b"21", b"1"]


async def listeners(connection):
    await connection.add_listener("news", print)
    await connection.remove_listener("news", print)
    await connection.reset()


async def in_a_pool(pool):
    assert await pool.fetchval("SELECT 1") == 1
    assert (await pool.fetchrow("SELECT $1::int", 2))[0] == 2
    assert await pool.execute("UPDATE t SET b = $1", "new") == "UPDATE 6"
    async with pool.acquire() as connection, connection.transaction():
        assert len(await connection.fetch("SELECT a FROM t")) == 6


PARTS = (queries, many, errors, transactions, by_hand, statements, cursors, copies, listeners)
