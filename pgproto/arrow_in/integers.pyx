"""Integers and booleans of Arrow into bool, int2, int4, int8 and oid; every value that does not fit is refused."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pgproto.arrow_in.column cimport (
    ArrowColumn, native_i8, native_i16, native_i32, native_i64, native_u8, native_u16, native_u32, number_t, put_long,
    put_word,
)
from pgproto.write_buffer cimport WriteBuffer

from pgproto.arrow_in.fields import INDEX_FORMATS

cdef frozenset WHOLE = INDEX_FORMATS
cdef dict RANGES = {"int2": (-0x8000, 0x7FFF), "int4": (-0x80000000, 0x7FFFFFFF),
                    "int8": (-0x8000000000000000, 0x7FFFFFFFFFFFFFFF), "oid": (0, 0xFFFFFFFF)}


cdef int64_t read_int8(ArrowColumn column, int64_t at) noexcept:
    return native_i8(column.values, column.index(at))


cdef int64_t read_uint8(ArrowColumn column, int64_t at) noexcept:
    return native_u8(column.values, column.index(at))


cdef int64_t read_int16(ArrowColumn column, int64_t at) noexcept:
    return native_i16(column.values, column.index(at))


cdef int64_t read_uint16(ArrowColumn column, int64_t at) noexcept:
    return native_u16(column.values, column.index(at))


cdef int64_t read_int32(ArrowColumn column, int64_t at) noexcept:
    return native_i32(column.values, column.index(at))


cdef int64_t read_uint32(ArrowColumn column, int64_t at) noexcept:
    return native_u32(column.values, column.index(at))


cdef int64_t read_int64(ArrowColumn column, int64_t at) noexcept:
    return native_i64(column.values, column.index(at))


cdef number_t number_of(ArrowColumn column):
    """How the numbers of the column are read; NULL if its buffer is not one of integers."""
    cdef str format = column.field.format
    column.is_wide = format == "L"
    if format == "c":
        return read_int8
    if format == "C":
        return read_uint8
    if format == "s":
        return read_int16
    if format == "S":
        return read_uint16
    if format in ("i", "tdD", "tts", "ttm", "tiM"):
        return read_int32
    if format == "I":
        return read_uint32
    if format in ("l", "L", "tdm", "ttu", "ttn") or format[:2] in ("ts", "tD"):
        return read_int64
    return NULL


cdef int refuse_range(ArrowColumn column, object value) except -1:
    raise OverflowError(f"{value} is out of the range of {column.codec.name}")


cdef object number_shown(ArrowColumn column, int64_t value):
    """The number as an int."""
    if column.is_wide:
        return <uint64_t>value
    return value


cdef inline int64_t checked(ArrowColumn column, int64_t at) except? -1:
    cdef int64_t value = column.number(column, at)
    if not column.least <= value <= column.most or (column.is_wide and value < 0):
        refuse_range(column, number_shown(column, value))
    return value


cdef int put_int2(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t value = checked(column, at)
    out.put_int32(2)
    return out.put_int16(<short>value)


cdef int put_int4(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_word(out, <uint32_t>checked(column, at))


cdef int put_int8(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_long(out, <uint64_t>checked(column, at))


# The three that need no check.

cdef int put_same_int2(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    out.put_int32(2)
    return out.put_int16(native_i16(column.values, column.index(at)))


cdef int put_same_int4(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_word(out, <uint32_t>native_i32(column.values, column.index(at)))


cdef int put_same_int8(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_long(out, <uint64_t>native_i64(column.values, column.index(at)))


cdef bint settle_integer(ArrowColumn column, str target) except -1:
    """Settle how integers become `target`; False if the column has none."""
    cdef str format = column.field.format
    if format not in WHOLE:
        return False
    column.number = number_of(column)
    column.least, column.most = RANGES[target]
    if target == "int2":
        column.put = put_same_int2 if format == "s" else put_int2
    elif target == "int8":
        column.put = put_same_int8 if format == "l" else put_int8
    else:
        column.put = put_same_int4 if format == "i" and target == "int4" else put_int4
    return True


cdef int put_bool(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t i = column.index(at)
    out.put_int32(1)
    return out.put_byte((column.values[i >> 3] >> (i & 7)) & 1)


cdef bint settle_bool(ArrowColumn column) except -1:
    column.put = put_bool
    return column.field.kind == "bool"
