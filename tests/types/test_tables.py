"""Each table both ways: what Python sends is what the server shows, what the server has is what Python reads."""
import pytest

from asyncpg_core.exceptions import DataError
from tests.types.same import same
from tests.types.tables import FAMILIES

ROWS = [pytest.param(rows, id=family) for family, (rows, _) in FAMILIES.items()]
REFUSED = [pytest.param(refused, id=family) for family, (_, refused) in FAMILIES.items()]


def of_server(connection, rows):
    return [row for row in rows if row.since <= connection.get_server_version().major]


@pytest.mark.parametrize("rows", ROWS)
async def test_a_literal_reads_as_its_value(connection, rows):
    for row in of_server(connection, rows):
        read = await connection.fetchval(f"select {row.sql}")
        assert same(read, row.value), (row, read)


@pytest.mark.parametrize("rows", ROWS)
async def test_a_value_is_written_as_the_server_shows_it(connection, rows):
    for row in of_server(connection, rows):
        for value in (row.value, *row.also) if row.writes else ():
            # format() uses the type's output function; a cast to text would drop the blanks of bpchar.
            shown = await connection.fetchval(f"select format('%s', $1::{row.type})", value)
            assert shown == row.shown, (row, value)


@pytest.mark.parametrize("rows", ROWS)
async def test_null_is_none_both_ways(connection, rows):
    for row in rows:
        assert await connection.fetchval(f"select null::{row.type}") is None
        if row.writes:
            assert await connection.fetchval(f"select $1::{row.type} is null", None) is True


@pytest.mark.parametrize("rows", ROWS)
async def test_an_array_reads_as_a_list_of_values(connection, rows):
    for row in of_server(connection, rows):
        if row.in_array:
            for sql, expected in ((f"array[{row.sql}, null]", [row.value, None]),
                                  (f"array[[{row.sql}], [{row.sql}]]", [[row.value], [row.value]])):
                read = await connection.fetchval(f"select {sql}")
                assert same(read, expected), (row, read)


@pytest.mark.parametrize("rows", ROWS)
async def test_a_list_of_values_is_written_as_an_array(connection, rows):
    for row in of_server(connection, rows):
        if row.in_array and row.writes:
            for sql, value in ((f"array[{row.sql}, null]", [row.value, None]),
                               (f"array[[{row.sql}], [{row.sql}]]", [[row.value], [row.value]])):
                shown = await connection.fetchrow(
                    f"select format('%s', $1::{row.type}[]), format('%s', {sql})", value)
                assert shown[0] == shown[1], (row, tuple(shown))


@pytest.mark.parametrize("refused", REFUSED)
async def test_a_value_of_another_type_is_refused_and_named(connection, refused):
    for type_name, value, says in refused:
        with pytest.raises(DataError) as caught:
            await connection.fetchval(f"select $1::{type_name}", value)
        assert says in str(caught.value)
        assert str(caught.value).startswith("invalid input for query argument $1: ")
        assert caught.value.parameter == 1
    assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("rows", ROWS)
async def test_a_row_holds_the_values_of_a_whole_table(connection, rows):
    rows = of_server(connection, rows)
    record = await connection.fetchrow("select " + ", ".join(f"{row.sql} as c{i}" for i, row in enumerate(rows)))
    assert same(tuple(record), tuple(row.value for row in rows))
