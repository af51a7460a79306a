"""Story 35: a comparison of throughput with other drivers is printed by the benchmark harness (`make bench`)."""
from benchmarks.drivers import DEFAULT_DRIVERS
from benchmarks.figures import Round, summarize, table


def test_the_harness_prints_a_row_for_each_driver_with_its_ratio_to_asyncpg():
    assert {"asyncpg_core", "asyncpg", "psycopg", "psycopg2", "aiopg"} <= {*DEFAULT_DRIVERS}
    seconds = {"asyncpg": 1.0, "psycopg": 2.0, "psycopg2": 1.25, "aiopg": 4.0, "asyncpg_core": 0.5}
    rounds = [Round("select_int", "asyncio", driver, 0, 1000, wall, wall / 2, None) for driver, wall in seconds.items()]
    printed = table(summarize(rounds, "asyncpg"), {"select_int": "SELECT 1"}, "asyncpg")
    rows = {row.split()[1]: row for row in printed.splitlines() if row.split()[:1] == ["asyncio"]}
    assert {*rows} == {*seconds}
    assert "2.00" in rows["asyncpg_core"] and "0.50" in rows["psycopg"]
    assert "0.80" in rows["psycopg2"] and "0.25" in rows["aiopg"]
