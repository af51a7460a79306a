# Types that are read and written as their text: unknown ones, and those whose binary form nobody asked for.

from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport Codec

cdef Codec new_text(uint32_t oid, str name, str schema)
