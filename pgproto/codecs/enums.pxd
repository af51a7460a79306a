# Enums: their labels.

from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport Codec

cdef Codec new_enum(uint32_t oid, str name, str schema)
