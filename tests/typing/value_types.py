"""Records, errors and the values of types that Python has none for, as type checkers see them; never run."""
from collections.abc import Iterator
from typing import Any

from typing_extensions import assert_type

import asyncpg_core
from asyncpg_core import BitString, Point, PostgresError, Range, Record, UniqueViolationError, exceptions, types
from tests.typing.connection_types import Row


def records(row: Record) -> None:
    assert_type(row["a"], Any)
    assert_type(row.get("a"), Any | None)
    assert_type(row.get("a", 1), Any | int)
    assert_type(list(row.keys()), list[str])
    assert_type(list(row.values()), list[Any])
    assert_type(dict(row), dict[str, Any])
    assert_type(len(row), int)
    assert_type("a" in row, bool)
    assert_type(list(iter(row)), list[Any])


def own_records(rows: list[Row]) -> Iterator[Row]:
    yield from rows


def errors() -> None:
    try:
        pass
    except UniqueViolationError as error:
        assert_type(error.constraint_name, str | None)
        assert_type(error.detail, str | None)
    except exceptions.SerializationError as error:
        raise LookupError from error
    except (asyncpg_core.InterfaceError, PostgresError) as error:
        print(error)


def values() -> None:
    assert_type(Range(1, 5, lower_inc=True, upper_inc=False).lower, int | None)
    assert_type(Range(empty=True).isempty, bool)
    assert_type(BitString("101").as_string(), str)
    assert_type(BitString.from_int(5, length=8), BitString)
    assert_type(Point(1, 2).x, float)
    assert_type(types.ServerVersion(18, 1, 0, "final", 0).major, int)
