"""text, varchar, bpchar, name, xml, "unknown", cstring, refcursor and jsonpath as str.

Both formats are the text itself in UTF-8; the binary form of jsonpath (and of jsonb) has a version byte before it.
"""
from libc.stdint cimport uint32_t, uint8_t

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.oids cimport (
    OID_BPCHAR, OID_CSTRING, OID_JSONPATH, OID_NAME, OID_REFCURSOR, OID_TEXT, OID_UNKNOWN,
    OID_VARCHAR, OID_XML,
)
from pgproto.codecs.utf8 cimport str_of, text_decode, text_encode
from pgproto.wire cimport Slice, take_byte
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody


cdef int versioned_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    out.put_byte(1)
    return text_encode(codec, out, value)


cdef object versioned_text_decode(Codec codec, Slice body):
    cdef uint8_t version = take_byte(&body)
    if version != 1:
        raise MalformedBody(f"{codec.name}: version 1 was expected, got {version}")
    return str_of(body)


cdef int register_all() except -1:
    cdef uint32_t oid
    for oid in (OID_TEXT, OID_VARCHAR, OID_BPCHAR, OID_NAME, OID_XML, OID_UNKNOWN, OID_CSTRING, OID_REFCURSOR):
        register(oid, TEXT, text_encode, text_decode, True)
        register(oid, BINARY, text_encode, text_decode, True).binary_is_text = True
    register(OID_JSONPATH, TEXT, text_encode, text_decode, True)
    register(OID_JSONPATH, BINARY, versioned_text_encode, versioned_text_decode, True)
    return 0


register_all()
