"""Putting literals in the place of $1, $2, .. of a statement that takes no arguments: COPY (query) TO STDOUT.

The literals are the server's own. What is a parameter and what is only text is decided as the server's scanner does it:
string constants of all kinds, quoted names, comments and dollar quotes are left alone.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""
from __future__ import annotations

import re
from collections.abc import Sequence

# Every character outside ASCII can be part of a name.
LETTER = r"[A-Za-z_\x80-\U0010ffff]"
# Constants that follow one another on separate lines are one constant, of the first one's kind. A comment in between
# goes to the end of its line, which is said twice so that there is one way only to match it.
GAP = r"(?:[ \t\f\v]|--[^\n\r]*(?=[\n\r]))*[\n\r](?:\s|--[^\n\r]*[\n\r])*"
# What is not ended goes to the end of the text: the server has refused it already.
ESCAPED = r"'(?:[^'\\]|\\.|'')*(?:'|\Z)"
PLAIN = r"'(?:[^']|'')*(?:'|\Z)"


def constant(prefix: str, quoted: str) -> str:
    return f"{prefix}{quoted}(?:{GAP}{quoted})*"


def scanner(plain: str) -> re.Pattern[str]:
    """Return the pattern of all that can contain or look like a parameter; `plain` is a constant without a prefix."""
    return re.compile("|".join([
        r"\$(?P<parameter>[0-9]+)",
        constant("[eE]", ESCAPED),
        constant("[uU]&", PLAIN),
        constant("", plain),
        r'"(?:[^"]|"")*(?:"|\Z)',
        r"--[^\n\r]*",
        r"(?P<comment>/\*)",
        rf"(?P<dollar>\$(?:{LETTER}(?:{LETTER}|[0-9])*)?\$)",
        rf"{LETTER}(?:{LETTER}|[0-9$])*",
    ]), re.DOTALL)


SCANNERS = {True: scanner(PLAIN), False: scanner(ESCAPED)}
COMMENT_MARK = re.compile(r"/\*|\*/")


def fill(sql: str, literals: Sequence[str], *, standard_strings: bool = True) -> str:
    """Return `sql` with $1 replaced by the first of `literals`, and so on.

    `standard_strings` is the server's standard_conforming_strings: without it a backslash escapes in every constant.
    A parameter beyond the literals stays: the server has the word for it.
    """
    pattern = SCANNERS[standard_strings]
    parts = []
    done = at = 0
    while (found := pattern.search(sql, at)) is not None:
        at = found.end()
        if found["comment"]:
            at = end_of_comment(sql, at)
        elif found["dollar"]:
            end = sql.find(found["dollar"], at)
            at = len(sql) if end < 0 else end + len(found["dollar"])
        elif found["parameter"] and 0 < int(found["parameter"]) <= len(literals):
            parts += [sql[done:found.start()], literals[int(found["parameter"]) - 1]]
            done = at
    return "".join([*parts, sql[done:]])


def end_of_comment(sql: str, at: int) -> int:
    """Return where the comment ends whose begin is in front of `at`; comments nest."""
    depth = 1
    while depth and (mark := COMMENT_MARK.search(sql, at)) is not None:
        depth += 1 if mark[0] == "/*" else -1
        at = mark.end()
    return len(sql) if depth else at
