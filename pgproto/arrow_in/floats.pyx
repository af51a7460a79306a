"""Floats of Arrow into float4, float8 and numeric, and integers into floats where nothing of them is lost."""
from cpython.mem cimport PyMem_Free
from libc.math cimport HUGE_VAL, NAN, isinf, ldexp
from libc.stdint cimport int64_t, uint16_t

from pgproto.arrow_in.column cimport (
    ArrowColumn, native_f32, native_f64, native_u16, put_long, put_word,
)
from pgproto.arrow_in.integers cimport number_of, number_shown, refuse_range
from pgproto.codecs.codec cimport BINARY, Codec
from pgproto.codecs.registry cimport builtin
from pgproto.oids cimport OID_NUMERIC
from pgproto.wire cimport bits_of_double, bits_of_float
from pgproto.write_buffer cimport WriteBuffer

from pgproto.arrow_in.fields import INDEX_FORMATS


cdef extern from "Python.h":
    char *PyOS_double_to_string(double value, char code, int precision, int flags, int *kind) except NULL
    double PyOS_string_to_double(const char *text, char **end, object overflow) except? -1.0

# Up to here every integer is a float.
cdef int64_t WHOLE_IN_FLOAT8 = 0x20000000000000
cdef int64_t WHOLE_IN_FLOAT4 = 0x1000000

cdef frozenset WHOLE = INDEX_FORMATS
cdef dict FLOAT_WIDTHS = {"e": 2, "f": 4, "g": 8}


cdef double half(uint16_t bits) noexcept:
    """The number that 16 bits stand for: a sign, five bits of exponent, ten of fraction."""
    cdef int exponent = (bits >> 10) & 0x1F
    cdef int fraction = bits & 0x3FF
    cdef double value
    if exponent == 0x1F:
        value = NAN if fraction else HUGE_VAL
    elif exponent == 0:
        value = ldexp(fraction, -24)
    else:
        value = ldexp(fraction + 0x400, exponent - 25)
    return -value if bits >> 15 else value


cdef double float_at(ArrowColumn column, int64_t at) noexcept:
    if column.width == 8:
        return native_f64(column.values, column.index(at))
    if column.width == 4:
        return native_f32(column.values, column.index(at))
    return half(native_u16(column.values, column.index(at)))


cdef int put_same_float8(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_long(out, bits_of_double(native_f64(column.values, column.index(at))))


cdef int put_same_float4(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_word(out, bits_of_float(native_f32(column.values, column.index(at))))


cdef int put_float8(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_long(out, bits_of_double(float_at(column, at)))


cdef int put_float4(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef double value = float_at(column, at)
    cdef float narrow = <float>value
    if isinf(narrow) and not isinf(value):
        refuse_range(column, value)
    return put_word(out, bits_of_float(narrow))


cdef int64_t whole_at(ArrowColumn column, int64_t at) except? -1:
    """The integer that is to be a float; refused where the float would be another number."""
    cdef int64_t value = column.number(column, at)
    if not column.least <= value <= column.most:
        raise OverflowError(f"{number_shown(column, value)} is beyond the whole numbers that {column.codec.name} has "
                            f"one by one, up to {column.most}")
    return value


cdef int put_whole_float8(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_long(out, bits_of_double(<double>whole_at(column, at)))


cdef int put_whole_float4(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_word(out, bits_of_float(<float>whole_at(column, at)))


cdef bint settle_float(ArrowColumn column, str target) except -1:
    """Settle how numbers become `target`, float4 or float8; False if the column has none."""
    cdef str format = column.field.format
    cdef bint is_wide = target == "float8"
    if format in WHOLE:
        column.number = number_of(column)
        column.most = WHOLE_IN_FLOAT8 if is_wide else WHOLE_IN_FLOAT4
        column.least = 0 if column.is_wide else -column.most
        column.put = put_whole_float8 if is_wide else put_whole_float4
        return True
    if format not in FLOAT_WIDTHS:
        return False
    column.width = FLOAT_WIDTHS[format]
    if is_wide:
        column.put = put_same_float8 if format == "g" else put_float8
    else:
        column.put = put_same_float4 if format == "f" else put_float4
    return True


# A float becomes the numeric with the fewest digits that stand for it and for no other float of its width.

cdef str shortest(double value, bint is_float4):
    """The digits of a float; of one of 32 bits those that it needs, not those of the double it is held in."""
    cdef char *text
    cdef int precision = 6
    if not is_float4:
        return repr(value)
    while True:
        text = PyOS_double_to_string(value, c"g", precision, 0, NULL)
        try:
            if precision == 9 or <float>PyOS_string_to_double(text, NULL, None) == <float>value:
                return text.decode("ascii")
        finally:
            PyMem_Free(text)
        precision += 1


cdef int put_numeric(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef double value = float_at(column, at)
    cdef Codec numeric = builtin(OID_NUMERIC)
    cdef Py_ssize_t mark = out.begin_value()
    numeric.encode[BINARY](numeric, out, shortest(value, column.width == 4))
    return out.end_value(mark)


cdef bint settle_float_as_numeric(ArrowColumn column) except -1:
    column.put = put_numeric
    column.width = FLOAT_WIDTHS.get(column.field.format, 0)
    return column.width != 0
