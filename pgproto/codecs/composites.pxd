# Composite values, in the binary format, and the pseudo-type `record`.

from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport Codec

cdef Codec new_composite(uint32_t oid, str name, str schema, tuple names, tuple fields)
cdef int set_composite_formats(Codec codec) except -1
cdef Codec new_record(uint32_t oid, object find)
