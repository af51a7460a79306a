"""bool."""
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused
from pgproto.oids cimport OID_BOOL
from pgproto.wire cimport Slice, take_byte, take_end
from pgproto.write_buffer cimport WriteBuffer


cdef int bool_encode(Codec codec, WriteBuffer out, object value) except -1:
    if value is True:
        return out.put_byte(1)
    if value is False:
        return out.put_byte(0)
    raise TypeError(f"a boolean is required (got type {type(value).__name__})")


cdef object bool_decode(Codec codec, Slice body):
    cdef int byte = take_byte(&body)
    take_end(&body)
    return byte != 0


cdef int bool_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    if value is True:
        return out.put_byte(c"t")
    if value is False:
        return out.put_byte(c"f")
    raise TypeError(f"a boolean is required (got type {type(value).__name__})")


cdef object bool_text_decode(Codec codec, Slice body):
    if body.n == 1:
        if body.at[0] == c"t":
            return True
        if body.at[0] == c"f":
            return False
    raise refused("bool", "t or f", body)


register(OID_BOOL, TEXT, bool_text_encode, bool_text_decode, True)
register(OID_BOOL, BINARY, bool_encode, bool_decode, True)
