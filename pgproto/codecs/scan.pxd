# Reading the text format: a Slice of ASCII that is taken from the front.

from libc.stdint cimport int64_t, uint64_t

from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef str shown(Slice whole)
cdef object refused(str type_name, str expected, Slice whole)
cdef int take_quoted(Slice *text, const char *ends, WriteBuffer value) except -1
cdef uint64_t take_digits(Slice *text, int n_max, int *n_taken) except? 0xFFFFFFFFFFFFFFFF


cdef inline int peek(Slice *text) noexcept:
    """The next byte, or -1."""
    return <unsigned char>text.at[0] if text.n > 0 else -1


cdef inline bint skip(Slice *text, char expected) noexcept:
    """Whether the next byte was `expected`; if so it is taken."""
    if text.n > 0 and text.at[0] == expected:
        text.at += 1
        text.n -= 1
        return True
    return False


cdef inline bint equals(Slice text, const char *word, Py_ssize_t n) noexcept:
    cdef Py_ssize_t i
    if text.n != n:
        return False
    for i in range(n):
        if text.at[i] != word[i]:
            return False
    return True
