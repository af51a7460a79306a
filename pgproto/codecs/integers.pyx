"""int2, int4, int8 and the unsigned oid, xid, cid, xid8 as int.

Whole numbers of other types are taken (numpy's, Decimal('5'), 5.0); a fraction is refused, never cut.
"""
from decimal import Decimal
from numbers import Number

from cpython.long cimport (
    PyLong_AsLongLongAndOverflow, PyLong_AsUnsignedLongLong, PyLong_Check, PyLong_FromLongLong,
    PyLong_FromUnsignedLongLong,
)
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject_Str
from libc.stdint cimport int16_t, int32_t, uint32_t

from pgproto.codecs.binary_numbers cimport int4_decode, int8_decode
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused, skip, take_digits
from pgproto.oids cimport OID_CID, OID_INT2, OID_INT4, OID_INT8, OID_OID, OID_XID, OID_XID8
from pgproto.wire cimport Slice, take_end, take_int16, whole_int32, whole_int64
from pgproto.write_buffer cimport WriteBuffer


cdef extern from *:
    """
    #include <stdint.h>
    /* The number of an int that has one digit at most, as nearly all have. */
    static inline int apc_is_short(PyObject *value, int64_t *number) {
    #if defined(CYTHON_COMPILING_IN_CPYTHON) && CYTHON_COMPILING_IN_CPYTHON && PY_VERSION_HEX >= 0x030C0000
        if (!PyUnstable_Long_IsCompact((PyLongObject *)value)) return 0;
        *number = (int64_t)PyUnstable_Long_CompactValue((PyLongObject *)value);
        return 1;
    #elif defined(CYTHON_COMPILING_IN_CPYTHON) && CYTHON_COMPILING_IN_CPYTHON
        Py_ssize_t size = Py_SIZE(value);
        if (size != 1 && size != -1) return 0;
        *number = (int64_t)size * (int64_t)((PyLongObject *)value)->ob_digit[0];
        return 1;
    #else
        return 0;
    #endif
    }
    """
    bint is_short "apc_is_short" (object value, int64_t *number) noexcept


cdef enum:
    INT16_LOW = -0x8000
    INT16_HIGH = 0x7FFF

cdef int64_t INT32_LOW = -0x80000000LL
cdef int64_t INT32_HIGH = 0x7FFFFFFFLL
cdef int64_t INT64_LOW = <int64_t>0x8000000000000000ULL
cdef int64_t INT64_HIGH = 0x7FFFFFFFFFFFFFFFLL
cdef uint64_t UINT32_HIGH = 0xFFFFFFFFULL
cdef uint64_t UINT64_HIGH = 0xFFFFFFFFFFFFFFFFULL

cdef enum:
    DIGITS_MAX = 30         # more than any type here has

# What stands for a number that no type here has.
cdef object OUTSIDE = 1 << 100


cdef object whole_of(object value):
    """The int that a value stands for: its __index__, or its __int__ if it has no fraction; OUTSIDE for a huge one."""
    if hasattr(value, "__index__"):
        return PyNumber_Index(value)
    if not hasattr(value, "__int__"):
        raise TypeError(f"an integer is required, got {type(value).__name__}")
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() > DIGITS_MAX:
        # 1E+999999 has a million digits: int() would take minutes to tell that it is none of ours.
        return OUTSIDE
    whole = int(value)
    if isinstance(value, Number) and whole != value:
        raise ValueError(f"a whole number was expected, got {value!r}")
    return whole


cdef int64_t int64_of_other(object value, int64_t low, int64_t high, str name) except? -1:
    cdef int overflow = 0
    cdef int64_t number
    if not PyLong_Check(value):
        value = whole_of(value)
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow or number < low or number > high:
        raise OverflowError(f"value out of {name} range")
    return number


cdef inline int64_t whole_between(object value, int64_t low, int64_t high, str name) except? -1:
    cdef int64_t number = 0
    if PyLong_Check(value) and is_short(value, &number) and low <= number <= high:
        return number
    return int64_of_other(value, low, high, name)


cdef int64_t int64_of(object value, int64_t low, int64_t high, str name) except? -1:
    return whole_between(value, low, high, name)


