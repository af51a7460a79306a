"""Types without parts: numbers of a fixed size, text, bytes, dates and times.

PostgreSQL counts days and microseconds from 2000-01-01, Arrow from 1970-01-01. What Arrow has no value for, infinity
above all, is refused, or becomes NULL in a column that is lenient.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from pgproto.columns.builder cimport Builder, append_null, append_t, grow, reserve_bytes
from pgproto.encodings cimport Encoding, any_other, as_utf8, read_as, reading
from pgproto.wire cimport (
    Slice, refuse_size, slice_of, take_byte, take_int16, take_int32, take_int64, whole_int32, whole_int64)

from pgproto.errors import MalformedBody, OutOfRange


cdef extern from "columns.h":
    bint copy_text "apc_copy_text" (char *to, const char *source, int64_t n) noexcept nogil
    bint is_utf8 "apc_is_utf8" (const char *text, int64_t n) noexcept nogil

cdef enum:
    DAYS_TO_2000 = 10957

cdef int64_t MICROSECONDS_TO_2000 = 946684800000000LL
cdef int64_t MICROSECONDS_PER_DAY = 86400000000LL
cdef int64_t INT64_MAX = 0x7FFFFFFFFFFFFFFFLL
cdef int64_t INT64_MIN = -INT64_MAX - 1
cdef int32_t INT32_MAX = 0x7FFFFFFF
cdef int32_t INT32_MIN = -INT32_MAX - 1


# Numbers of a fixed size; a float is its bits

cdef int append_bool(Builder *b, Slice value) except -1:
    cdef unsigned char bit
    if value.n != 1:
        refuse_size(1, value.n)
    if b.length == b.capacity:
        grow(b)
    bit = <unsigned char>(1 << (b.length & 7))
    if value.at[0]:
        b.values.octets[b.length >> 3] |= bit
    else:
        b.values.octets[b.length >> 3] &= <unsigned char>~bit
    b.length += 1
    return 0


cdef int append_2(Builder *b, Slice value) except -1:
    if value.n != 2:
        refuse_size(2, value.n)
    if b.length == b.capacity:
        grow(b)
    b.values.int16s[b.length] = take_int16(&value)
    b.length += 1
    return 0


cdef int append_4(Builder *b, Slice value) except -1:
    if b.length == b.capacity:
        grow(b)
    b.values.int32s[b.length] = whole_int32(value)
    b.length += 1
    return 0


cdef int append_8(Builder *b, Slice value) except -1:
    if b.length == b.capacity:
        grow(b)
    b.values.int64s[b.length] = whole_int64(value)
    b.length += 1
    return 0


cdef int append_16(Builder *b, Slice value) except -1:
    if value.n != 16:
        refuse_size(16, value.n)
    if b.length == b.capacity:
        grow(b)
    memcpy(b.values.bytes + b.length * 16, value.at, 16)
    b.length += 1
    return 0


# Text and bytes

cdef int append_text(Builder *b, Slice value) except -1:
    """Arrow promises its readers UTF-8, and not all of them look again."""
    if b.length == b.capacity:
        grow(b)
    if value.n > b.bytes_capacity - b.n_bytes:
        reserve_bytes(b, value.n)
    if copy_text(b.values.bytes + b.n_bytes, value.at, value.n):
        if any_other and reading() is not None:
            return append_in_utf8(append_text, b, value)
        if not is_utf8(value.at, value.n):
            PyUnicode_DecodeUTF8(value.at, value.n, NULL)
            raise MalformedBody("text that is not UTF-8")
    b.n_bytes += value.n
    b.length += 1
    b.offsets[b.length] = <int32_t>b.n_bytes
    return 0


cdef int append_in_utf8(append_t append, Builder *b, Slice value) except -1:
    """Append a text that has come in another encoding."""
    cdef bytes text = as_utf8(value)
    cdef Encoding encoding = reading()
    read_as(None)
    try:
        return append(b, slice_of(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))
    finally:
        read_as(encoding)


cdef int append_versioned_text(Builder *b, Slice value) except -1:
    """jsonb and jsonpath: a version in front of the text."""
    cdef int version = take_byte(&value)
    if version != 1:
        raise MalformedBody(f"version 1 was expected, got {version}")
    return append_text(b, value)


cdef int append_bytes(Builder *b, Slice value) except -1:
    if b.length == b.capacity:
        grow(b)
    if value.n > b.bytes_capacity - b.n_bytes:
        reserve_bytes(b, value.n)
    if value.n:
        memcpy(b.values.bytes + b.n_bytes, value.at, value.n)
    b.n_bytes += value.n
    b.length += 1
    b.offsets[b.length] = <int32_t>b.n_bytes
    return 0


cdef int append_char(Builder *b, Slice value) except -1:
    """The type "char": one byte, 0 for none; what is not ASCII is written as the server does, \\ooo."""
    cdef char escaped[4]
    cdef unsigned char byte
    if value.n != 1:
        refuse_size(1, value.n)
    byte = <unsigned char>value.at[0]
    if byte == 0:
        value.n = 0
    elif byte > 127:
        escaped[0] = c"\\"
        escaped[1] = <char>(48 + (byte >> 6))
        escaped[2] = <char>(48 + (byte >> 3 & 7))
        escaped[3] = <char>(48 + (byte & 7))
        value = slice_of(escaped, 4)
    return append_text(b, value)


# Dates and times

cdef int refuse_or_null(Builder *b, object what) except -1:
    if b.is_lenient:
        return append_null(b)
    raise OutOfRange(f"{what} is outside what Arrow can hold")


cdef int append_date(Builder *b, Slice value) except -1:
    cdef int32_t days = whole_int32(value)
    if days > INT32_MAX - DAYS_TO_2000 or days == INT32_MIN:
        return refuse_or_null(b, "infinity" if days == INT32_MAX else "-infinity" if days == INT32_MIN else
                              f"the day {days} from 2000-01-01")
    if b.length == b.capacity:
        grow(b)
    b.values.int32s[b.length] = days + DAYS_TO_2000
    b.length += 1
    return 0


cdef int append_time(Builder *b, Slice value) except -1:
    cdef int64_t moment = whole_int64(value)
    if not 0 <= moment < MICROSECONDS_PER_DAY:
        if moment == MICROSECONDS_PER_DAY:
            return refuse_or_null(b, "24:00:00")
        raise MalformedBody(f"a time of day was expected, got {moment} microseconds")
    if b.length == b.capacity:
        grow(b)
    b.values.int64s[b.length] = moment
    b.length += 1
    return 0


cdef int append_timestamp(Builder *b, Slice value) except -1:
    cdef int64_t moment = whole_int64(value)
    if moment > INT64_MAX - MICROSECONDS_TO_2000 or moment == INT64_MIN:
        return refuse_or_null(b, "infinity" if moment == INT64_MAX else "-infinity" if moment == INT64_MIN else
                              f"the moment {moment} microseconds from 2000-01-01")
    if b.length == b.capacity:
        grow(b)
    b.values.int64s[b.length] = moment + MICROSECONDS_TO_2000
    b.length += 1
    return 0


cdef int append_interval(Builder *b, Slice value) except -1:
    """| microseconds i64 | days i32 | months i32 | becomes | months i32 | days i32 | nanoseconds i64 |."""
    cdef int64_t microseconds
    cdef int32_t days, months
    if value.n != 16:
        refuse_size(16, value.n)
    microseconds = take_int64(&value)
    days = take_int32(&value)
    months = take_int32(&value)
    if not -(INT64_MAX // 1000) <= microseconds <= INT64_MAX // 1000:
        if microseconds == INT64_MAX and days == INT32_MAX and months == INT32_MAX:
            return refuse_or_null(b, "infinity")
        if microseconds == INT64_MIN and days == INT32_MIN and months == INT32_MIN:
            return refuse_or_null(b, "-infinity")
        return refuse_or_null(b, f"an interval of {microseconds} microseconds")
    if b.length == b.capacity:
        grow(b)
    b.values.int32s[4 * b.length] = months
    b.values.int32s[4 * b.length + 1] = days
    b.values.int64s[2 * b.length + 1] = microseconds * 1000
    b.length += 1
    return 0


cdef append_t scalar_of(str kind) except NULL:
    """The function for a kind of `pgproto.columns.plan`."""
    if kind == "bool":
        return append_bool
    if kind == "2":
        return append_2
    if kind == "4":
        return append_4
    if kind == "8":
        return append_8
    if kind == "16":
        return append_16
    if kind == "text":
        return append_text
    if kind == "versioned text":
        return append_versioned_text
    if kind == "bytes":
        return append_bytes
    if kind == "char":
        return append_char
    if kind == "date":
        return append_date
    if kind == "time":
        return append_time
    if kind == "timestamp":
        return append_timestamp
    if kind == "interval":
        return append_interval
    raise KeyError(kind)
