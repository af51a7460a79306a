# Ranges and multiranges of any subtype.

from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport Codec

cdef Codec new_range(uint32_t oid, str name, Codec subtype, str schema=*)
cdef Codec new_multirange(uint32_t oid, str name, Codec range_codec, str schema=*)
