"""What is measured: the tables, the statements, the arguments and how many operations make a round.

Every driver takes its statements, arguments and expected rows from here, so that none does less than another. How they
are run is in runs.py, one function per workload, of the workload's name.
"""
from __future__ import annotations

import datetime
import decimal
import uuid
from dataclasses import dataclass

SCHEMA = "asyncpg_core_bench"
N_ACCOUNTS = 10_000
POOL_SIZE = 10
GATHERED = 100


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the comparison. An operation is what a round's figures are divided by: a query, or a row in bulk."""

    name: str
    title: str
    n_ops: int
    n_ops_quick: int
    n_ops_warm_up: int
    unit: str = "query"


WORKLOADS = {workload.name: workload for workload in (
    Workload("select_int", "SELECT $1::int, 1 connection", 3000, 1000, 500),
    Workload("row_by_key", "1 row by primary key, 1 connection", 3000, 1000, 500),
    Workload("connections_10", "by key, 10 tasks on 10 connections", 4000, 1000, 1000),
    Workload("pool_fetch_10", "by key, pool.fetch, 10 tasks, pool of 10", 3000, 1000, 1000),
    Workload("pool_fetch_100", "by key, pool.fetch, 100 tasks, pool of 10", 3000, 1000, 1000),
    Workload("acquire_query_10", "by key, acquire + query, 10 tasks, pool of 10", 3000, 1000, 1000),
    Workload("gather_100", "by key, gather of 100 on 1 connection", 4000, 1000, 500),
    Workload("rows_to_records", "rows x 7 columns to records", 1_000_000, 100_000, 100_000, unit="row"),
    Workload("executemany", "executemany, 7 arguments", 30_000, 30_000, 3_000, unit="row"),
)}

SELECT_INT = "SELECT $1::int"
ROW_BY_KEY = f"SELECT id, owner, balance, opened FROM {SCHEMA}.account WHERE id = $1"
ALL_ROWS = f"SELECT id, name, at, ratio, amount, token, flag FROM {SCHEMA}.wide LIMIT $1"
INSERT = f"INSERT INTO {SCHEMA}.sink (a, b, c, d, e, f, g) VALUES ($1, $2, $3, $4, $5, $6, $7)"
TRUNCATE = f"TRUNCATE {SCHEMA}.sink"
COUNT_SINK = f"SELECT count(*) FROM {SCHEMA}.sink WHERE a >= $1"

Row = tuple[object, ...]


def account_id(n: int) -> int:
    """Return the key of the n-th lookup: the same walk over the table for every driver, with no run of neighbours."""
    return n * 7919 % N_ACCOUNTS + 1


def account_row(key: int) -> Row:
    opened = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=key)
    return (key, f"owner {key}", key * 10, opened)


def wide_row(key: int) -> Row:
    at = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=key)
    amount = decimal.Decimal(key * 12345).scaleb(-4)
    return (key, f"name of {key}", at, key * 0.5, amount, uuid.UUID(int=key), key % 2 == 0)


def sink_rows(n_rows: int) -> list[Row]:
    """Return the arguments of executemany: four int, two text, one float8."""
    return [(n, n + 1, n + 2, n + 3, f"text {n}", "a second text, longer than the first", n * 0.25)
            for n in range(n_rows)]


def create_schema(n_wide_rows: int) -> list[str]:
    """Return the statements that make the tables, each to be run on its own (VACUUM allows no company)."""
    at = "timestamptz '2020-01-01 00:00:00+00' + n * interval '1 second'"
    return [
        f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE",
        f"CREATE SCHEMA {SCHEMA}",
        f"CREATE TABLE {SCHEMA}.account (id int PRIMARY KEY, owner text, balance bigint, opened timestamptz)",
        f"""INSERT INTO {SCHEMA}.account
            SELECT n, 'owner ' || n, n * 10, {at} FROM generate_series(1, {N_ACCOUNTS}) AS n""",
        f"""CREATE TABLE {SCHEMA}.wide
            (id bigint, name text, at timestamptz, ratio float8, amount numeric(18,4), token uuid, flag bool)""",
        f"""INSERT INTO {SCHEMA}.wide
            SELECT n, 'name of ' || n, {at}, n * 0.5, n::bigint * 12345 / 10000.0,
                   lpad(to_hex(n), 32, '0')::uuid, n % 2 = 0
            FROM generate_series(1, {n_wide_rows}) AS n ORDER BY n""",
        f"CREATE TABLE {SCHEMA}.sink (a int, b int, c int, d int, e text, f text, g float8)",
        # Without this the first reader of each page would pay for its hint bits.
        f"VACUUM (ANALYZE, FREEZE) {SCHEMA}.account",
        f"VACUUM (ANALYZE, FREEZE) {SCHEMA}.wide",
    ]


DROP_SCHEMA = [f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"]
