# Which codec a type has: the shared built-in map, what the catalogue said, and what one session lays over them.

from libc.stdint cimport uint32_t
cimport cython

from pgproto.codecs.codec cimport Codec, decode_t, encode_t

cdef Codec register(uint32_t oid, int format, encode_t encode, decode_t decode, bint is_leaf=*)
cdef int prefer(uint32_t oid, int format) except -1
cdef int register_codec(Codec codec) except -1
cdef Codec builtin(uint32_t oid)


@cython.final
cdef class CodecRegistry:
    cdef readonly object types          # TypeCache, shared by the sessions of a pool
    cdef dict overlay                   # oid -> Codec, this session's own
    cdef dict mappings                  # (schema or None, name) -> what the user maps the type to
    cdef dict found                     # oid -> Codec: what was built for this session
    cdef bint keeps_bounds              # arrays with other lower bounds than 1 are read as pgproto.types.Array
    cdef readonly set missing           # OIDs of elements of a `record` that could not be read
    cdef object version                 # of `types` when `found` was built
    cdef Codec find(self, uint32_t oid)
    cdef Codec find_or_text(self, uint32_t oid)
    cdef int find_parts(self, uint32_t oid) except -1
    cdef Codec find_nested(self, uint32_t oid, int depth)
    cdef Codec build(self, uint32_t oid, int depth)
    cdef Codec build_builtin(self, Codec codec, int depth)
    cdef Codec build_derived(self, object facts, int depth)
    cdef Codec build_plain(self, object facts, int depth)
    cdef Codec build_composite(self, object facts, int depth)
    cdef Codec part(self, uint32_t oid, int depth)
    cdef object mapping_of(self, object facts)
