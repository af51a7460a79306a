"""bytea, and "char" as one byte, as bytes; any contiguous buffer is written.

A pg_mcv_list is bytea that is only read.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport peek, refused, skip
from pgproto.limits cimport MESSAGE_SENT_LONG_MAX
from pgproto.oids cimport OID_BYTEA, OID_CHAR, OID_PG_MCV_LIST
from pgproto.wire cimport Slice, slice_of, take_byte
from pgproto.write_buffer cimport WriteBuffer


cdef int take_view(object value, Py_buffer *view) except -1:
    """Open a buffer; until it is released it can neither move nor change its size."""
    try:
        return PyObject_GetBuffer(value, view, PyBUF_SIMPLE)
    except BufferError as error:
        raise ValueError(f"a contiguous buffer was expected: {error}") from error


cdef int bytea_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_buffer view
    if PyBytes_CheckExact(value):
        return out.put_bytes(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    take_view(value, &view)
    try:
        return out.put_bytes(<const char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef object bytea_decode(Codec codec, Slice body):
    return PyBytes_FromStringAndSize(body.at, body.n)


cdef int put_hex(WriteBuffer out, const char *at, Py_ssize_t n) except -1:
    cdef Py_ssize_t i
    cdef char *to
    if n > (MESSAGE_SENT_LONG_MAX - 2) // 2:
        return out.refuse_large(n)
    out.reserve(2 * n + 2)
    to = out.start + out.length
    to[0] = c"\\"
    to[1] = c"x"
    for i in range(n):
        to[2 * i + 2] = b"0123456789abcdef"[<unsigned char>at[i] >> 4]
        to[2 * i + 3] = b"0123456789abcdef"[<unsigned char>at[i] & 15]
    out.length += 2 * n + 2
    return 0


cdef int bytea_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_buffer view
    take_view(value, &view)
    try:
        return put_hex(out, <const char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef inline int hex_value(int byte) noexcept:
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 0x20
    return byte - 87 if 97 <= byte <= 102 else -1


cdef bytes take_hex(Codec codec, Slice digits):
    cdef Py_ssize_t i, n = digits.n // 2
    cdef int high, low
    if digits.n % 2:
        raise refused(codec.name, "pairs of hex digits", digits)
    cdef bytes value = PyBytes_FromStringAndSize(NULL, n)
    cdef char *to = PyBytes_AS_STRING(value)
    for i in range(n):
        high = hex_value(<unsigned char>digits.at[2 * i])
        low = hex_value(<unsigned char>digits.at[2 * i + 1])
        if high < 0 or low < 0:
            raise refused(codec.name, "pairs of hex digits", digits)
        to[i] = <char>(high * 16 + low)
    return value


cdef int take_octal(Codec codec, Slice *text) except -1:
    cdef int i, byte, value = 0
    for i in range(3):
        byte = take_byte(text) - 48
        if not 0 <= byte <= (3 if i == 0 else 7):
            raise refused(codec.name, "three octal digits after a backslash", text[0])
        value = value * 8 + byte
    return value


cdef bytes take_escaped(Codec codec, Slice text):
    r"""The bytes of the escape format: `\\` is a backslash, `\ooo` a byte, all others are themselves."""
    cdef WriteBuffer value = WriteBuffer()
    while text.n:
        if not skip(&text, c"\\"):
            value.put_byte(take_byte(&text))
        elif peek(&text) == c"\\":
            value.put_byte(take_byte(&text))
        else:
            value.put_byte(<unsigned char>take_octal(codec, &text))
    return value.take_all()


cdef object bytea_text_decode(Codec codec, Slice body):
    if body.n >= 2 and body.at[0] == c"\\" and body.at[1] == c"x":
        return take_hex(codec, slice_of(body.at + 2, body.n - 2))
    return take_escaped(codec, body)


cdef int char_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_ssize_t at = out.length
    bytea_encode(codec, out, value)
    if out.length - at > 1:
        raise ValueError(f"one byte was expected, got {out.length - at}")
    # The server stores a zero byte for an empty text, and sends an empty text for it.
    if out.length == at:
        out.put_byte(0)
    return 0


cdef object char_decode(Codec codec, Slice body):
    if body.n != 1:
        raise refused(codec.name, "one byte", body)
    return PyBytes_FromStringAndSize(body.at, 1)


cdef int char_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef WriteBuffer scratch = WriteBuffer()
    cdef int byte
    char_encode(codec, scratch, value)
    byte = <unsigned char>scratch.start[0]
    if byte >= 128:
        return out.put_text(f"\\{byte:03o}")
    return out.put_byte(<unsigned char>byte) if byte else 0


cdef object char_text_decode(Codec codec, Slice body):
    """The byte that a text stands for: nothing is zero, from 128 on it is written in octal."""
    cdef bytes value
    if body.n == 0:
        return b"\0"
    if body.n == 1:
        return PyBytes_FromStringAndSize(body.at, 1)
    value = take_escaped(codec, body)
    if len(value) != 1:
        raise refused(codec.name, "one byte", body)
    return value


register(OID_BYTEA, TEXT, bytea_text_encode, bytea_text_decode, True)
register(OID_BYTEA, BINARY, bytea_encode, bytea_decode, True)
register(OID_CHAR, TEXT, char_text_encode, char_text_decode, True)
register(OID_CHAR, BINARY, char_encode, char_decode, True)
register(OID_PG_MCV_LIST, TEXT, NULL, bytea_text_decode, True)
register(OID_PG_MCV_LIST, BINARY, NULL, bytea_decode, True)
