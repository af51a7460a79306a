"""What asyncpg 0.32.0 reads and writes of users' types, we read and write alike; both in one process."""
import pytest

import asyncpg_core
from tests.types.user_schema import needs_multiranges

asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg 0.32.0")
if asyncpg.__version__ != "0.32.0":
    pytest.skip("missing feature: asyncpg 0.32.0", allow_module_level=True)

VALUES = [
    ("mood", "sad"), ("mood[]", ["sad", None]), ("pair", (1, "x")), ("pair", {"b": "x"}), ("pair", [None, "x"]),
    ("pair[]", [(1, "x"), None]), ("positive", 7), ("pairdom", (1, "x")), ("frange", (1.5, None)), ("frange", []),
    ("frange", (1.5,)), ("int4range", (1, 3)), ("int4range[]", [(1, 3), ()]),
    pytest.param("int4multirange", [(1, 2), (5, 7)], marks=needs_multiranges),
    pytest.param("fmultirange", [], marks=needs_multiranges),
    ("nest", ("sad", [], (1, "x"), [(2, "y")], 7, (1.0, 2.0), "{}")),
    ("people", (1, "x", None, None)),
]


def shown(value):
    """Ranges and records of the two drivers are of different classes; what they show is the same."""
    return repr(value)


@pytest.fixture
async def both(dsn, schema):
    settings = {"search_path": schema}
    theirs = await asyncpg.connect(dsn, server_settings=settings)
    ours = await asyncpg_core.connect(dsn, server_settings=settings)
    yield ours, theirs
    ours.terminate()
    theirs.terminate()


@pytest.mark.parametrize(("name", "value"), VALUES)
async def test_values_and_descriptions_are_the_same(both, name, value):
    results = []
    for connection in both:
        statement = await connection.prepare(f"select $1::{name} as value, $1::{name}::text as text")
        row = await statement.fetchrow(value)
        results.append((shown(row["value"]), row["text"], [tuple(t) for t in statement.get_parameters()],
                        [(a.name, tuple(a.type)) for a in statement.get_attributes()]))
    assert results[0] == results[1]


@pytest.mark.parametrize(("name", "value"), [
    ("mood", 5), ("pair", 5), ("pair", (1, "x", 2)), ("pair", {"c": 1}), ("frange", 5), ("frange", (1, 2, 3)),
    ("frange", ("x", None)), pytest.param("int4multirange", 5, marks=needs_multiranges), ("positive", "x"),
])
async def test_what_is_refused_is_the_same_kind_of_error_with_the_same_beginning(both, name, value):
    told = []
    for connection in both:
        with pytest.raises(Exception) as caught:    # the classes are compared below
            await connection.fetchval(f"select $1::{name}", value)
        told.append((type(caught.value).__name__, str(caught.value).partition(" (")[0]))
    assert told[0] == told[1]
