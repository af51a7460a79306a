# Making values of several types agree on one format.

from pgproto.codecs.codec cimport Codec

cdef tuple agree(tuple fields)
cdef Codec in_format(Codec codec, int format)
