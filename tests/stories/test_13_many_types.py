"""Story 13: a table of the types that people use, filled from Python's own values."""
import datetime
import json
import uuid

COLUMNS = ("name", "amount", "ratio", "is_active", "born", "seen_at", "profile", "key", "scores")


async def test_each_value_comes_back_as_it_went(conn):
    await conn.execute("""
        CREATE TABLE samples (
            id serial PRIMARY KEY, name text, amount integer, ratio real, is_active boolean, born date,
            seen_at timestamp, profile json, key uuid, scores integer[])
    """)
    values = ("Ann", 42, 3.5, True, datetime.date.today(), datetime.datetime.now(), '{"a": 1}', uuid.uuid4(),
              [1, 2, None, 4])
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    number = await conn.fetchval(
        f"INSERT INTO samples ({', '.join(COLUMNS)}) VALUES ({places}) RETURNING id", *values)
    row = await conn.fetchrow("SELECT * FROM samples WHERE id = $1", number)
    assert tuple(row[column] for column in COLUMNS) == values
    for column, value in zip(COLUMNS, values, strict=True):
        assert isinstance(row[column], type(value))
    assert json.loads(row["profile"]) == {"a": 1}


async def test_nulls_in_every_column(conn):
    await conn.execute("CREATE TABLE samples (a text, b integer, c real, d boolean, e date, f timestamp, g json,"
                       " h uuid, i integer[])")
    await conn.execute("INSERT INTO samples VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", *[None] * 9)
    assert tuple(await conn.fetchrow("SELECT * FROM samples")) == (None,) * 9
