# Arrays of any element, in the binary format.

from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice

cdef Codec new_array(uint32_t oid, Codec element, str schema=*)
cdef int set_array_formats(Codec codec) except -1
cdef object array_decode(Codec codec, Slice body)
