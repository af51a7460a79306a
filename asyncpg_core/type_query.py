"""The catalogue query: everything about some types, and about the types inside them, in one flight.

The planner guesses that a recursive query returns many rows, and from an estimated cost of 100,000 on (jit_above_cost)
PostgreSQL compiles it for longer than it runs. Two things keep this one far below, whatever the size of the catalogue,
so that no setting has to be changed for it: `OFFSET 0` makes the planner go through the index for each type, and a
query is asked for few types at a time (5,000 tables: cost 11,000 a type, 0.3 ms where the hash join it would choose
takes 4 to 8 ms).
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pgproto import oids
from pgproto.codecs.registry import CodecRegistry
from pgproto.messages.backend import Column
from pgproto.operations.extended import Execute
from pgproto.row_sinks import Records
from pgproto.statement import Statement

# Types asked for in one query: the cost grows with their number.
BATCH = 4
# The first server whose pg_range knows multiranges.
MULTIRANGES_SINCE = 14

BY_OID = "SELECT pg_catalog.unnest($1::pg_catalog.oid[])"
BY_NAME = """SELECT t.oid FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
      WHERE t.typname = $1::pg_catalog.name AND n.nspname = $2::pg_catalog.name"""

# Below 10000 everything is built in, but for the rows of four tables and their arrays.
QUERY = """
WITH RECURSIVE wanted(oid) AS (
    {start}
  UNION
    SELECT part.oid
      FROM wanted AS w
     CROSS JOIN LATERAL (SELECT x.* FROM pg_catalog.pg_type AS x WHERE x.oid = w.oid OFFSET 0) AS t
     CROSS JOIN LATERAL (
        SELECT t.typelem WHERE t.typcategory = 'A'
        UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                   WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0::pg_catalog.int2
                     AND NOT a.attisdropped
        UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE t.typtype = 'r' AND r.rngtypid = t.oid
        {multirange_part}
     ) AS part(oid)
     WHERE part.oid >= 10000::pg_catalog.oid
        OR part.oid = ANY ('{{71,75,81,83,210,270,272,273}}'::pg_catalog.oid[])
)
SELECT t.oid,
       t.typname::pg_catalog.text AS name,
       (SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace AS n WHERE n.oid = t.typnamespace) AS schema,
       CASE WHEN t.is_array THEN 'a' ELSE t.typtype::pg_catalog.text END AS typtype,
       COALESCE(CASE WHEN t.is_array THEN t.typelem END,
                CASE WHEN t.typtype = 'd' THEN t.typbasetype END,
                (SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE t.typtype = 'r' AND r.rngtypid = t.oid),
                {multirange_range}
                0)::pg_catalog.oid AS inner,
       t.typdelim::pg_catalog.text AS delimiter,
       pg_catalog.pg_type_is_visible(t.oid) AS is_visible,
       a.names,
       a.oids
  FROM wanted AS w
 CROSS JOIN LATERAL (
        SELECT x.*, EXISTS (SELECT FROM pg_catalog.pg_type AS e
                             WHERE e.oid = x.typelem AND e.typarray = x.oid) AS is_array
          FROM pg_catalog.pg_type AS x WHERE x.oid = w.oid OFFSET 0) AS t
  LEFT JOIN LATERAL (
        SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) AS names,
               pg_catalog.array_agg(a.atttypid ORDER BY a.attnum) AS oids
          FROM pg_catalog.pg_attribute AS a
         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0::pg_catalog.int2
           AND NOT a.attisdropped) AS a ON true
"""
MULTIRANGE_PART = ("UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range AS r "
                   "WHERE t.typtype = 'm' AND r.rngmultitypid = t.oid")
MULTIRANGE_RANGE = ("(SELECT r.rngtypid FROM pg_catalog.pg_range AS r "
                    "WHERE t.typtype = 'm' AND r.rngmultitypid = t.oid),")

COLUMNS = (
    ("oid", oids.OID_OID), ("name", oids.OID_TEXT), ("schema", oids.OID_TEXT), ("typtype", oids.OID_TEXT),
    ("inner", oids.OID_OID), ("delimiter", oids.OID_TEXT), ("is_visible", oids.OID_BOOL),
    ("names", oids.OID_TEXT_ARRAY), ("oids", oids.OID_OID_ARRAY))


def qualified(sql: str) -> str:
    """Return a query whose operators say that they are PostgreSQL's own, whatever schema comes first in search_path."""
    return re.sub(r" (=|>=|>) ", r" OPERATOR(pg_catalog.\1) ", sql)


def statement(start: str, *, has_multiranges: bool) -> Statement:
    """Return the query in the built-in codecs: what users lay over oid or text cannot reach it.

    Made anew each time, because a statement belongs to one session.
    """
    sql = qualified(QUERY.format(start=start, multirange_part=MULTIRANGE_PART if has_multiranges else "",
                                 multirange_range=MULTIRANGE_RANGE if has_multiranges else ""))
    parameters = (oids.OID_OID_ARRAY,) if start is BY_OID else (oids.OID_NAME, oids.OID_NAME)
    columns = tuple(Column(name, 0, 0, oid, -1, -1, 0) for name, oid in COLUMNS)
    return Statement(sql, "", parameters, columns, CodecRegistry())


def has_multiranges(server_version: str) -> bool:
    """Whether a server that calls itself so knows multiranges."""
    major = server_version.partition(".")[0].strip()
    digits = major[:next((i for i, c in enumerate(major) if not c.isdigit()), len(major))]
    return int(digits or MULTIRANGES_SINCE) >= MULTIRANGES_SINCE


def by_oid(wanted: Iterable[int], server_version: str) -> Iterator[tuple[Sequence[int], Execute]]:
    """Yield the operations that ask for types by OID, each with those it asks for."""
    rest = sorted(wanted)
    query = statement(BY_OID, has_multiranges=has_multiranges(server_version))
    while rest:
        batch, rest = rest[:BATCH], rest[BATCH:]
        yield batch, Execute(query, (batch,), Records(), with_parse=True)


def by_name(name: str, schema: str, server_version: str) -> Execute:
    """Return the operation that asks for the type of a name."""
    query = statement(BY_NAME, has_multiranges=has_multiranges(server_version))
    return Execute(query, (name, schema), Records(), with_parse=True)
