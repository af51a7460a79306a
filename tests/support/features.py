"""What a server can do, by the names that tests ask for (`@pytest.mark.requires("tls", "hstore")`).

A feature is probed, never derived from a version or an origin. Continuous integration uses the pinned server, which has
everything in PINNED_SERVER_HAS: there a skip for the lack of one of these is a failure.
"""
from collections.abc import Callable, Iterable

Rows = list[tuple[str | None, ...]]

# name of the feature -> the words of pg_config's CONFIGURE line
BUILT_WITH = {"icu": "--with-icu", "xml": "--with-libxml", "gss": "--with-gssapi", "jit": "--with-llvm"}
CONTRIB = ("hstore", "citext", "ltree", "pg_trgm", "pgcrypto", "pg_stat_statements", "postgres_fdw", "dblink",
           "uuid-ossp", "intarray", "tablefunc", "cube")
EXTENSIONS = (*CONTRIB, "vector", "postgis")
# name of the feature -> the first major version that has it
SINCE = {"multiranges": 14, "direct tls": 17}
PINNED_SERVER_HAS = frozenset({"embedded server", "tls", "scram-plus", "icu", "xml", *CONTRIB, *SINCE})
REASON = "missing feature: "


def probe_features(sql: Callable[[str], Rows], *, tls: bool) -> frozenset[str]:
    """Ask a running server; `sql` runs a text as its superuser."""
    found = {"embedded server"}
    configure = str(sql("SELECT setting FROM pg_config WHERE name = 'CONFIGURE'")[0][0])
    found.update(name for name, words in BUILT_WITH.items() if words in configure)
    available = {name for (name,) in sql("SELECT name FROM pg_available_extensions")}
    found.update(name for name in EXTENSIONS if name in available)
    if tls and sql("SHOW ssl") == [("on",)]:
        found |= {"tls", "scram-plus"}
        # What SQL cannot tell: whether a connection may begin with TLS.
        if int(str(sql("SHOW server_version_num")[0][0])) >= SINCE["direct tls"] * 10000:
            found.add("direct tls")
    if sql("SELECT 1 FROM pg_type WHERE typname = 'int4multirange'"):
        found.add("multiranges")
    if sql("SHOW wal_level") == [("logical",)]:
        found.add("logical")
    return frozenset(found)


def unexpected_skips(skips: Iterable[tuple[str, str]], server_has: frozenset[str], major: int = 99) -> list[str]:
    """Those of (test, reason) that should not have been skipped where everything expected of that version is there."""
    too_old_for = {name for name, since in SINCE.items() if major < since}
    expected_here = (PINNED_SERVER_HAS - too_old_for) | server_has
    wrong = []
    for test, reason in skips:
        missing = reason.split(REASON, 1)[1].split(", ") if reason.startswith(REASON) else []
        if not missing or expected_here.issuperset(missing):
            wrong.append(f"{test}: {reason}")
    return wrong
