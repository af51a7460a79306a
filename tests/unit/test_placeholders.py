"""$1 is replaced where the server would see a parameter, and nowhere else."""
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncpg_core.placeholders import fill

UNTOUCHED = [
    "'$1'", "'it''s $1'", "'a\\' '$1'", "E'\\'$1'", "e'$1\\\\'", "E'a''$1'", "U&'$1'", "b'$1'", "X'$1'", "N'$1'",
    '"$1"', '"a""$1"', 'U&"$1"', "-- $1", "--$1\r", "/* $1 */", "/* /* $1 */ $1 */", "/*/$1*/", "/* ' */",
    "$$ $1 $$", "$tag$ $1 $$ $1 $tag$", "$größe$ $1 $größe$", "$_1$ $1 $_1$", "a$1", "größe$1", "_$1", "a$b$1 ",
    "'a'\n'$1'", "E'a' -- c\n '\\'$1'", "E'a'\n\n  'b\\' $1'", "'a' -- it's\n '$1'", "'open $1", "$$ open $1",
    "/* open $1", '"open $1', "$0", "$3", "$99999999999999999999",
]
TOUCHED = [
    ("$1", "<1>"), ("$2$1", "<2><1>"), ("select $1, $2", "select <1>, <2>"), ("$1and", "<1>and"), ("'a'$1", "'a'<1>"),
    ("'\\'$1", "'\\'<1>"), ("'a' $1", "'a' <1>"), ("-- c\n$1", "-- c\n<1>"), ("--c\r$1", "--c\r<1>"),
    ("/**/$1", "/**/<1>"),
    ("/* /* */ */ $1", "/* /* */ */ <1>"), ("$$ $1 $$ $1", "$$ $1 $$ <1>"), ("$a$ $b$ $a$ $1", "$a$ $b$ $a$ <1>"),
    ('"a" $1', '"a" <1>'), ("a[$1]", "a[<1>]"), ("-$1", "-<1>"), ("$1::int", "<1>::int"), ("($1)", "(<1>)"),
    ("a=$1;", "a=<1>;"), ("1+$1", "1+<1>"), ("e $1", "e <1>"), ("E'\\\\' $1", "E'\\\\' <1>"),
    ("somee'x' $1", "somee'x' <1>"),
    ("$12", "$12"), ("$01", "<1>"), ("'a' 'b' $1", "'a' 'b' <1>"), ("E'a' '\\'$1", "E'a' '\\'<1>"),
]


@pytest.mark.parametrize("sql", UNTOUCHED)
def test_text_that_only_looks_like_a_parameter_is_left_alone(sql):
    assert fill(sql, ["<1>", "<2>"]) == sql
    assert fill("select " + sql, ["<1>", "<2>"]) == "select " + sql


@pytest.mark.parametrize(("sql", "filled"), TOUCHED)
def test_a_parameter_is_replaced(sql, filled):
    assert fill(sql, ["<1>", "<2>"]) == filled


def test_a_literal_is_put_in_as_it_is():
    assert fill("select $1, $2", ["'$2'", "\\1"]) == "select '$2', \\1"


def test_without_standard_strings_a_backslash_escapes():
    assert fill("'\\'$1' $1", ["x"], standard_strings=False) == "'\\'$1' x"
    assert fill("'\\'$1", ["x"], standard_strings=True) == "'\\'x"


@given(st.text(alphabet="$1'\"\\/*-eEU& a\n", max_size=40))
def test_any_text_is_gone_through_and_keeps_all_that_is_no_parameter(sql):
    assert fill(sql, []) == sql
    assert all(part in sql for part in fill(sql, ["\0"]).split("\0"))


def test_a_long_text_takes_time_in_proportion():
    for piece in ("'a' ", "/* ", "$a$ ", "E'\\\\' ", "\n", "-- x\n", "'a'\n--", "--", "'a' --", "'", "\\'"):
        started = time.perf_counter()
        assert fill(piece * 20_000, ["x"]) == piece * 20_000
        assert time.perf_counter() - started < 1
