"""void: None, whatever it carries; functions without a result return it."""
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.oids cimport OID_VOID
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


cdef int void_encode(Codec codec, WriteBuffer out, object value) except -1:
    return 0


cdef object void_decode(Codec codec, Slice body):
    return None


register(OID_VOID, TEXT, void_encode, void_decode, True)
register(OID_VOID, BINARY, void_encode, void_decode, True)
