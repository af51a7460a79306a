"""Connection strings against a table, and against libpq where it can be asked."""
import pytest

from asyncpg_core.conninfo import parse_conninfo
from pgproto.errors import ClientConfigurationError

try:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict
except ImportError:
    ProgrammingError = conninfo_to_dict = None

needs_libpq = pytest.mark.skipif(conninfo_to_dict is None, reason="missing feature: libpq oracle")

AGREED = [
    "postgresql://", "postgresql://h", "postgres://h/", "postgresql://h:/db", "postgresql://u@h",
    "postgresql://u:p@h:1/db", "postgresql://@h", "postgresql://:p@h", "postgresql://u:@h", "postgresql://u:p:q@h",
    "postgresql://a:1,b:2,c/db", "postgresql://[::1]", "postgresql://[::1]:5/d", "postgresql://[::1],[::2]:7/d",
    "postgresql://[::1", "postgresql://[]/d", "postgresql://[::1]x/d", "postgresql://h?sslmode=require",
    "postgresql://h/?sslmode=require", "postgresql:///d?host=/tmp&port=5", "postgresql://%2Ftmp%2Fx:7/d",
    "postgresql://u%3Ax:p%40@h/d%20e", "postgresql://h/d%", "postgresql://h/d%zz", "postgresql://h/d%00",
    "postgresql://h/d?ssl=true", "postgresql://h/d?user", "postgresql://h/d?user=a&", "postgresql://h/d?&user=a",
    "postgresql://h/d?user=a&&port=5", "postgresql://h/d?user=a&user=b", "postgresql://h/d/e",
    "postgresql://u:p?x@h/d", "postgresql://u:p#x@h/d", "postgresql://u@v@h/d", "postgresql://h/d?user=a@b",
    "postgresql://h/d?application_name=%C3%A9", "postgresql://h:x/d",
    "postgresql://h/d?channel_binding=require&sslmode=require&connect_timeout=10&gssencmode=disable",
    "", "host=a port=5", "  host = a   port=5  ", "host='a b' user=x", r"host='a\'b'", r"host=a\ b", r"host=a\\",
    "password=''", "password=", "password= user=x", "host='a", "host", "host a", "=x", "host=a'b user=c",
    "host='a'user=b", "host=a\\", r"user='a\\'", "dbname=d dbname=e", "host = 'x'\tport\n=5",
]

# What asyncpg's users rely on, and libpq does otherwise or refuses.
OTHERWISE = [
    ("postgresql://h/d?application_name=a+b", {"host": "h", "dbname": "d", "application_name": "a b"}),
    ("postgresql://h/d?options=-c%20a=b", {"host": "h", "dbname": "d", "options": "-c a=b"}),
    ("postgresql://h/d?search_path=x", {"host": "h", "dbname": "d", "search_path": "x"}),
    ("postgresql://h/d?database=e", {"host": "h", "dbname": "e"}),
    ("postgresql://h/d?user=", {"host": "h", "dbname": "d"}),
    ("postgresql://a,b", {"host": "a,b"}),  # libpq: port "," which keeps PGPORT out
    ("search_path=x", {"search_path": "x"}),
]


def parse(dsn):
    conninfo = parse_conninfo(dsn)
    return {**conninfo.location, **conninfo.query}


@needs_libpq
@pytest.mark.parametrize("dsn", AGREED)
def test_parser_agrees_with_libpq(dsn):
    try:
        expected = conninfo_to_dict(dsn)
    except ProgrammingError:
        with pytest.raises(ClientConfigurationError, match="^invalid DSN: "):
            parse(dsn)
    else:
        assert parse(dsn) == expected


@pytest.mark.parametrize(("dsn", "expected"), OTHERWISE)
def test_parser_follows_asyncpg_where_its_users_rely_on_it(dsn, expected):
    assert parse(dsn) == expected


@needs_libpq
@pytest.mark.parametrize(("dsn", "ours"), OTHERWISE)
def test_listed_differences_from_libpq_are_real(dsn, ours):
    try:
        libpq = conninfo_to_dict(dsn)
    except ProgrammingError:
        return
    assert libpq != ours


def test_what_stands_before_the_question_mark_is_kept_apart_from_the_query():
    conninfo = parse_conninfo("postgres://u:p@a:1/db?user=v&host=b&port=2")
    assert conninfo.location == {"user": "u", "password": "p", "host": "a", "port": "1", "dbname": "db"}
    assert conninfo.query == {"user": "v", "host": "b", "port": "2"}


@pytest.mark.parametrize("dsn", [
    "http://h", "postgresql+asyncpg://u:hunter2@h", "POSTGRES+x://h", "foo", "postgres:hunter2", "host=a hunter2",
    "postgres://u:hunter2%zz@h", "postgres://u:hunter2%00@h", "postgres://u:hunter2%ff@h", "postgres://u:hunter2@[::1",
    "postgres://u:x/?hunter2@h", "postgres://u:x/?hunter2=%zz@h", "postgres://u:x/y?z=1&hunter2@h/d",
    "password='hunter2", "user=a password=hunter2 'x",
])
def test_error_of_a_bad_dsn_says_so_and_never_repeats_the_password(dsn):
    with pytest.raises(ClientConfigurationError, match="^invalid DSN: ") as caught:
        parse(dsn)
    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "hunter2" not in repr(caught.value.__cause__)


def test_cut_anywhere_a_dsn_parses_or_is_refused_by_its_own_error():
    for dsn in ("postgres://u%20:p@[::1]:5,h:6/d%20?sslmode=require&a=b", r"host='a\' b' port = 5 password=\  user=''"):
        for end in range(len(dsn)):
            try:
                parse(dsn[:end])
            except ClientConfigurationError:
                pass


def test_repr_of_a_parsed_dsn_has_no_password():
    assert "hunter2" not in repr(parse_conninfo("postgres://u:hunter2@h?password=hunter2"))