cdef uint64_t uint64_of(object value, uint64_t high, str name) except? 0xFFFFFFFFFFFFFFFF:
    cdef uint64_t number
    if not PyLong_Check(value):
        value = whole_of(value)
    try:
        number = PyLong_AsUnsignedLongLong(value)
    except OverflowError:
        raise OverflowError(f"value out of {name} range") from None
    if number > high:
        raise OverflowError(f"value out of {name} range")
    return number


cdef int int2_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int16(<int16_t>whole_between(value, INT16_LOW, INT16_HIGH, "int16"))


cdef int int4_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int32(<int32_t>whole_between(value, INT32_LOW, INT32_HIGH, "int32"))


cdef int int8_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int64(whole_between(value, INT64_LOW, INT64_HIGH, "int64"))


cdef int uint4_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int32(<int32_t><uint32_t>uint64_of(value, UINT32_HIGH, "uint32"))


cdef int uint8_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int64(<int64_t>uint64_of(value, UINT64_HIGH, "uint64"))


cdef object int2_decode(Codec codec, Slice body):
    cdef int16_t number = take_int16(&body)
    take_end(&body)
    return number


cdef object uint4_decode(Codec codec, Slice body):
    return PyLong_FromLongLong(<uint32_t>whole_int32(body))


cdef object uint8_decode(Codec codec, Slice body):
    return PyLong_FromUnsignedLongLong(<uint64_t>whole_int64(body))


cdef int put_decimal(WriteBuffer out, object number) except -1:
    return out.put_text(PyObject_Str(number))


cdef int int2_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_decimal(out, int64_of(value, INT16_LOW, INT16_HIGH, "int16"))


cdef int int4_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_decimal(out, int64_of(value, INT32_LOW, INT32_HIGH, "int32"))


cdef int int8_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_decimal(out, int64_of(value, INT64_LOW, INT64_HIGH, "int64"))


cdef int uint4_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_decimal(out, uint64_of(value, UINT32_HIGH, "uint32"))


cdef int uint8_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_decimal(out, uint64_of(value, UINT64_HIGH, "uint64"))


cdef object signed_text(Codec codec, Slice body, uint64_t high):
    """The number that `body` spells; it lies in -high-1 .. high."""
    cdef Slice rest = body
    cdef int n = 0
    cdef bint is_negative = skip(&rest, c"-")
    cdef uint64_t number = take_digits(&rest, 20, &n)
    if n == 0 or rest.n or number > high + is_negative:
        raise refused(codec.name, "a whole number in its range", body)
    return PyLong_FromLongLong(-1 - <int64_t>(number - 1) if is_negative and number else <int64_t>number)


cdef object unsigned_text(Codec codec, Slice body, uint64_t high):
    cdef Slice rest = body
    cdef int n = 0
    cdef uint64_t number = take_digits(&rest, 20, &n)
    if n == 0 or rest.n or number > high:
        raise refused(codec.name, "a whole number in its range", body)
    return PyLong_FromUnsignedLongLong(number)


cdef object int2_text_decode(Codec codec, Slice body):
    return signed_text(codec, body, INT16_HIGH)


cdef object int4_text_decode(Codec codec, Slice body):
    return signed_text(codec, body, <uint64_t>INT32_HIGH)


cdef object int8_text_decode(Codec codec, Slice body):
    return signed_text(codec, body, <uint64_t>INT64_HIGH)


cdef object uint4_text_decode(Codec codec, Slice body):
    return unsigned_text(codec, body, UINT32_HIGH)


cdef object uint8_text_decode(Codec codec, Slice body):
    return unsigned_text(codec, body, UINT64_HIGH)


cdef int register_all() except -1:
    cdef uint32_t oid
    register(OID_INT2, TEXT, int2_text_encode, int2_text_decode, True)
    register(OID_INT2, BINARY, int2_encode, int2_decode, True)
    register(OID_INT4, TEXT, int4_text_encode, int4_text_decode, True)
    register(OID_INT4, BINARY, int4_encode, int4_decode, True)
    register(OID_INT8, TEXT, int8_text_encode, int8_text_decode, True)
    register(OID_INT8, BINARY, int8_encode, int8_decode, True)
    for oid in (OID_OID, OID_XID, OID_CID):
        register(oid, TEXT, uint4_text_encode, uint4_text_decode, True)
        register(oid, BINARY, uint4_encode, uint4_decode, True)
    register(OID_XID8, TEXT, uint8_text_encode, uint8_text_decode, True)
    register(OID_XID8, BINARY, uint8_encode, uint8_decode, True)
    return 0


register_all()
