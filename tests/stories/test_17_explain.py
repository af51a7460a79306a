"""Story 17: EXPLAIN (FORMAT JSON) through fetch."""
import json

import asyncpg_core as asyncpg

EXPLAIN = "EXPLAIN (FORMAT JSON) SELECT * FROM users WHERE age > $1"


async def test_the_plan_is_json_text(users):
    result = await users.fetch(EXPLAIN, 40)
    assert len(result) == 1
    plan = json.loads(result[0]["QUERY PLAN"])
    assert plan[0]["Plan"]["Relation Name"] == "users"


async def test_the_plan_is_objects_with_json_auto(users, dsn):
    auto = await asyncpg.connect(dsn, json="auto")
    try:
        result = await auto.fetch(EXPLAIN, 40)
        assert result[0]["QUERY PLAN"][0]["Plan"]["Relation Name"] == "users"
    finally:
        await auto.close()


async def test_a_prepared_statement_explains_itself(users):
    statement = await users.prepare("SELECT name FROM users WHERE id = $1")
    assert (await statement.explain(1))[0]["Plan"]["Node Type"]
    analysed = (await statement.explain(1, analyze=True))[0]
    assert analysed["Plan"]["Actual Rows"] == 1
