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
SECOND_TEXT = "a second text, longer than the first"


MAIN, TCP, TLS, SCRAM, FAR = "main", "tcp", "tls", "scram", "far"
# `overlaps` is what a driver says of itself whose calls wait beside each other.
QUERY, MANY, POOL, GATHER = ("fetch_of",), ("fetch_of", "overlaps"), ("pool", "pool_fetch_of"), ("fetch_together",)


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the comparison. An operation is what a round's figures are divided by: a query, or a row in bulk.

    `needs` are the verbs without which a driver has no such workload; `run` is the name of its run where that is
    another one; `route` is the way to the server, the one that the command line says (`main`) or a fixed one.
    """

    name: str
    title: str
    n_ops: int
    n_ops_quick: int
    n_ops_warm_up: int
    unit: str = "query"
    needs: tuple[str, ...] = QUERY
    run: str = ""
    route: str = MAIN
    baseline: str = "asyncpg"

    @property
    def run_name(self) -> str:
        return self.run or self.name


def toolbench(name: str, title: str, n_ops: int, n_ops_quick: int, needs: tuple[str, ...] = MANY) -> Workload:
    """Return one of the seven queries, with 10 tasks on 10 connections."""
    return Workload(f"tb_{name}", f"toolbench, 10 connections: {title}", n_ops, n_ops_quick, 10, needs=needs)


WORKLOADS = {workload.name: workload for workload in (
    Workload("select_int", "SELECT $1::int, 1 connection", 3000, 1000, 500),
    Workload("row_by_key", "1 row by primary key, 1 connection", 3000, 1000, 500),
    Workload("select_int_tcp", "SELECT $1::int, TCP", 3000, 1000, 500, run="select_int", route=TCP),
    Workload("row_by_key_tcp", "1 row by primary key, TCP", 3000, 1000, 500, run="row_by_key", route=TCP),
    Workload("select_int_tls", "SELECT $1::int, TLS", 3000, 1000, 500, run="select_int", route=TLS),
    Workload("transaction_3", "transaction of 3 statements, 1 connection", 1000, 300, 100, unit="transaction",
             needs=("fetch_of", "transaction_of")),
    Workload("connections_10", "by key, 10 tasks on 10 connections", 4000, 1000, 1000, needs=MANY),
    Workload("pool_fetch_10", "by key, pool.fetch, 10 tasks, pool of 10", 3000, 1000, 1000, needs=POOL),
    Workload("pool_fetch_100", "by key, pool.fetch, 100 tasks, pool of 10", 3000, 1000, 1000, needs=POOL),
    Workload("pool_fetch_1000", "by key, pool.fetch, 1000 tasks, pool of 10", 4000, 2000, 1000, needs=POOL),
    Workload("acquire_query_10", "by key, acquire + query, 10 tasks, pool of 10", 3000, 1000, 1000,
             needs=("pool", "borrow_of")),
    Workload("gather_100", "by key, gather of 100 on 1 connection", 4000, 1000, 500, needs=GATHER),
    Workload("gather_100_far", "by key, gather of 100, 10 ms away", 200, 100, 100, needs=GATHER, run="gather_100",
             route=FAR),
    Workload("transaction_3_far", "transaction of 3 statements, 10 ms away", 10, 5, 1, unit="transaction",
             needs=("fetch_of", "transaction_of"), run="transaction_3", route=FAR),
    Workload("rows_to_records", "rows x 7 columns to records", 1_000_000, 100_000, 100_000, unit="row"),
    Workload("rows_to_arrow", "rows x 7 columns to Arrow", 1_000_000, 100_000, 100_000, unit="row",
             needs=("fetch_arrow",), baseline="adbc"),
    Workload("live_memory", "live memory of a result of 7 columns", 20_000, 20_000, 1000, unit="row"),
    Workload("executemany", "executemany, 7 arguments", 30_000, 30_000, 3_000, unit="row",
             needs=("fetch_of", "executemany")),
    Workload("copy_in", "COPY IN from tuples", 100_000, 30_000, 3_000, unit="row", needs=("fetch_of", "copy_in")),
    Workload("copy_in_arrow", "COPY IN from Arrow columns", 300_000, 30_000, 3_000, unit="row",
             needs=("copy_arrow_in",), baseline="adbc"),
    Workload("copy_out", "COPY OUT, the server's text", 300_000, 50_000, 3_000, unit="row", needs=("copy_out",)),
    Workload("copy_out_rows", "COPY OUT to typed rows", 300_000, 50_000, 3_000, unit="row", needs=("copy_rows",)),
    Workload("connect_pool", "one more connection of a pool, SCRAM", 20, 10, 5, unit="connect", needs=("grow",),
             route=SCRAM),
    Workload("first_user_type", "first query with a user's type, 2nd connection of a pool on", 20, 10, 5,
             needs=("grow", "fetch_of", "knows_types")),
    toolbench("pg_type", "12 columns of pg_type", 200, 60),
    toolbench("series", "1000 integers of generate_series", 400, 100),
    toolbench("bytea", "100 rows of 1 KiB bytea", 1000, 200),
    toolbench("arrays", "100 rows of int[100]", 300, 60),
    toolbench("copy", "COPY of 10,000 rows", 20, 10, ("copy_in", "overlaps")),
    toolbench("batch", "executemany of 1000 rows", 40, 10, ("executemany", "overlaps")),
    toolbench("one_plus_one", "SELECT 1 + 1", 4000, 1000),
    Workload("http_fastapi", "FastAPI service, a row by key per request", 2000, 600, 200, unit="request",
             needs=("pool", "serves_http")),
    Workload("http_aiohttp", "aiohttp service, a row by key per request", 2000, 600, 200, unit="request",
             needs=("pool", "serves_http")),
)}
TOOLBENCH = tuple(name for name in WORKLOADS if name.startswith("tb_"))
SMALL_WORKLOADS = ("select_int", "row_by_key", "pool_fetch_10", "pool_fetch_100", "acquire_query_10", "gather_100",
                   "rows_to_records", "executemany", "copy_in")
TITLES = {name: workload.title for name, workload in WORKLOADS.items()}

SELECT_INT = "SELECT $1::int"
ROW_BY_KEY = f"SELECT id, owner, balance, opened FROM {SCHEMA}.account WHERE id = $1"
ALL_ROWS = f"SELECT id, name, at, ratio, amount, token, flag FROM {SCHEMA}.wide LIMIT $1"
INSERT = f"INSERT INTO {SCHEMA}.sink (a, b, c, d, e, f, g) VALUES ($1, $2, $3, $4, $5, $6, $7)"
TRUNCATE = f"TRUNCATE {SCHEMA}.sink"
COUNT_SINK = f"SELECT count(*) FROM {SCHEMA}.sink WHERE a >= $1"
SINK = f"{SCHEMA}.sink"
SINK_TYPES = ("int4", "int4", "int4", "int4", "text", "text", "float8")
OUT_ROWS = f"SELECT a, b, c, d, e, f, g FROM {SCHEMA}.source LIMIT $1"
N_SOURCE_ROWS = 300_000
MOVE = f"UPDATE {SCHEMA}.account SET balance = balance + $1 WHERE id = $2"
# An enum and an array of a composite type: both have to be asked for by a driver that has not met them.
USER_TYPES = f"SELECT 'calm'::{SCHEMA}.mood AS mood, ARRAY[ROW(1, 'one')::{SCHEMA}.pair] AS pairs, $1::int AS n"

PG_TYPE = """SELECT oid, typname, typnamespace, typowner, typlen, typbyval, typcategory, typispreferred, typdelim,
                    typrelid, typelem, typarray
               FROM pg_catalog.pg_type WHERE typtypmod = $1 AND typisdefined = $2"""
SERIES = "SELECT n FROM generate_series(1, $1) AS n"
BYTEA = f"SELECT blob FROM {SCHEMA}.blobs"
ARRAYS = f"SELECT numbers FROM {SCHEMA}.arrays"
ONE_PLUS_ONE = "SELECT 1 + 1"

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
    return [(n, n + 1, n + 2, n + 3, f"text {n}", SECOND_TEXT, n * 0.25)
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
        *[f"CREATE TABLE {SCHEMA}.sink_{n} (LIKE {SCHEMA}.sink)" for n in range(POOL_SIZE)],
        f"CREATE TABLE {SCHEMA}.source (LIKE {SCHEMA}.sink)",
        f"""INSERT INTO {SCHEMA}.source SELECT n, n + 1, n + 2, n + 3, 'text ' || n, '{SECOND_TEXT}', n * 0.25
            FROM generate_series(0, {N_SOURCE_ROWS - 1}) AS n ORDER BY n""",
        f"""CREATE TABLE {SCHEMA}.blobs AS
            SELECT decode(repeat(lpad(to_hex(n), 2, '0'), 1024), 'hex') AS blob FROM generate_series(1, 100) AS n""",
        f"""CREATE TABLE {SCHEMA}.arrays AS
            SELECT array_agg(i) AS numbers
            FROM generate_series(1, 100) AS n, generate_series(1, 100) AS i GROUP BY n""",
        f"CREATE TYPE {SCHEMA}.mood AS ENUM ('calm', 'wild')",
        f"CREATE TYPE {SCHEMA}.pair AS (number int, name text)",
        # Who comes by TCP or with a password is another role.
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC",
        f"GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMA} TO PUBLIC",
        f"VACUUM (ANALYZE, FREEZE) {SCHEMA}.source",
        # Without this the first reader of each page would pay for its hint bits.
        f"VACUUM (ANALYZE, FREEZE) {SCHEMA}.account",
        f"VACUUM (ANALYZE, FREEZE) {SCHEMA}.wide",
    ]


DROP_SCHEMA = [f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"]
