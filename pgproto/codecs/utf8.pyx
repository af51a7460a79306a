"""str to UTF-8 and back: the whole codec of a type whose value is its text."""
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DecodeUTF8
from libc.string cimport memcpy


cdef extern from *:
    """
    static inline int apc_is_ascii(const char *at, Py_ssize_t n) {
        uint64_t word, seen = 0;
        Py_ssize_t i = 0;
        for (; i + 8 <= n; i += 8) { memcpy(&word, at + i, 8); seen |= word; }
        for (; i < n; i++) seen |= (unsigned char)at[i];
        return (seen & 0x8080808080808080ULL) == 0;
    }
    """
    bint is_ascii "apc_is_ascii" (const char *at, Py_ssize_t n) noexcept
    str PyUnicode_New(Py_ssize_t n, Py_UCS4 largest)
    void *PyUnicode_DATA(object text) noexcept


cdef enum:
    # PyUnicode_DecodeUTF8 serves one character from its cache, and is as fast on long texts.
    ASCII_COPY_MIN = 2
    ASCII_COPY_MAX = 4096


cdef str str_of(Slice body):
    """The str of UTF-8 bytes; UnicodeDecodeError if they are none."""
    cdef str text
    if ASCII_COPY_MIN <= body.n <= ASCII_COPY_MAX and is_ascii(body.at, body.n):
        text = PyUnicode_New(body.n, 127)
        memcpy(PyUnicode_DATA(text), body.at, body.n)
        return text
    return PyUnicode_DecodeUTF8(body.at, body.n, NULL)


cdef int text_encode(Codec codec, WriteBuffer out, object value) except -1:
    if not PyUnicode_Check(value):
        raise TypeError(f"expected str, got {type(value).__name__}")
    return out.put_text(value)


cdef object text_decode(Codec codec, Slice body):
    return str_of(body)
