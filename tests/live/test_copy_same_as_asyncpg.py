"""COPY side by side with asyncpg: the same tag, the same bytes, the same error, and the same rows afterwards."""
import io

import pytest

OUT = [
    ("copy_from_table", ("c",), {}),
    ("copy_from_table", ("c",), {"columns": ("b",), "schema_name": "public", "format": "csv"}),
    ("copy_from_table", ("c",), {"format": "csv", "header": True, "delimiter": ";", "null": "\\N", "quote": "'",
                                 "escape": "\\", "force_quote": ["a"], "encoding": "latin1"}),
    ("copy_from_table", ("c",), {"format": "csv", "force_quote": True}),
    ("copy_from_table", ("c",), {"format": "csv", "force_quote": False}),
    ("copy_from_table", ("c",), {"format": "binary"}),
    ("copy_from_table", ("c",), {"format": "csv", "header": "match"}),
    ("copy_from_table", ("c",), {"oids": True}),
    ("copy_from_table", ("c",), {"format": "nonsense"}),
    ("copy_from_table", ("C",), {}),
    ("copy_from_table", ("c",), {"columns": ["none"]}),
    ("copy_from_table", ("c",), {"schema_name": "none"}),
    ("copy_from_query", ("select 1, 'x'",), {}),
    ("copy_from_query", ("select $1::int, $2::text, $3::date", 1, "it's \\", None), {}),
    ("copy_from_query", ("select $1::int[], $2::bytea, $3::numeric", [1, None], b"\0", 5), {"format": "csv"}),
    ("copy_from_query", ("select $1::int", 1, 2), {}),
    ("copy_from_query", ("select $1::int",), {}),
    ("copy_from_query", ("selec",), {}),
    ("copy_from_query", ("select 1 / (n - 3) from generate_series(1, 5) n",), {}),
]
IN = [
    (b"1\tx\n2\t\\N\n", {}),
    (b"", {}),
    (b"1,x\n2,\n", {"format": "csv"}),
    (b"b;a\nx;1\nNULL;2\n", {"format": "csv", "header": True, "delimiter": ";", "null": "NULL", "columns": ["b", "a"]}),
    (b"1,\"\"\n2,''\n", {"format": "csv", "force_not_null": ["b"], "quote": "'"}),
    (b'1,""\n', {"format": "csv", "force_null": ["b"]}),
    (b"1\tx\n2\ty\n", {"where": "a > 1"}),
    (b"1\t\xe9\n", {"encoding": "latin1"}),
    (b"1\t\xe9\n", {}),
    (b"bad\tx\n", {}),
    (b"1\n", {}),
    (b"1\tx\n", {"columns": ["none"]}),
    (b"1\tx\n", {"freeze": True}),
    (b"1\tx\n", {"where": "nonsense"}),
]
RECORDS = [
    ([(1, "x"), [2, None]], {}),
    ([], {}),
    (["1"], {"columns": ["b"]}),
    ([("x", 1)], {"columns": ["b", "a"], "schema_name": "public"}),
    ([(n, "x") for n in range(20)], {"where": "a % 2 = 0"}),
    ([(1, "x")], {"columns": ["none", "a"]}),
    ([(1,)], {"columns": ["a"], "timeout": 5}),
]


@pytest.fixture
async def both(connect, dsn):
    asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    ours, theirs = await connect(), await asyncpg.connect(dsn)
    await ours.execute("""
        drop table if exists c, d cascade; create table c (a int, b text); create table d (like c);
        insert into c values (1, 'one'), (2, null), (3, 'th"r,ee \\ '' é')""")
    yield ours, theirs
    await theirs.close()


async def outcome(call):
    """Return the tag, or the class of the error with its SQLSTATE."""
    try:
        return await call
    except Exception as error:
        return type(error).__name__, getattr(error, "sqlstate", None)


@pytest.mark.parametrize(("method", "args", "options"), OUT, ids=range(len(OUT)))
async def test_the_same_comes_out(both, method, args, options):
    seen = []
    for connection in both:
        out = io.BytesIO()
        seen.append((await outcome(getattr(connection, method)(*args, output=out, **options)), out.getvalue()))
        assert await connection.fetchval("select 1") == 1
    assert seen[0] == seen[1]


@pytest.fixture
def path(tmp_path, source):
    """A file with the source."""
    (tmp_path / "source").write_bytes(source)
    return tmp_path / "source"


@pytest.mark.parametrize(("source", "options"), IN, ids=range(len(IN)))
async def test_the_same_goes_in(both, source, options, path):
    async def pieces():
        for at in range(0, len(source), 2):
            yield source[at:at + 2]

    for kind in (lambda: path, lambda: io.BytesIO(source), lambda: bytearray(source), pieces):
        seen = []
        for connection in both:
            tag = await outcome(connection.copy_to_table("d", source=kind(), **options))
            seen.append((tag, [tuple(row) for row in await connection.fetch("select * from d order by 1, 2")]))
            await connection.execute("truncate d")
        assert seen[0] == seen[1]


@pytest.mark.parametrize(("records", "options"), RECORDS, ids=range(len(RECORDS)))
async def test_the_same_records_go_in(both, records, options):
    seen = []
    for connection in both:
        tag = await outcome(connection.copy_records_to_table("d", records=records, **options))
        seen.append((tag, [tuple(row) for row in await connection.fetch("select * from d order by 1, 2")]))
        await connection.execute("truncate d")
    assert seen[0] == seen[1]
