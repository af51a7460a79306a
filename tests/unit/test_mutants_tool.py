"""Which changes `make mutants` makes, and where an interrupted run goes on."""
import os

import pytest

if os.name == "nt":
    pytest.skip("missing feature: limits of memory per process", allow_module_level=True)

from tools.mutants import Mutant, mutants_of, next_batch

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


def test_c_comments_strings_and_directives_are_left_alone():
    source = """#define N 4
/* 1 < 2 */
static PyObject *f(char *p) {
    return !p || p[0] == '1' ? g("3", 5) : 0x10u;
}
"""
    assert changes("a.c", source) == [(4, "!", ""), (4, "||", "&&"), (4, "0", "1"), (4, "==", "!="), (4, "5", "6"),
                                      (4, "0x10u", "17u")]


def test_mutants_that_do_not_compile_are_replaced_and_known_ones_not_tried_again():
    mutants = [Mutant("a.pyx", at, "<", "<=", 1) for at in range(5)]
    assert next_batch(2, mutants, {}) == mutants[:2]
    known = {mutants[0].key: "invalid", mutants[1].key: "caught"}
    assert next_batch(2, mutants, known) == mutants[2:3]
    assert next_batch(1, mutants, known) == []
    assert next_batch(9, mutants, {mutant.key: "survived" for mutant in mutants}) == []
