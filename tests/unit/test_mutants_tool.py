"""Which changes `make mutants` makes, and where an interrupted run goes on."""
import os

import pytest

if os.name == "nt":
    pytest.skip("missing feature: limits of memory per process", allow_module_level=True)

from tools.mutants import (
    Mutant,
    is_room_for_one_more,
    is_success_of_a_choice,
    is_switch_anyway,
    mutants_of,
    next_batch,
    parts_of_test,
    still_true,
    without_comments,
)

SOURCE = '''
"""A docstring with 1 < 2."""
from libc.string cimport memcpy  # 3 + 4
cdef inline int put(char *at, Py_ssize_t n) except -1:
    cdef char buffer[16]
    if n < 4 and not at:
        raise ValueError("short by 7")
    (<uint8_t *>at)[0] = n - 1
    return 0
cdef inline bint is_short(Py_ssize_t n) noexcept:
    return 0
'''


def changes(path, source):
    return [(mutant.line, mutant.old, mutant.new) for mutant in mutants_of(path, source)]


def test_only_tokens_that_mean_something_at_run_time_are_changed():
    assert changes("a.pyx", SOURCE) == [
        (6, "<", "<="), (6, "4", "5"), (6, "and", "or"), (6, "not", ""),
        (8, "0", "1"), (8, "-", "+"), (8, "1", "2"),
        (11, "0", "1"),
    ]


def test_c_comments_strings_directives_and_sentinels_are_left_alone():
    source = """#define N 4
/* 1 < 2 */
static PyMethodDef methods[] = {
    {NULL, NULL, 0, NULL},
};
static PyObject *f(char *p) {
    return !p || p[0] == '1' ? g("3", 5) : 0x10u;
}
"""
    assert changes("a.c", source) == [(7, "!", ""), (7, "||", "&&"), (7, "0", "1"), (7, "==", "!="), (7, "5", "6"),
                                      (7, "0x10u", "17u")]


TWO_RETURNS = """
cdef int find(int n) except -1:
    if n == 7:
        return 0
    return {last}
cdef int other() except -1:
    return 0
"""


@pytest.mark.parametrize(("last", "counts"), [("0", False), ("self.fill(n)", False), ("1", True), ("n", True)])
def test_a_returned_0_is_changed_only_where_it_is_more_than_success(last, counts):
    changed = changes("a.pyx", TWO_RETURNS.format(last=last))
    assert ((4, "0", "1") in changed) == counts
    assert (7, "0", "1") not in changed


@pytest.mark.parametrize(("kind", "rest", "counts"), [
    ("static int", "0", False), ("static inline int", "0", False), ("static int", "-2", True),
    ("static Py_hash_t", "0", True),
])
def test_a_returned_minus_1_of_c_is_changed_only_where_it_is_more_than_failure(kind, rest, counts):
    source = f"{kind} f(int n)\n{{\n    if (g(n)) {{\n        return -1;\n    }}\n    return {rest};\n}}\n"
    assert ((4, "1", "2") in changes("a.c", source)) == counts


def test_an_or_that_cython_makes_a_switch_of_changes_nothing():
    def is_switch(path, line):
        [mutant] = [mutant for mutant in mutants_of(path, line) if mutant.old == "or"]
        return is_switch_anyway(mutant, line)

    assert is_switch("a.pyx", "    if kind == c'C' or kind == c's':\n")
    assert is_switch("a.pyx", "    if kind == 1 or\n            kind == TWO:\n")
    assert not is_switch("a.pyx", "    if kind == c'C' or mind == c's':\n")
    assert not is_switch("a.pyx", "    if kind == c'C' or kind > c's':\n")
    assert not is_switch("a.py", "    if kind == 1 or kind == 2:\n")


def test_comments_do_not_make_c_files_differ(tmp_path):
    def stripped(source):
        (tmp_path / "a.c").write_text(source)
        return without_comments(tmp_path / "a.c")

    assert stripped("/* x < 1 */f(1);// y\n") == stripped("/* x\n <= 1 */f(1);// z\n") == "f(1);\n"
    assert stripped("f(\"http://a\", 1);") != stripped("f(\"http://a\", 2);")


def test_mutants_that_do_not_compile_are_replaced_and_known_ones_not_tried_again():
    mutants = [Mutant("a.pyx", at, "<", "<=", 1) for at in range(5)]
    assert next_batch(2, mutants, {}) == mutants[:2]
    known = {mutants[0].key: "invalid", mutants[1].key: "caught", mutants[2].key: "same"}
    assert next_batch(2, mutants, known) == mutants[3:4]
    assert next_batch(1, mutants, known) == []
    assert next_batch(9, mutants, {mutant.key: "survived" for mutant in mutants}) == []


CHOICE = """
cdef int put(self) except -1:
    if self.n < 3:
        return 0
    return 0 if self.closes else self.put_sync(1)
cdef int choose(self) except -1:
    return 0 if self.closes else 2
cdef char tag_text[KEPT + 1]
"""


@pytest.mark.parametrize(("before", "old", "same"), [
    ("    return ", "0 if self.closes else self", True), ("    return ", "0 if self.closes else 2", False),
    ("put_sync(", "1", False), ("KEPT + ", "1", True)])
def test_a_success_and_the_room_for_one_more_mean_the_same_with_another_number(before, old, same):
    offset = CHOICE.index(before + old) + len(before)
    mutant = Mutant("a.pyx", offset, old[0], str(int(old[0]) + 1), 1)
    assert (is_success_of_a_choice(mutant, CHOICE) or is_room_for_one_more(mutant, CHOICE)) is same


BEFORE = "from a import b\n\ndef test_one():\n    assert b\n"


@pytest.mark.parametrize(("after", "kept"), [
    (BEFORE, {"1": "caught", "2": "survived", "3": "same"}),
    (BEFORE.replace("import b", "import b, c") + "def test_two():\n    assert c\n", {"1": "caught", "3": "same"}),
    (BEFORE.replace("assert b", "assert not b"), {"3": "same"}),
    (BEFORE.replace("from a", "from c"), {"3": "same"}),
])
def test_what_was_caught_stays_so_while_tests_are_only_added(after, kept):
    entries = [{"key": "1", "outcome": "caught", "tests": "then"}, {"key": "2", "outcome": "survived", "tests": "then"},
               {"key": "3", "outcome": "same", "tests": "then"}]
    tests = {"then": parts_of_test("tests/unit/test_a.py", BEFORE)}
    assert still_true(entries, parts_of_test("tests/unit/test_a.py", after), tests.__getitem__) == kept
    assert still_true(entries, parts_of_test("tests/unit/test_b.py", after), tests.__getitem__) == {"3": "same"}
