# str to UTF-8 and back: the whole codec of a type whose value is its text.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef str str_of(Slice body)
cdef int text_encode(Codec codec, WriteBuffer out, object value) except -1
cdef object text_decode(Codec codec, Slice body)
