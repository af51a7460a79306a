"""Story 5: a naive datetime as the argument for a timestamp column."""
from datetime import datetime, timedelta


async def test_rows_of_the_last_30_days(users):
    await users.execute("UPDATE users SET created_at = $1 WHERE id = 3", datetime.now() - timedelta(days=31))
    await users.execute("UPDATE users SET created_at = $1 WHERE id < 3", datetime.now() - timedelta(days=1))
    rows = await users.fetch(
        "SELECT id FROM users WHERE created_at > $1 ORDER BY id", datetime.now() - timedelta(days=30))
    assert [row["id"] for row in rows] == [1, 2]


async def test_a_datetime_comes_back_as_it_went(users):
    moment = datetime(2024, 2, 29, 23, 59, 59, 999999)
    assert await users.fetchval("UPDATE users SET created_at = $1 WHERE id = 1 RETURNING created_at", moment) == moment
