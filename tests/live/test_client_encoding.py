"""Sessions in another client_encoding than UTF-8: the server says what is right."""
import asyncio
import io

import pytest

import asyncpg_core
from asyncpg_core import exceptions
from pgproto.encodings import known_encodings
from tests.support.arrow_reader import read

# All of them are in every one of the encodings that the tests below take; the last one is not.
TEXT = "é ü ß"
EURO = "\u20ac"
CONVERT = """
    create function pg_temp.converted(body bytea, name text) returns text language plpgsql as
    $$ begin return convert_from(body, name); exception when others then return null; end $$"""


def characters(codec):
    """All characters that Python's codec writes as one, with their bytes."""
    found = []
    for i in (*range(0xA0, 0xD800), *range(0xE000, 0x10000), 0x20000, 0x1F600):
        try:
            found.append((chr(i), chr(i).encode(codec)))
        except UnicodeEncodeError:
            continue
    return found


def is_read(body, codec):
    try:
        return bool(body.decode(codec))
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("name", sorted(known_encodings()))
async def test_each_character_arrives_as_itself_or_is_refused(connection, name):
    chars = characters(known_encodings()[name])
    await connection.execute(CONVERT)
    truth = await connection.fetchval(
        "select array_agg(pg_temp.converted(b, $2) order by n) from unnest($1::bytea[]) with ordinality as u (b, n)",
        [body for _, body in chars], name)
    same = [char for (char, _), known in zip(chars, truth, strict=True) if char == known]
    theirs = await connection.fetchval(
        "select array_agg(convert_to(c, $2) order by n) from unnest($1::text[]) with ordinality as u (c, n)",
        same, name)
    await connection.execute(f"set client_encoding to '{name}'")
    # The server has two ways to write some characters of Japanese, and Python reads one of them.
    odd = [char for char, body in zip(same, theirs, strict=True) if not is_read(body, known_encodings()[name])]
    assert not odd or (name == "EUC_JP" and len(odd) < 30)
    for char in odd:
        with pytest.raises(exceptions.DecodeError, match="column 'text' of type text cannot be read"):
            await connection.fetchval("select $1::text", char)
    same = [char for char in same if char not in odd]
    assert len(same) > 40
    got = await connection.fetchrow(
        "select $1::text[] as a, (select array_agg(convert_to(c, 'UTF8') order by n) "
        "from unnest($1::text[]) with ordinality as u (c, n)) as b, $2 as c", same, "".join(same))
    assert got["b"] == [char.encode() for char in same]
    assert got["a"] == same
    assert got["c"] == "".join(same)
    # What Python writes as the bytes of another character of the server's is not sent.
    for (char, _), known in zip(chars, truth, strict=True):
        if known is not None and known != char:
            with pytest.raises(exceptions.DataError, match="not all characters"):
                await connection.fetchval("select $1::text", char)
    assert await connection.fetchval("select $1::text", "ascii") == "ascii"


@pytest.mark.parametrize("settings", [
    {"server_settings": {"client_encoding": "latin1"}}, {"server_settings": {"Client_Encoding": "LATIN1"}}, {}])
async def test_all_ways_of_text_in_a_session_that_speaks_latin1(connect, dsn, settings):
    connection = await connect(dsn, **settings) if settings else await connect(f"{dsn}&client_encoding=LATIN1")
    assert connection.get_settings().client_encoding == "LATIN1"
    await connection.execute(f"""
        create temp table t (a text, "größe" text[], j jsonb);
        insert into t values ('{TEXT}', array['{TEXT}'], '"{TEXT}"')""")
    assert await connection.fetchval(f"select '{TEXT}' = convert_from($1, 'UTF8')", TEXT.encode())
    assert dict(await connection.fetchrow("select * from t")) == {"a": TEXT, "größe": [TEXT], "j": f'"{TEXT}"'}
    assert await connection.fetchval("select a from t where a = $1", TEXT) == TEXT
    await connection.executemany("insert into t (a) values ($1)", [(TEXT,)] * 3)
    await connection.copy_records_to_table("t", records=[(TEXT, [TEXT], f'"{TEXT}"')] * 3)
    table = await connection.fetch_arrow("select a, j from t")
    await connection.copy_arrow_to_table("t", table)
    assert read(await connection.fetch_arrow("select distinct a from t")).columns == [[TEXT]]
    assert [row async for row in connection.copy_rows("select distinct a from t")] == [(TEXT,)]
    assert await connection.fetchval("select count(*) from t where convert_to(a, 'UTF8') = $1", TEXT.encode()) == 14
    async with connection.transaction():
        assert [row[0] async for row in connection.cursor("select distinct a from t")] == [TEXT]
    statement = await connection.prepare("select $1::text as \"größe\"")
    assert dict(await statement.fetchrow(TEXT)) == {"größe": TEXT}
    # A file is in the session's encoding: its bytes are nobody's but the server's and the user's.
    file = io.BytesIO()
    await connection.copy_from_query("select distinct a from t", output=file)
    assert file.getvalue() == TEXT.encode("latin-1") + b"\n"
    with pytest.raises(exceptions.RaiseError, match=TEXT):
        await connection.execute(f"do $$ begin raise '{TEXT}'; end $$")
    for call in (connection.fetchval("select $1::text", EURO), connection.execute(f"select '{EURO}'"),
                 connection.copy_records_to_table("t", records=[(EURO, None, None)]),
                 connection.fetchval("select convert_from($1, 'UTF8')", EURO.encode())):
        with pytest.raises((exceptions.DataError, exceptions.InterfaceError)):
            await call
    assert await connection.fetchval("select 1") == 1


