"""str to UTF-8 and back: the whole codec of a type whose value is its text."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DecodeUTF8

from pgproto.encodings cimport Encoding, any_other, as_utf8, read_as, reading
from pgproto.wire cimport slice_of


cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    /* The last word may overlap the one before it, which is cheaper than a loop over what is left. */
    static inline int apc_is_ascii(const char *at, Py_ssize_t n) {
        uint64_t word, seen;
        uint32_t first, last;
        Py_ssize_t i;
        if (n >= 8) {
            memcpy(&seen, at + n - 8, 8);
            for (i = 0; i < n - 8; i += 8) { memcpy(&word, at + i, 8); seen |= word; }
            return (seen & 0x8080808080808080ULL) == 0;
        }
        if (n >= 4) {
            memcpy(&first, at, 4);
            memcpy(&last, at + n - 4, 4);
            return ((first | last) & 0x80808080u) == 0;
        }
        for (i = 0; i < n; i++) if ((unsigned char)at[i] > 127) return 0;
        return 1;
    }
    /* n > 0. Most texts are short, and a call of memcpy() costs more than their bytes. */
    static inline void apc_copy(char *to, const char *from, Py_ssize_t n) {
        if (n > 16) memcpy(to, from, (size_t)n);
        else if (n >= 8) {
            uint64_t first, last;
            memcpy(&first, from, 8); memcpy(&last, from + n - 8, 8);
            memcpy(to, &first, 8); memcpy(to + n - 8, &last, 8);
        }
        else if (n >= 4) {
            uint32_t first, last;
            memcpy(&first, from, 4); memcpy(&last, from + n - 4, 4);
            memcpy(to, &first, 4); memcpy(to + n - 4, &last, 4);
        }
        else { to[0] = from[0]; to[n / 2] = from[n / 2]; to[n - 1] = from[n - 1]; }
    }
    /* Where the characters of a compact str of ASCII lie. */
    #define apc_ascii_of(text) ((char *)((PyASCIIObject *)(text) + 1))
    """
    bint is_ascii "apc_is_ascii" (const char *at, Py_ssize_t n) noexcept
    void copy "apc_copy" (char *to, const char *source, Py_ssize_t n) noexcept
    char *ascii_of "apc_ascii_of" (PyObject *text) noexcept
    str steal "(PyObject *)" (PyObject *)     # takes over the reference


cdef extern from "objects_in_place.h":
    PyObject *new_ascii(Py_ssize_t n) except NULL
    bint take_object_heads(bint wanted) noexcept


cdef enum:
    # PyUnicode_DecodeUTF8 serves one character from its cache, and is as fast on long texts.
    ASCII_COPY_MIN = 2
    ASCII_COPY_MAX = 4096


cdef inline str new_str(Slice body):
    cdef PyObject *text
    if ASCII_COPY_MIN <= body.n <= ASCII_COPY_MAX and is_ascii(body.at, body.n):
        text = new_ascii(body.n)
        copy(ascii_of(text), body.at, body.n)
        return steal(text)
    if any_other and reading() is not None:
        return reading().str_of(body, NULL)
    return PyUnicode_DecodeUTF8(body.at, body.n, NULL)


cdef str str_of(Slice body):
    """The str of UTF-8 bytes; UnicodeDecodeError if they are none."""
    return new_str(body)


cdef int text_encode(Codec codec, WriteBuffer out, object value) except -1:
    if not PyUnicode_Check(value):
        raise TypeError(f"expected str, got {type(value).__name__}")
    return out.put_text(value)


cdef object text_decode(Codec codec, Slice body):
    return new_str(body)


cdef bint reads_other() except -1:
    """Whether what is read now is text in another encoding than UTF-8."""
    return any_other and reading() is not None


cdef object decode_in_utf8(decode_t decode, Codec codec, Slice body):
    """Decode a text that has to be looked at byte by byte: in some encodings a byte of a character is a backslash."""
    cdef bytes text = as_utf8(body)
    cdef Encoding encoding = reading()
    read_as(None)
    try:
        return decode(codec, slice_of(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))
    finally:
        read_as(encoding)


cdef int encode_in_utf8(encode_t encode, Codec codec, WriteBuffer out, object value) except -1:
    """Encode a text in which bytes are quoted, and put it as a whole in the session's encoding."""
    cdef WriteBuffer text = WriteBuffer()
    encode(codec, text, value)
    return out.put_utf8(text.start, text.length)


def use_layout(bint wanted):
    """Make strs in place if `wanted` and if their layout is known; say whether that is so. For tests."""
    if take_object_heads(wanted) and layout_is_known():
        return True
    take_object_heads(False)
    return False


def layout_is_known():
    """Whether strs made in place are those that Python makes."""
    for text in (b"ab", b"four", b"eight888", b"more than sixteen characters"):
        value = str_of(slice_of(text, len(text)))
        known = text.decode()
        if not (value == known and hash(value) == hash(known) and value.isascii() and value + "é" == known + "é"
                and value.encode() == text and value[1:] + value == known[1:] + known):
            return False
    return True


use_layout(True)
