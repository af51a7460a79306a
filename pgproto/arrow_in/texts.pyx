"""Text and binary of Arrow into text, json, jsonb, enums, bytea and uuid, copied as they lie.

  utf8, binary         offsets i32 x (n + 1), bytes
  large_utf8, ..       offsets i64 x (n + 1), bytes
  utf8_view, ..        views of 16 bytes: | n i32 | bytes x 12 |, or | n i32 | prefix | buffer i32 | offset i32 |
  fixed_size_binary    bytes x width

Text is taken for UTF-8 as Arrow says it is; the server refuses what is not.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memchr, memcpy

from pgproto.arrow_in.column cimport ArrowColumn, bytes_t, native_i32, native_i64
from pgproto.limits cimport MESSAGE_SENT_LONG_MAX
from pgproto.wire cimport store_uint32
from pgproto.write_buffer cimport WriteBuffer

cdef enum:
    VIEW_SIZE = 16
    VIEW_INLINE = 12


cdef int refuse_offsets(int64_t start, int64_t end) except -1:
    raise ValueError(f"the Arrow data are broken: a value from {start} to {end} of its buffer")


cdef int bytes_small(ArrowColumn column, int64_t at, const char **start, int64_t *n) except -1:
    cdef int64_t i = column.index(at)
    cdef int32_t first = native_i32(column.values, i)
    cdef int32_t end = native_i32(column.values, i + 1)
    if first < 0 or end < first or (column.text == NULL and end > first):
        refuse_offsets(first, end)
    start[0] = column.text + first
    n[0] = end - first
    return 0


cdef int bytes_large(ArrowColumn column, int64_t at, const char **start, int64_t *n) except -1:
    cdef int64_t i = column.index(at)
    cdef int64_t first = native_i64(column.values, i)
    cdef int64_t end = native_i64(column.values, i + 1)
    if first < 0 or end < first or (column.text == NULL and end > first):
        refuse_offsets(first, end)
    start[0] = column.text + first
    n[0] = end - first
    return 0


cdef int bytes_view(ArrowColumn column, int64_t at, const char **start, int64_t *n) except -1:
    cdef const char *view = column.values + column.index(at) * VIEW_SIZE
    cdef int32_t size = native_i32(view, 0)
    cdef int32_t part, first
    if size < 0:
        refuse_offsets(0, size)
    n[0] = size
    start[0] = view + 4
    if size > VIEW_INLINE:
        part = native_i32(view, 2)
        first = native_i32(view, 3)
        if not 0 <= part < column.n_parts:
            raise ValueError(f"the Arrow data are broken: a value in buffer {part} of {column.n_parts}")
        if (first < 0 or native_i64(column.part_lengths, part) - first < size or column.parts[part] == NULL):
            refuse_offsets(first, <int64_t>first + size)
        start[0] = column.parts[part] + first
    return 0


cdef int bytes_fixed(ArrowColumn column, int64_t at, const char **start, int64_t *n) except -1:
    start[0] = column.values + column.index(at) * column.width
    n[0] = column.width
    return 0


cdef bytes_t bytes_of(str kind):
    """How the bytes of a column of text or binary are found."""
    if kind in ("utf8", "binary"):
        return bytes_small
    if kind in ("large_utf8", "large_binary"):
        return bytes_large
    if kind in ("utf8_view", "binary_view"):
        return bytes_view
    return bytes_fixed


cdef inline int put_sized(WriteBuffer out, const char *start, int64_t n) except -1:
    """Put n bytes and in front of them their number."""
    if n > MESSAGE_SENT_LONG_MAX:
        out.refuse_large(<Py_ssize_t>n)
    out.reserve(<Py_ssize_t>n + 4)
    store_uint32(out.start + out.length, <uint32_t>n)
    if n > 0:
        memcpy(out.start + out.length + 4, start, <size_t>n)
    out.length += <Py_ssize_t>n + 4
    return 0


cdef int put_bytes(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef const char *start = NULL
    cdef int64_t n = 0
    column.bytes_at(column, at, &start, &n)
    return put_sized(out, start, n)


cdef inline int refuse_zero(const char *start, int64_t n) except -1:
    if n > 0 and memchr(start, 0, <size_t>n) != NULL:
        raise ValueError("PostgreSQL has no text with a zero byte in it")
    return 0


cdef int put_text(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef const char *start = NULL
    cdef int64_t n = 0
    cdef Py_ssize_t mark
    column.bytes_at(column, at, &start, &n)
    refuse_zero(start, n)
    if out.encoding is None:
        return put_sized(out, start, n)
    mark = out.begin_value()
    out.put_utf8(start, <Py_ssize_t>n)
    return out.end_value(mark)


cdef int put_versioned_text(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    """jsonb and jsonpath: version 1 in front."""
    cdef const char *start = NULL
    cdef int64_t n = 0
    cdef Py_ssize_t mark
    column.bytes_at(column, at, &start, &n)
    refuse_zero(start, n)
    mark = out.begin_value()
    out.put_byte(1)
    if n > 0:
        out.put_utf8(start, <Py_ssize_t>n)
    return out.end_value(mark)


cdef bint settle_text(ArrowColumn column, bint has_version) except -1:
    """Settle how text becomes a type that is sent as its text; False if the column has none."""
    if column.field.kind not in ("utf8", "large_utf8", "utf8_view"):
        return False
    column.bytes_at = bytes_of(column.field.kind)
    column.put = put_versioned_text if has_version else put_text
    return True


cdef bint settle_bytes(ArrowColumn column) except -1:
    """Settle how binary becomes bytea; False if the column has none."""
    if column.field.kind not in ("binary", "large_binary", "binary_view", "fixed_size_binary"):
        return False
    column.bytes_at = bytes_of(column.field.kind)
    column.width = column.field.width
    column.put = put_bytes
    return True


cdef int put_uuid(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef const char *start = NULL
    cdef int64_t n = 0
    column.bytes_at(column, at, &start, &n)
    if n != 16:
        raise ValueError(f"a uuid has 16 bytes, this has {n}")
    out.put_int32(16)
    return out.put_bytes(start, 16)


cdef int hex_digit(char c) noexcept:
    if c"0" <= c <= c"9":
        return c - c"0"
    if c"a" <= c <= c"f":
        return c - c"a" + 10
    return c - c"A" + 10 if c"A" <= c <= c"F" else -1


cdef int put_uuid_text(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    """32 hexadecimal digits, with or without hyphens between groups of four and braces around them."""
    cdef const char *start = NULL
    cdef int64_t n = 0, i, first = 0
    cdef int n_digits = 0, digit
    cdef char body[16]
    column.bytes_at(column, at, &start, &n)
    if n >= 2 and start[0] == c"{" and start[n - 1] == c"}":
        first, n = 1, n - 1
    for i in range(first, n):
        if start[i] == c"-" and 0 < n_digits < 32 and n_digits % 4 == 0 and start[i - 1] != c"-":
            continue
        digit = hex_digit(start[i])
        if digit < 0 or n_digits == 32:
            n_digits = -1
            break
        body[n_digits >> 1] = <char>(digit if n_digits & 1 == 0 else (body[n_digits >> 1] << 4) | digit)
        n_digits += 1
    if n_digits != 32:
        raise ValueError(f"{start[:min(n, 50)].decode('utf-8', 'replace')!r} is no uuid")
    out.put_int32(16)
    return out.put_bytes(body, 16)


cdef bint settle_uuid(ArrowColumn column) except -1:
    """Settle how 16 bytes, or text, become uuid; False if the column has neither."""
    cdef str kind = column.field.kind
    if kind == "fixed_size_binary" and column.field.width != 16:
        return False
    if settle_text(column, False):
        column.put = put_uuid_text
        return True
    if settle_bytes(column):
        column.put = put_uuid
        return True
    return False
