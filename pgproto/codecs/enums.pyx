"""Enums as the str of their label, the same in both formats; a member of a Python Enum is sent as its value."""
from enum import Enum

from cpython.unicode cimport PyUnicode_Check

from pgproto.codecs.codec cimport BINARY
from pgproto.codecs.utf8 cimport text_decode
from pgproto.write_buffer cimport WriteBuffer


cdef Codec new_enum(uint32_t oid, str name, str schema):
    """A codec for an enum. Its labels are not remembered: the server knows which there are."""
    cdef Codec codec = Codec(oid, name, schema=schema)
    cdef int format
    for format in range(2):
        codec.encode[format] = enum_encode
        codec.decode[format] = text_decode
    codec.preferred = BINARY
    codec.is_leaf = True
    codec.binary_is_text = True
    return codec


def enum_codec(uint32_t oid, str name not None, str schema not None="public"):
    """Return a codec for an enum."""
    return new_enum(oid, name, schema)


cdef int enum_encode(Codec codec, WriteBuffer out, object value) except -1:
    if not PyUnicode_Check(value):
        label = value.value if isinstance(value, Enum) else None
        if not PyUnicode_Check(label):
            raise TypeError(f"expected str or an Enum with str values, got {type(value).__name__}")
        value = label
    return out.put_text(value)
