# Arrow data as they are handed over: a stream of batches, or one batch.

cimport cython

from pgproto.arrow_abi cimport ArrowArray, ArrowArrayStream


@cython.final
cdef class ArrowSource:
    cdef readonly object schema         # ArrowField of the whole
    cdef ArrowArrayStream stream
    cdef ArrowArray batch
    cdef bint has_batch                 # `batch` was given and is not taken yet
    cdef int open_stream(self, object capsule) except -1
    cdef int open_array(self, object schema_capsule, object array_capsule) except -1
    cdef ArrowArray *next_batch(self) except? NULL
    cdef int release_all(self) except -1
    cdef int release_batch(self) except -1
    cdef int raise_failure(self, str what, int code) except -1
