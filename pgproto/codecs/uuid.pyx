"""uuid as uuid.UUID itself, not a subclass: serialisers that look at the exact type know it.

uuid.UUID has two slots and forbids assignment from Python. They are filled from C (uuid_in_place.h), so a value costs
two allocations and no Python call.
"""
import uuid

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.object cimport PyObject, PyTypeObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check
from libc.string cimport memcpy

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused, shown
from pgproto.oids cimport OID_UUID
from pgproto.wire cimport Slice, take_end, take_slice
from pgproto.write_buffer cimport WriteBuffer


cdef extern from "uuid_in_place.h":
    PyObject *int_of_16(const char *at) except NULL
    int int_to_16(object number, char *to) except -1
    Py_ssize_t offset_of_slot(PyTypeObject *type, object slot) noexcept
    object new_uuid(PyTypeObject *type, Py_ssize_t at_int, Py_ssize_t at_is_safe, PyObject *number, PyObject *is_safe)
    object new_uuid_by_slots(PyTypeObject *type, PyObject *int_slot, PyObject *is_safe_slot, PyObject *number,
                             PyObject *is_safe)


cdef object UUID = uuid.UUID
cdef PyTypeObject *uuid_type = <PyTypeObject *>uuid.UUID    # the module's reference above keeps it
cdef object int_slot = uuid.UUID.__dict__["int"]
cdef object is_safe_slot = uuid.UUID.__dict__["is_safe"]
cdef object safety_unknown = uuid.SafeUUID.unknown
cdef Py_ssize_t at_int = 0          # 0 where the slots are filled through their descriptors
cdef Py_ssize_t at_is_safe = 0


def fill_slots_in_place(bint wanted):
    """Fill a UUID's slots where they lie if `wanted` and if it is known where; say whether that is so. For tests."""
    global at_int, at_is_safe
    at_int = offset_of_slot(uuid_type, int_slot) if wanted else 0
    at_is_safe = offset_of_slot(uuid_type, is_safe_slot) if at_int else 0
    if not at_is_safe:
        at_int = 0
    return at_int > 0


fill_slots_in_place(True)


cdef object uuid_of(const char *at):
    cdef PyObject *number = int_of_16(at)
    if at_int:
        return new_uuid(uuid_type, at_int, at_is_safe, number, <PyObject *>safety_unknown)
    return new_uuid_by_slots(uuid_type, <PyObject *>int_slot, <PyObject *>is_safe_slot, number,
                             <PyObject *>safety_unknown)


cdef inline int hex_value(int byte) noexcept:
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 0x20
    return byte - 87 if 97 <= byte <= 102 else -1


cdef bint parse(Slice text, char *to) noexcept:
    """Write the 16 bytes that 32 hex digits with any dashes between them make; say whether `text` is that."""
    cdef Py_ssize_t i
    cdef int n = 0, digit
    for i in range(text.n):
        if text.at[i] == c"-":
            continue
        digit = hex_value(<unsigned char>text.at[i])
        if digit < 0 or n == 32:
            return False
        to[n // 2] = <char>(digit if n % 2 == 0 else (<unsigned char>to[n // 2]) << 4 | digit)
        n += 1
    return n == 32


cdef int bytes_of(object value, char *to) except -1:
    cdef Slice text
    if isinstance(value, UUID):
        return int_to_16(value.int, to)
    if PyUnicode_Check(value):
        text.at = PyUnicode_AsUTF8AndSize(value, &text.n)
        if not 32 <= text.n <= 36 or not parse(text, to):
            raise ValueError(f"invalid UUID {shown(text)!r}: 32 hex digits were expected, with or without dashes")
        return 0
    octets = getattr(value, "bytes", None)
    if not PyBytes_Check(octets):
        raise TypeError(f"a UUID or its text was expected, got {type(value).__name__}")
    if PyBytes_GET_SIZE(octets) != 16:
        raise ValueError(f"a UUID has 16 bytes, got {PyBytes_GET_SIZE(octets)}")
    memcpy(to, PyBytes_AS_STRING(octets), 16)
    return 0


cdef int uuid_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef char octets[16]
    bytes_of(value, octets)
    return out.put_bytes(octets, 16)


cdef object uuid_decode(Codec codec, Slice body):
    cdef Slice octets = take_slice(&body, 16)
    take_end(&body)
    return uuid_of(octets.at)


cdef int uuid_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef char octets[16]
    cdef int i
    bytes_of(value, octets)
    for i in range(16):
        if i == 4 or i == 6 or i == 8 or i == 10:
            out.put_byte(c"-")
        out.put_byte(b"0123456789abcdef"[<unsigned char>octets[i] >> 4])
        out.put_byte(b"0123456789abcdef"[<unsigned char>octets[i] & 15])
    return 0


cdef object uuid_text_decode(Codec codec, Slice body):
    cdef char octets[16]
    if not parse(body, octets):
        raise refused("uuid", "32 hex digits", body)
    return uuid_of(octets)


register(OID_UUID, TEXT, uuid_text_encode, uuid_text_decode, True)
register(OID_UUID, BINARY, uuid_encode, uuid_decode, True)