async def test_a_user_types_text_travels_in_it_too(connection):
    await connection.execute(f"""
        drop type if exists pair, mood cascade; create type mood as enum ('{TEXT}', 'b');
        create type pair as (a text, b mood); set client_encoding to 'WIN1252'""")
    assert await connection.fetchrow(f"select row($1, '{TEXT}')::pair as p, array[$1]::text[] as l", TEXT) == (
        (TEXT, TEXT), [TEXT])
    assert await connection.fetchval("select ($1::pair).b", (TEXT, TEXT)) == TEXT
    assert read(await connection.fetch_arrow("select $1::mood as m, $2::pair as p", TEXT, (TEXT, "b"))).columns == [
        [TEXT], [(TEXT, "b")]]
    await connection.execute("reset client_encoding; drop type pair, mood")


async def test_an_encoding_that_python_does_not_know_is_an_error_of_text_alone(connection):
    await connection.execute("set client_encoding to 'EUC_TW'")
    assert await connection.fetchrow("select 1, 'ascii', $1::text", "ascii") == (1, "ascii", "ascii")
    with pytest.raises(exceptions.DataError, match="client_encoding is EUC_TW"):
        await connection.fetchval("select $1::text", "\u4e00")
    with pytest.raises(exceptions.DecodeError, match="client_encoding is EUC_TW"):
        await connection.fetchval("select convert_from($1, 'UTF8')", "\u4e00".encode())
    with pytest.raises(exceptions.InterfaceError, match="client_encoding"):
        await connection.execute("select '\u4e00'")
    await connection.execute("reset client_encoding")
    assert await connection.fetchval("select $1::text", "\u4e00") == "\u4e00"


async def test_an_encoding_that_the_server_does_not_know_is_its_error(connect):
    with pytest.raises(exceptions.InvalidParameterValueError, match="client_encoding"):
        await connect(server_settings={"client_encoding": "klingon"})


async def test_the_change_ends_with_the_transaction_that_made_it(connection):
    with pytest.raises(ZeroDivisionError):
        async with connection.transaction():
            await connection.execute("set local client_encoding to latin1")
            assert await connection.fetchval("select $1::text", TEXT) == TEXT
            raise ZeroDivisionError
    assert await connection.fetchval("select $1::text", EURO) == EURO


class Awaited(asyncpg_core.Connection):
    """A reset query of the user's is awaited before the connection is lent again."""

    def get_reset_query(self):
        return super().get_reset_query()


class Forgetful(asyncpg_core.Connection):
    def get_reset_query(self):
        return "select 1"


@pytest.mark.parametrize("kind", [asyncpg_core.Connection, Awaited, Forgetful])
async def test_a_borrower_who_changes_it_leaves_nothing_to_the_next(dsn, kind):
    async with asyncpg_core.create_pool(dsn, min_size=1, max_size=1, connection_class=kind) as pool:
        for _ in range(3):
            async with pool.acquire() as connection:
                pid = connection.get_server_pid()
                await connection.execute("set client_encoding to latin1")
                assert await connection.fetchval("select $1::text", TEXT) == TEXT
            assert await pool.fetchval("select $1::text", EURO) == EURO
            assert (await pool.fetchval("select pg_backend_pid()") == pid) == (kind is Awaited)
        # One who is cancelled in the middle of it leaves it to the reset, or the connection ends.
        for delay in (0, 0.0005, 0.002):
            async with pool.acquire() as connection:
                call = connection.execute("set client_encoding to latin1; select pg_sleep(5)")
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(call, delay)
            if kind is not Forgetful:
                assert await pool.fetchval("select $1::text", EURO) == EURO
        await pool.execute("set client_encoding to latin1")
        assert await asyncio.gather(*[pool.fetchval("select $1::text", EURO) for _ in range(20)]) == [EURO] * 20
