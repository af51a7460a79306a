"""The text of COPY statements."""
import pytest

from asyncpg_core import copy_statement as text
from pgproto.errors import InterfaceError


@pytest.mark.parametrize(("given", "written"), [
    (("t", None, None), '"t"'),
    (("t", "s", None), '"s"."t"'),
    (('a"b', "S", ["x", 'y"z']), '"S"."a""b" ("x", "y""z")'),
    (("t", None, (column for column in "ab")), '"t" ("a", "b")'),
    (("t", None, []), '"t" ()'),
])
def test_a_table_is_named_with_schema_and_columns(given, written):
    assert text.target(*given) == written


@pytest.mark.parametrize(("given", "written"), [
    ({}, ""),
    ({"format": None, "header": None}, ""),
    ({"format": "csv"}, " (FORMAT 'csv')"),
    ({"header": True, "format": "csv"}, " (FORMAT 'csv', HEADER True)"),
    ({"header": False}, " (HEADER False)"),
    ({"header": "match"}, " (HEADER match)"),
    ({"header": 1}, " (HEADER 1)"),
    ({"header": "x) to program 'sh"}, " (HEADER 'x) to program ''sh')"),
    ({"oids": True, "freeze": True}, " (OIDS True, FREEZE True)"),
    ({"delimiter": "\t", "null": "", "quote": "'", "escape": "\\", "encoding": "latin1"},
     " (DELIMITER '\t', NULL '', QUOTE '''', ESCAPE  E'\\\\', ENCODING 'latin1')"),
    ({"force_quote": True}, " (FORCE_QUOTE *)"),
    ({"force_quote": False}, ""),
    ({"force_quote": ["a", 'b"']}, ' (FORCE_QUOTE ("a", "b"""))'),
    ({"force_null": ["a"], "force_not_null": ("b",)}, ' (FORCE_NOT_NULL ("b"), FORCE_NULL ("a"))'),
])
def test_options_are_written_as_what_they_are(given, written):
    assert text.options(given) == written


def test_statements_are_put_together():
    assert text.copy_out_of('"t"', {"format": "csv"}) == "COPY \"t\" TO STDOUT (FORMAT 'csv')"
    assert text.copy_into('"t" ("a")', {}, None) == 'COPY "t" ("a") FROM STDIN'
    assert text.copy_into('"t"', {"format": "binary"}, "a > 1") == "COPY \"t\" FROM STDIN (FORMAT 'binary') WHERE a > 1"
    assert text.in_brackets("select 1 -- one") == "(select 1 -- one\n)"
    assert text.columns_of('"t"', None) == 'SELECT * FROM "t"'
    assert text.columns_of('"t"', ["a", 'b"c']) == 'SELECT "a", "b""c" FROM "t"'


def test_an_option_that_cannot_be_a_constant_is_refused():
    with pytest.raises(TypeError, match="string constant must be a str, got int"):
        text.options({"delimiter": 1})
    with pytest.raises(InterfaceError, match="zero byte"):
        text.options({"null": "\0"})
