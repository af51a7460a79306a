"""numeric as Decimal, exact both ways; the scale is kept, so 1.50 stays 1.50 and 100000 is Decimal('100000').

  | ndigits u16 | weight i16 | sign u16 | dscale u16 | digit i16 x ndigits (base 10000) |

The value is the sum of digit[i] * 10000 ** (weight - i). Numbers of up to 36 digits become a Decimal in place where its
layout is known (decimal_in_place.h says when); all others, and all that are sent, go through a number in ASCII, which
Decimal reads and writes faster than it can be built from parts.
"""
from decimal import Decimal, InvalidOperation

from cpython.float cimport PyFloat_Check
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_Check
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject, PyObject_Str, PyTypeObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check
from libc.stdint cimport int16_t, int64_t, uint16_t, uint64_t
from libc.string cimport memset

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused
from pgproto.codecs.utf8 cimport str_of
from pgproto.oids cimport OID_NUMERIC
from pgproto.wire cimport Slice, slice_of, store_uint16, take_int16, take_uint16
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody, shown


cdef extern from *:
    str PyUnicode_New(Py_ssize_t n, Py_UCS4 largest)
    void *PyUnicode_DATA(object text) noexcept
    object PyObject_CallOneArg(object function, object argument)
    object steal "(PyObject *)" (PyObject *)    # takes over the reference


cdef extern from "decimal_in_place.h":
    bint decimal_may_be_known(PyTypeObject *)
    PyObject *decimal_of_digits(PyTypeObject *, const char *, int, int, int, bint) except? NULL

cdef enum:
    POSITIVE = 0x0000
    NEGATIVE = 0x4000
    NOT_A_NUMBER = 0xC000
    POSITIVE_INFINITY = 0xD000
    NEGATIVE_INFINITY = 0xF000
    SCALE_MAX = 0x3FFF          # what dscale can say
    WHOLE_DIGITS_MAX = 131072   # what weight can say: 4 * (32767 + 1)

cdef object DecimalType = Decimal
cdef object NAN = Decimal("NaN")
cdef object INFINITY = Decimal("Infinity")
cdef object MINUS_INFINITY = Decimal("-Infinity")
cdef PyTypeObject *decimal_type = <PyTypeObject *>Decimal      # DecimalType keeps it
cdef bint is_in_place = False       # whether decimal_in_place.h may be used, see `settle_layout`


cdef object numeric_decode(Codec codec, Slice body):
    cdef Py_ssize_t ndigits = take_uint16(&body)
    cdef int weight = take_int16(&body)
    cdef int sign = take_uint16(&body)
    cdef int dscale = take_uint16(&body)
    if body.n != 2 * ndigits:
        raise MalformedBody(f"numeric: {ndigits} digits were expected in {body.n} bytes")
    if sign != POSITIVE and sign != NEGATIVE:
        if sign == NOT_A_NUMBER:
            return NAN
        if sign == POSITIVE_INFINITY:
            return INFINITY
        if sign == NEGATIVE_INFINITY:
            return MINUS_INFINITY
        raise MalformedBody(f"numeric: a sign was expected, got 0x{sign:04x}")
    if dscale > SCALE_MAX:
        raise MalformedBody(f"numeric: a scale up to {SCALE_MAX} was expected, got {dscale}")
    cdef PyObject *value
    if is_in_place:
        value = decimal_of_digits(decimal_type, body.at, <int>ndigits, weight, dscale, sign == NEGATIVE)
        if value != NULL:
            return steal(value)
    return PyObject_CallOneArg(DecimalType, ascii_of(body, <int>ndigits, weight, dscale, sign == NEGATIVE))


cdef str ascii_of(Slice digits, int ndigits, int weight, int dscale, bint is_negative):
    """The number in decimal notation with `dscale` digits after the point, leading zeros included."""
    cdef Ascii size
    measure_ascii(&size, digits, ndigits, weight, dscale, is_negative)
    cdef str text = PyUnicode_New(size.n, 127)
    put_ascii(<char *>PyUnicode_DATA(text), &size, digits, ndigits, weight, is_negative)
    return text


