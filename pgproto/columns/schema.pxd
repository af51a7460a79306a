# The Arrow schema of a result.

cimport cython

from pgproto.arrow_abi cimport ArrowSchema

cdef int copy_schema(const ArrowSchema *source, ArrowSchema *out) noexcept nogil


@cython.final
cdef class Schema:
    cdef ArrowSchema root           # a struct with a child for each column
    cdef readonly tuple fields
    cdef object capsule(self)
