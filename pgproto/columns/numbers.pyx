"""numeric as decimal128, as text or as float64.

  | ndigits u16 | weight i16 | sign u16 | dscale u16 | digit i16 x ndigits (base 10000) |
"""
from libc.stdint cimport int16_t, int32_t, uint64_t
from libc.string cimport memmove

from pgproto.codecs.numeric cimport Ascii, measure_ascii, put_ascii
from pgproto.columns.builder cimport Builder, append_null, append_t, grow, reserve_bytes
from pgproto.wire cimport Slice, refuse_short, slice_of

from pgproto.errors import MalformedBody, OutOfRange


cdef extern from "Python.h":
    double PyOS_string_to_double(const char *text, char **end, object overflow) except? -1.0

cdef extern from "columns.h":
    ctypedef struct Wide "apc_wide":
        uint64_t low, high

    enum:
        APC_FITS
        APC_TOO_LONG
        APC_TOO_FINE
        APC_NO_DIGIT
        APC_LOW
        APC_HIGH

    unsigned number_at "apc_digit" (const char *at, int i) noexcept nogil
    int scaled "apc_scale" (const char *digits, int n, int weight, int scale, Wide *number) noexcept nogil
    bint as_double "apc_as_double" (const char *digits, int n, int weight, double *number) noexcept nogil
    bint is_less "apc_is_less" (Wide a, Wide b) noexcept nogil
    Wide negative "apc_negative" (Wide number) noexcept nogil

cdef enum:
    POSITIVE = 0x0000
    NEGATIVE = 0x4000
    NOT_A_NUMBER = 0xC000
    POSITIVE_INFINITY = 0xD000
    NEGATIVE_INFINITY = 0xF000
    SCALE_MAX = 0x3FFF

cdef double NAN = float("nan")
cdef double INFINITY = float("inf")

cdef struct Numeric:
    Slice digits
    int n
    int weight
    int sign
    int scale


cdef inline int read_numeric(Slice body, Numeric *number) except -1:
    if body.n < 8:
        refuse_short(8, body.n)
    number.n = <int>number_at(body.at, 0)
    number.weight = <int16_t>number_at(body.at, 1)
    number.sign = <int>number_at(body.at, 2)
    number.scale = <int>number_at(body.at, 3)
    number.digits = slice_of(body.at + 8, body.n - 8)
    if body.n - 8 != 2 * number.n or number.scale > SCALE_MAX or number.sign & ~NEGATIVE:
        check_head(number)
    return 0


cdef int check_head(Numeric *number) except -1:
    """Refuse what is none; NaN and the infinities are numbers without digits."""
    if number.digits.n != 2 * number.n:
        raise MalformedBody(f"numeric: {number.n} digits were expected in {number.digits.n} bytes")
    if number.sign != POSITIVE and number.sign != NEGATIVE:
        if number.sign != NOT_A_NUMBER and number.sign != POSITIVE_INFINITY and number.sign != NEGATIVE_INFINITY:
            raise MalformedBody(f"numeric: a sign was expected, got 0x{number.sign:04x}")
    elif number.scale > SCALE_MAX:
        raise MalformedBody(f"numeric: a scale up to {SCALE_MAX} was expected, got {number.scale}")
    return 0


cdef str special_name(int sign):
    return "NaN" if sign == NOT_A_NUMBER else "Infinity" if sign == POSITIVE_INFINITY else "-Infinity"


cdef int append_decimal(Builder *b, Slice value) except -1:
    cdef Numeric number
    cdef Wide wide, limit
    cdef int outcome
    read_numeric(value, &number)
    if number.sign != POSITIVE and number.sign != NEGATIVE:
        if b.is_lenient:
            return append_null(b)
        raise OutOfRange(f"{special_name(number.sign)} is outside what decimal128 can hold")
    outcome = scaled(number.digits.at, number.n, number.weight, b.scale, &wide)
    limit.low = b.limit_low
    limit.high = b.limit_high
    if outcome != APC_FITS or not is_less(wide, limit):
        refuse_decimal(b, &number, outcome)
    if number.sign == NEGATIVE:
        wide = negative(wide)
    if b.length == b.capacity:
        grow(b)
    b.values.uint64s[2 * b.length + APC_LOW] = wide.low
    b.values.uint64s[2 * b.length + APC_HIGH] = wide.high
    b.length += 1
    return 0


