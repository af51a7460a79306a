"""bit and varbit as BitString; any contiguous buffer is written as eight bits a byte.

  | n bits i32 | the bits, the first one highest, the last byte filled with zeros |
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused
from pgproto.oids cimport OID_BIT, OID_VARBIT
from pgproto.wire cimport Slice, take_int32
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody
from pgproto.types import BitString

cdef object bit_string = BitString
cdef object new_bit_string = BitString.frombytes


cdef bytes bits_of(object value, Py_ssize_t *n_bits):
    cdef bytes bits
    if isinstance(value, bit_string):
        bits = value.bytes
        n_bits[0] = len(value)
    else:
        bits = bytes(memoryview(value))
        n_bits[0] = PyBytes_GET_SIZE(bits) * 8
    if n_bits[0] > 0x7FFFFFFF:
        raise OverflowError(f"a bit string can have 2147483647 bits, got {n_bits[0]}")
    return bits


cdef int bit_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_ssize_t n_bits = 0
    cdef bytes bits = bits_of(value, &n_bits)
    out.put_int32(<int32_t>n_bits)
    return out.put_bytes(PyBytes_AS_STRING(bits), PyBytes_GET_SIZE(bits))


cdef object bit_decode(Codec codec, Slice body):
    cdef int32_t n_bits = take_int32(&body)
    # In 64 bits: seven more than the most would not fit into 32.
    if n_bits < 0 or (<Py_ssize_t>n_bits + 7) // 8 != body.n:
        raise MalformedBody(f"{codec.name}: {n_bits} bits in {body.n} bytes")
    return new_bit_string(PyBytes_FromStringAndSize(body.at, body.n), n_bits)


cdef int bit_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_ssize_t n_bits = 0, i
    cdef bytes bits = bits_of(value, &n_bits)
    out.reserve(n_bits)
    for i in range(n_bits):
        out.start[out.length + i] = <char>(48 + (<unsigned char>PyBytes_AS_STRING(bits)[i // 8] >> (7 - i % 8) & 1))
    out.length += n_bits
    return 0


cdef object bit_text_decode(Codec codec, Slice body):
    cdef Py_ssize_t i
    cdef bytes bits = PyBytes_FromStringAndSize(NULL, (body.n + 7) // 8)
    cdef char *to = PyBytes_AS_STRING(bits)
    for i in range(body.n):
        if body.at[i] != c"0" and body.at[i] != c"1":
            raise refused(codec.name, "zeros and ones", body)
        if i % 8 == 0:
            to[i // 8] = 0
        to[i // 8] = <char>(<unsigned char>to[i // 8] | (<unsigned char>(body.at[i] - 48)) << (7 - i % 8))
    return new_bit_string(bits, body.n)


cdef int register_all() except -1:
    for oid in (OID_BIT, OID_VARBIT):
        register(oid, TEXT, bit_text_encode, bit_text_decode, True)
        register(oid, BINARY, bit_encode, bit_decode, True)
    return 0


register_all()
