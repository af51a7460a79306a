# int4, int8 and float8 in binary, read; the elements of an int4 array.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice

cdef object int4_decode(Codec codec, Slice body)
cdef object int8_decode(Codec codec, Slice body)
cdef object float8_decode(Codec codec, Slice body)
cdef Py_ssize_t fill_int4(Slice *body, list values) except -1
