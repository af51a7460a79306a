"""Service files: where they are looked for, which lines count."""
import pytest

from asyncpg_core.service import load_service, read_section
from pgproto.errors import ClientConfigurationError


@pytest.mark.parametrize(("text", "expected"), [
    ("[s]\nhost=h\nport=1\n", {"host": "h", "port": "1"}),
    ("# c\n[other]\nnonsense\n[s]\n\n host = h \n[t]\nhost=x", {"host": "h"}),
    ("[s]\nhost=first\nhost=second", {"host": "first"}),
    ("[s]\noptions=-c a=b", {"options": "-c a=b"}),
    ("[s]\ndatabase=d", {"dbname": "d"}),
    ("[s]\n", {}), ("[t]\nhost=x", None), ("", None), ("[S]\nhost=x", None),
])
def test_section_holds_its_keywords_and_nothing_of_its_neighbours(text, expected):
    assert read_section(text, "s", "f") == expected


@pytest.mark.parametrize(("line", "message"), [
    ("host", "line 2 .*keyword=value"), ("hots=x", "'hots' is not"), ("service=t", "another service"),
    ("ldap://x", "keyword=value"),
])
def test_wrong_line_names_its_number_and_reason(line, message):
    with pytest.raises(ClientConfigurationError, match=message):
        read_section(f"[s]\n{line}\n", "s", "f")


def test_user_file_comes_before_the_systems(tmp_path):
    home, system = tmp_path / "home", tmp_path / "system"
    home.mkdir()
    system.mkdir()
    (home / ".pg_service.conf").write_text("[both]\nhost=user\n")
    (system / "pg_service.conf").write_text("[both]\nhost=system\n[only]\nhost=system\n")
    (tmp_path / "own.conf").write_text("[both]\nhost=own\n")
    environ = {"HOME": str(home), "APPDATA": str(tmp_path), "PGSYSCONFDIR": str(system)}
    assert load_service("both", str(home / ".pg_service.conf"), environ) == {"host": "user"}
    assert load_service("only", None, environ) == {"host": "system"}
    assert load_service("both", str(tmp_path / "own.conf"), environ) == {"host": "own"}


def test_undefined_service_names_where_it_was_looked_for(tmp_path):
    environ = {"HOME": str(tmp_path), "APPDATA": str(tmp_path), "PGSYSCONFDIR": str(tmp_path / "none")}
    with pytest.raises(ClientConfigurationError, match="definition of service 'x' not found.*pg_service.conf"):
        load_service("x", None, environ)


def test_unreadable_service_file_is_an_error(tmp_path):
    (tmp_path / "f").write_bytes(b"[s]\nuser=\xff\n")
    for path in (tmp_path, tmp_path / "f"):
        with pytest.raises(ClientConfigurationError, match="cannot be read"):
            load_service("s", str(path), {})
