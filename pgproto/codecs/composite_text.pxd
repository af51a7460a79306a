# Composite values, in the text format.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef int composite_text_encode(Codec codec, WriteBuffer out, object value) except -1
cdef object composite_text_decode(Codec codec, Slice body)
cdef object record_text_decode(Codec codec, Slice body)
