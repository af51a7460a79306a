# Reading a float's text, for the types that are made of floats.

from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport Slice

cdef double number_of(Codec codec, Slice body) except? -1.0
