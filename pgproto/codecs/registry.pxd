# Which codec a type has: the shared built-in map, and what one session lays over it.

from libc.stdint cimport uint32_t
cimport cython

from pgproto.codecs.codec cimport Codec, decode_t, encode_t

cdef Codec register(uint32_t oid, int format, encode_t encode, decode_t decode, bint is_leaf=*)
cdef int prefer(uint32_t oid, int format) except -1
cdef int register_codec(Codec codec) except -1
cdef Codec builtin(uint32_t oid)


@cython.final
cdef class CodecRegistry:
    cdef dict overlay                   # oid -> Codec, this session's own
    cdef dict bounded                   # array codec -> the same one that keeps lower bounds; None unless asked for
    cdef Codec find(self, uint32_t oid)
    cdef Codec with_bounds(self, Codec codec)
    cdef Codec find_or_text(self, uint32_t oid)
