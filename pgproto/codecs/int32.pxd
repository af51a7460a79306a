# int4 in binary, read: one value, and the elements of an array.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice

cdef object int4_decode(Codec codec, Slice body)
cdef Py_ssize_t fill_int4(Slice *body, list values) except -1
