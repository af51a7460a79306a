"""float4 and float8 as float; a float4 keeps the value that its single precision has."""
from cpython.float cimport PyFloat_AsDouble, PyFloat_FromDouble
from cpython.object cimport PyObject_Repr
from libc.math cimport isinf
from libc.stdint cimport uint32_t

from pgproto.codecs.binary_numbers cimport float8_decode
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused
from pgproto.oids cimport OID_FLOAT4, OID_FLOAT8
from pgproto.wire cimport Slice, float_of_bits, whole_int32
from pgproto.write_buffer cimport WriteBuffer


cdef enum:
    TEXT_MAX = 64


cdef float single_of(object value) except? -1.0:
    cdef double number = PyFloat_AsDouble(value)
    cdef float single = <float>number
    if isinf(single) and not isinf(number):
        raise OverflowError("value out of float32 range")
    return single


cdef int float4_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_float4(single_of(value))


cdef int float8_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_float8(PyFloat_AsDouble(value))


cdef object float4_decode(Codec codec, Slice body):
    return PyFloat_FromDouble(float_of_bits(<uint32_t>whole_int32(body)))


cdef int float4_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(PyObject_Repr(PyFloat_FromDouble(single_of(value))))


cdef int float8_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(PyObject_Repr(PyFloat_FromDouble(PyFloat_AsDouble(value))))


cdef double number_of(Codec codec, Slice body) except? -1.0:
    cdef Py_ssize_t i
    if not 0 < body.n < TEXT_MAX:
        raise refused(codec.name, "a number", body)
    for i in range(body.n):
        # The digits, signs, points, exponents, and the letters of NaN and Infinity; no spaces, no underscores.
        if not (body.at[i] in b"+-." or 48 <= body.at[i] <= 57 or 65 <= (body.at[i] & 0x5F) <= 90):
            raise refused(codec.name, "a number", body)
    try:
        return float(body.at[:body.n])
    except ValueError:
        raise refused(codec.name, "a number", body) from None


cdef object float4_text_decode(Codec codec, Slice body):
    return PyFloat_FromDouble(<float>number_of(codec, body))


cdef object float8_text_decode(Codec codec, Slice body):
    return PyFloat_FromDouble(number_of(codec, body))


register(OID_FLOAT4, TEXT, float4_text_encode, float4_text_decode, True)
register(OID_FLOAT4, BINARY, float4_encode, float4_decode, True)
register(OID_FLOAT8, TEXT, float8_text_encode, float8_text_decode, True)
register(OID_FLOAT8, BINARY, float8_encode, float8_decode, True)
