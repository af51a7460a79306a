# Arrays of any element, in the text format.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef int array_text_encode(Codec codec, WriteBuffer out, object value) except -1
cdef object array_text_decode(Codec codec, Slice body)
cdef int put_quoted(WriteBuffer out, Slice text) except -1
