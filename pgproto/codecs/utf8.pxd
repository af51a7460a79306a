# str to UTF-8 and back: the whole codec of a type whose value is its text.

from pgproto.codecs.codec cimport Codec, decode_t, encode_t
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef str str_of(Slice body)
cdef int text_encode(Codec codec, WriteBuffer out, object value) except -1
cdef object text_decode(Codec codec, Slice body)
cdef bint reads_other() except -1
cdef object decode_in_utf8(decode_t decode, Codec codec, Slice body)
cdef int encode_in_utf8(encode_t encode, Codec codec, WriteBuffer out, object value) except -1