cdef int measure_ascii(Ascii *size, Slice digits, int ndigits, int weight, int dscale, bint is_negative) except -1:
    """Say how long the number is in decimal notation; bounded by weight, dscale and ndigits of 16 bits each: 400 KB."""
    size.n_whole = 4 * (weight + 1) if weight >= 0 else 1
    size.n_fraction = dscale
    if has_hidden(digits, ndigits, weight, dscale):
        size.n_fraction = 4 * (ndigits - 1 - weight)
    size.n = is_negative + size.n_whole + (size.n_fraction > 0) + size.n_fraction
    return 0


cdef int put_ascii(char *to, Ascii *size, Slice digits, int ndigits, int weight, bint is_negative) except -1:
    """Write the `size.n` characters of the number."""
    cdef int i, digit, at
    cdef int end = size.n
    memset(to, c"0", end)
    if is_negative:
        to[0] = c"-"
    if size.n_fraction:
        to[is_negative + size.n_whole] = c"."
    at = is_negative if weight >= 0 else is_negative + 2 + 4 * (-weight - 1)
    for i in range(ndigits):
        if i == weight + 1 and weight >= 0:
            at += 1     # the point
        digit = take_int16(&digits)
        if not 0 <= digit <= 9999:
            raise MalformedBody(f"numeric: a digit of base 10000 was expected, got {digit}")
        if at + 4 <= end:
            to[at] = <char>(48 + digit // 1000)
            to[at + 1] = <char>(48 + digit // 100 % 10)
            to[at + 2] = <char>(48 + digit // 10 % 10)
            to[at + 3] = <char>(48 + digit % 10)
        else:
            put_cut(to, at, end, digit)
        at += 4
    return 0


cdef void put_cut(char *to, int at, int end, int digit) noexcept:
    """Write those of four digits that lie before `end`; the others are zeros."""
    cdef int i, part = 1000
    for i in range(4):
        if at + i < end:
            to[at + i] = <char>(48 + digit // part % 10)
        part //= 10


cdef bint has_hidden(Slice digits, int ndigits, int weight, int dscale) except -1:
    """Whether there are digits other than 0 beyond the scale; PostgreSQL sends none, others might."""
    cdef int i, digit, n_shown, part
    cdef int n_fraction = 4 * (ndigits - 1 - weight)
    if n_fraction <= dscale:
        return False
    for i in range(ndigits):
        digit = take_int16(&digits)
        n_shown = dscale - 4 * (i - weight - 1)     # of the four, how many the scale shows
        part = 10000 if n_shown <= 0 else 1000 if n_shown == 1 else 100 if n_shown == 2 else 10 if n_shown == 3 else 1
        if i > weight and digit % part:
            return True
    return False


# A decimal number that is to be sent: where its digits are in the text that Decimal gave, and how they are grouped.
cdef struct Number:
    Slice whole             # digits before the point
    Slice fraction          # and after it
    int sign
    int64_t exponent        # of the last digit
    Py_ssize_t n_digits


cdef object decimal_of(object value):
    """The Decimal of what the caller gave, exact."""
    if isinstance(value, DecimalType):
        return value
    if PyUnicode_Check(value):
        try:
            return DecimalType(value)
        except InvalidOperation:
            raise ValueError(f"a number was expected, got {shown(value)}") from None
    if PyLong_Check(value) or PyFloat_Check(value):
        return DecimalType(value)
    if hasattr(value, "__index__"):
        return DecimalType(PyNumber_Index(value))
    if isinstance(value, tuple):
        return DecimalType(value)
    raise TypeError(f"a number was expected, got {type(value).__name__}")


cdef int read_number(str text, Number *number) except -1:
    """Find the parts of what str() gave for a Decimal: `-12.50`, `1E+5`, `-0E-7`, `NaN`, `sNaN12`, `-Infinity`."""
    cdef Slice rest
    cdef Py_ssize_t i, n_point = -1, n_end
    rest.at = PyUnicode_AsUTF8AndSize(text, &rest.n)
    number.sign = POSITIVE
    number.exponent = 0
    if rest.n and rest.at[0] == c"-":
        number.sign = NEGATIVE
        rest = slice_of(rest.at + 1, rest.n - 1)
    if rest.n == 0 or not 48 <= rest.at[0] <= 57:
        if rest.n and rest.at[0] == c"I":
            number.sign = NEGATIVE_INFINITY if number.sign else POSITIVE_INFINITY
        else:
            number.sign = NOT_A_NUMBER
        return 0
    n_end = rest.n
    for i in range(rest.n):
        if rest.at[i] == c".":
            n_point = i
        elif rest.at[i] == c"E":
            n_end = i
            number.exponent = int(rest.at[i + 1:rest.n])
            break
    if n_point < 0:
        number.whole = slice_of(rest.at, n_end)
        number.fraction = slice_of(rest.at, 0)
    else:
        number.whole = slice_of(rest.at, n_point)
        number.fraction = slice_of(rest.at + n_point + 1, n_end - n_point - 1)
    number.exponent -= number.fraction.n
    number.n_digits = number.whole.n + number.fraction.n
    return check_limits(number)


cdef int check_limits(Number *number) except -1:
    if -number.exponent > SCALE_MAX:
        raise ValueError(f"numeric can have {SCALE_MAX} digits after the point, this has {-number.exponent}")
    if number.n_digits + number.exponent > WHOLE_DIGITS_MAX and not is_zero(number):
        raise ValueError(f"numeric can have {WHOLE_DIGITS_MAX} digits before the point, "
                         f"this has {number.n_digits + number.exponent}")
    return 0


cdef inline int digit_at(Number *number, Py_ssize_t i) noexcept:
    """Digit i of the number, counted from the first; 0 outside."""
    if i < 0 or i >= number.n_digits:
        return 0
    return (number.whole.at[i] if i < number.whole.n else number.fraction.at[i - number.whole.n]) - 48


cdef bint is_zero(Number *number) noexcept:
    cdef Py_ssize_t i
    for i in range(number.n_digits):
        if digit_at(number, i):
            return False
    return True


cdef int put_special(WriteBuffer out, int sign) except -1:
    out.put_int32(0)
    out.put_int16(<int16_t>sign)
    return out.put_int16(0)


cdef int numeric_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Number number
    cdef int overflow = 0
    cdef int64_t small
    if PyLong_Check(value):
        small = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            return put_small(out, small)
    cdef str text = PyObject_Str(decimal_of(value))     # keeps what `number` points to
    read_number(text, &number)
    if number.sign != POSITIVE and number.sign != NEGATIVE:
        return put_special(out, number.sign)
    return put_number(out, &number)


cdef int put_number(WriteBuffer out, Number *number) except -1:
    cdef Py_ssize_t first = 0, n_before, ndigits, at, n_zero = 0
    cdef int weight, digit
    cdef int dscale = <int>(-number.exponent) if number.exponent < 0 else 0
    while first < number.n_digits and digit_at(number, first) == 0:
        first += 1
    if first == number.n_digits:
        out.put_int32(0)
        out.put_int16(POSITIVE)
        return out.put_int16(<int16_t>dscale)
    n_before = number.n_digits - first + <Py_ssize_t>number.exponent    # may be negative: zeros after the point
    weight = <int>((n_before + 3 + 4 * SCALE_MAX) // 4 - SCALE_MAX - 1)
    at = first - (4 * (weight + 1) - n_before)      # the first group may begin before the first digit
    ndigits = (number.n_digits - at + 3) // 4
    cdef Py_ssize_t mark = out.length
    out.put_int16(0)
    out.put_int16(<int16_t>weight)
    out.put_int16(<int16_t>number.sign)
    out.put_int16(<int16_t>dscale)
    for _ in range(ndigits):
        digit = (digit_at(number, at) * 1000 + digit_at(number, at + 1) * 100
                 + digit_at(number, at + 2) * 10 + digit_at(number, at + 3))
        out.put_int16(<int16_t>digit)
        n_zero = 0 if digit else n_zero + 1
        at += 4
    out.cut(out.length - 2 * n_zero)
    store_uint16(out.start + mark, <uint16_t>(ndigits - n_zero))
    return 0


cdef int put_small(WriteBuffer out, int64_t value) except -1:
    """Put a whole number of 64 bits: at most five digits."""
    cdef int16_t digits[5]
    cdef int n = 0, weight, i
    cdef uint64_t rest = <uint64_t>value if value >= 0 else <uint64_t>(-(value + 1)) + 1
    while rest:
        digits[n] = <int16_t>(rest % 10000)
        rest //= 10000
        n += 1
    weight = n - 1 if n else 0
    i = 0
    while i < n and digits[i] == 0:
        i += 1
    out.put_int16(<int16_t>(n - i))
    out.put_int16(<int16_t>weight)
    out.put_int16(NEGATIVE if value < 0 else POSITIVE)
    out.put_int16(0)
    while n > i:
        n -= 1
        out.put_int16(digits[n])
    return 0


cdef int numeric_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Number number
    cdef str text = PyObject_Str(decimal_of(value))
    read_number(text, &number)
    return out.put_text("NaN" if number.sign == NOT_A_NUMBER else text)


cdef object numeric_text_decode(Codec codec, Slice body):
    try:
        return PyObject_CallOneArg(DecimalType, str_of(body))
    except (InvalidOperation, ValueError):
        raise refused("numeric", "a number", body) from None


def decode_both_ways(bytes body not None):
    """Return what a body of finite value gives in place (None where that is not for it) and by way of its text."""
    cdef Slice rest = slice_of(body, len(body))
    cdef int ndigits = take_uint16(&rest)
    cdef int weight = take_int16(&rest)
    cdef bint is_negative = take_uint16(&rest) == NEGATIVE
    cdef int dscale = take_uint16(&rest)
    cdef PyObject *value = NULL
    if decimal_may_be_known(decimal_type):
        value = decimal_of_digits(decimal_type, rest.at, ndigits, weight, dscale, is_negative)
    return (None if value == NULL else steal(value),
            PyObject_CallOneArg(DecimalType, ascii_of(rest, ndigits, weight, dscale, is_negative)))


def use_layout(bint wanted):
    """Build Decimals in place if `wanted` and if the layout is known; say whether that is so. For tests."""
    global is_in_place
    is_in_place = wanted and layout_is_known()
    return is_in_place


def layout_is_known():
    """Whether Decimals that were built in place are those that Decimal makes itself, in every way that shows."""
    if not decimal_may_be_known(decimal_type):
        return False
    cdef WriteBuffer out
    for text in ("0", "-0.00", "7", "-1.5", "100000", "0.0001", "9999999999999999", "-12345678901234567890.12",
                 "999999999999999999999999999999999999", "1000000000000000000", "10000000000000000000.0000"):
        expected = DecimalType(text)
        out = WriteBuffer()
        numeric_encode(None, out, expected)
        value, by_text = decode_both_ways(out.take_all())
        if value is None:
            continue
        if not (str(value) == str(by_text) and value.as_tuple() == by_text.as_tuple() and value == by_text
                and hash(value) == hash(by_text) and value + 1 == by_text + 1 and -value * 3 == -by_text * 3
                and value.adjusted() == by_text.adjusted()):
            return False
    return True


register(OID_NUMERIC, TEXT, numeric_text_encode, numeric_text_decode, True)
register(OID_NUMERIC, BINARY, numeric_encode, numeric_decode, True)

use_layout(True)
