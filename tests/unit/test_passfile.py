"""The password file: which line matches, what is removed from it, which files are ignored."""
import sys
import warnings

import pytest

from asyncpg_core.passfile import find_password, passfile_path, read_passfile

posix = pytest.mark.skipif(sys.platform == "win32", reason="missing feature: POSIX file modes")


@pytest.mark.parametrize(("text", "expected"), [
    ("h:5432:d:u:secret", "secret"),
    ("h:5432:d:u:secret\r\n", "secret"),
    ("*:*:*:*:any", "any"),
    ("x:*:*:*:no\n*:*:*:u:second\n*:*:*:*:third\n", "second"),
    ("# h:5432:d:u:comment\n\nh:5432:d:u:p", "p"),
    (r"h:5432:d:u:a\:b\\c", r"a:b\c"),
    (r"\h:5432:d:u:p", "p"),
    (r"\*:5432:d:u:p", None),
    ("h:5432:d:u:a:b", "a"),  # an unescaped colon ends it, as in libpq
    ("h:5432:d:u:trailing \n", "trailing "),
    ("h:5432:d:u:", ""),
    ("h:5432:d:u", None), ("h", None), ("", None), (":::::", None),
    ("h:5433:d:u:p", None), ("h:5432:e:u:p", None), ("h:5432:d:v:p", None),
    ("h:5432:d:u:end\\", "end\\"),
])
def test_first_matching_line_gives_its_password_without_escapes(text, expected):
    assert find_password(text, hosts=("h",), port=5432, database="d", user="u") == expected


@pytest.mark.parametrize("line", ["/tmp/s:1:d:u:p", "localhost:1:d:u:p"])
def test_unix_socket_matches_its_directory_and_localhost(line):
    assert find_password(line, hosts=("/tmp/s", "localhost"), port=1, database="d", user="u") == "p"


def test_escaped_fields_match_names_with_colons_and_backslashes():
    assert find_password(r"\:\:1:1:a\:b:c\\d:p", hosts=("::1",), port=1, database="a:b", user="c\\d") == "p"


@posix
@pytest.mark.parametrize(("mode", "is_read"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False),
                                               (0o610, False)])
def test_file_that_others_may_touch_is_ignored_with_a_warning(tmp_path, mode, is_read):
    path = tmp_path / "pass"
    path.write_text("*:*:*:*:p\n")
    path.chmod(mode)
    if is_read:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_passfile(str(path)) == "*:*:*:*:p\n"
    else:
        with pytest.warns(UserWarning, match=f"{mode:04o}"):
            assert read_passfile(str(path)) == ""


def test_directory_as_password_file_is_ignored_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="not a plain file"):
        assert read_passfile(str(tmp_path)) == ""


def test_missing_file_is_silent(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_passfile(str(tmp_path / "none")) == ""
        assert read_passfile(None) == ""


@posix
def test_default_file_is_in_the_home_directory():
    assert passfile_path(None, {"HOME": "/home/x"}) == "/home/x/.pgpass"
    assert passfile_path("/other", {"HOME": "/home/x"}) == "/other"
