"""Names and constants in SQL mean exactly what they are."""
import pytest

from asyncpg_core.identifiers import quote_ident, quote_literal
from pgproto.errors import InterfaceError


@pytest.mark.parametrize(("name", "quoted"), [
    ("a", '"a"'), ("A b", '"A b"'), ('a"b', '"a""b"'), ('"; drop table t; --', '"""; drop table t; --"'), ("", '""'),
    ("größe", '"größe"')])
def test_a_name_is_quoted(name, quoted):
    assert quote_ident(name) == quoted


@pytest.mark.parametrize(("text", "quoted"), [
    ("csv", "'csv'"), ("it's", "'it''s'"), ("\\", " E'\\\\'"), ("\\N", " E'\\\\N'"), ("\\'", " E'\\\\'''"), ("", "''"),
    ("\t", "'\t'")])
def test_a_constant_is_quoted(text, quoted):
    assert quote_literal(text) == quoted


@pytest.mark.parametrize("quote", [quote_ident, quote_literal])
def test_what_cannot_be_in_a_statement_is_refused(quote):
    for text, error in (("a\0b", InterfaceError), ("a\ud800", InterfaceError), (b"a", TypeError), (None, TypeError)):
        with pytest.raises(error):
            quote(text)