cdef int refuse_decimal(Builder *b, Numeric *number, int outcome) except -1:
    if outcome == APC_NO_DIGIT:
        raise MalformedBody("numeric: a digit of base 10000 was expected")
    if outcome == APC_TOO_FINE:
        raise OutOfRange(f"a number with more than {b.scale} digits after the point")
    raise OutOfRange(f"a number that is too long for decimal128 with {b.scale} digits after the point")


cdef int append_digits(Builder *b, Slice value) except -1:
    """The text that the server would have sent."""
    cdef Numeric number
    cdef Ascii size
    cdef const char *name
    read_numeric(value, &number)
    if number.sign != POSITIVE and number.sign != NEGATIVE:
        name = (b"NaN" if number.sign == NOT_A_NUMBER else b"Infinity" if number.sign == POSITIVE_INFINITY
                else b"-Infinity")
        return append_ascii(b, name, 3 if number.sign == NOT_A_NUMBER else 8 if number.sign == POSITIVE_INFINITY else 9)
    measure_ascii(&size, number.digits, number.n, number.weight, number.scale, number.sign == NEGATIVE)
    if b.length == b.capacity:
        grow(b)
    if size.n > b.bytes_capacity - b.n_bytes:
        reserve_bytes(b, size.n)
    put_ascii(b.values.bytes + b.n_bytes, &size, number.digits, number.n, number.weight, number.sign == NEGATIVE)
    b.n_bytes += size.n - drop_zeros(b.values.bytes + b.n_bytes, &size, number.sign == NEGATIVE)
    b.length += 1
    b.offsets[b.length] = <int32_t>b.n_bytes
    return 0


cdef int drop_zeros(char *text, Ascii *size, bint is_negative) noexcept:
    """Close the gap that zeros in front leave, which come with digits of base 10000; return how many there were."""
    cdef int n = 0
    while n + 1 < size.n_whole and text[is_negative + n] == c"0":
        n += 1
    if n:
        memmove(text + is_negative, text + is_negative + n, size.n - is_negative - n)
    return n


cdef int append_ascii(Builder *b, const char *text, int n) except -1:
    cdef int i
    if b.length == b.capacity:
        grow(b)
    if n > b.bytes_capacity - b.n_bytes:
        reserve_bytes(b, n)
    for i in range(n):
        b.values.bytes[b.n_bytes + i] = text[i]
    b.n_bytes += n
    b.length += 1
    b.offsets[b.length] = <int32_t>b.n_bytes
    return 0


cdef int append_double(Builder *b, Slice value) except -1:
    """The nearest float64; a number beyond its range is refused."""
    cdef Numeric number
    cdef double nearest
    read_numeric(value, &number)
    if number.sign == NOT_A_NUMBER:
        nearest = NAN
    elif number.sign == POSITIVE_INFINITY or number.sign == NEGATIVE_INFINITY:
        nearest = INFINITY
    elif not as_double(number.digits.at, number.n, number.weight, &nearest):
        nearest = double_of_text(&number)
    if b.length == b.capacity:
        grow(b)
    b.values.float8s[b.length] = -nearest if number.sign == NEGATIVE or number.sign == NEGATIVE_INFINITY else nearest
    b.length += 1
    return 0


cdef double double_of_text(Numeric *number) except? -1.0:
    """The absolute value, through its digits: rounded once."""
    cdef Ascii size
    measure_ascii(&size, number.digits, number.n, number.weight, number.scale, False)
    cdef bytearray text = bytearray(size.n + 1)
    cdef char *start = text
    put_ascii(start, &size, number.digits, number.n, number.weight, False)
    start[size.n] = 0
    return PyOS_string_to_double(start, NULL, OverflowError)


cdef append_t number_of(str kind) except NULL:
    """The function for a kind of `pgproto.columns.plan`."""
    if kind == "decimal":
        return append_decimal
    if kind == "digits":
        return append_digits
    if kind == "double":
        return append_double
    raise KeyError(kind)
