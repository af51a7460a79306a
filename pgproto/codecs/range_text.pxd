# Ranges and multiranges, in the text format.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef int range_text_encode(Codec codec, WriteBuffer out, object value) except -1
cdef object range_text_decode(Codec codec, Slice body)
cdef int multirange_text_encode(Codec codec, WriteBuffer out, object value) except -1
cdef object multirange_text_decode(Codec codec, Slice body)
