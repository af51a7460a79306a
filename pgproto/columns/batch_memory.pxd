# A finished batch of columns, shared by all who were handed it.

from libc.stdint cimport int64_t

from pgproto.arrow_abi cimport ArrowArray
from pgproto.columns.builder cimport Builder

cdef struct BatchMemory:
    int64_t refs
    int64_t n_rows
    int n_columns
    Builder *columns

cdef BatchMemory *new_memory(Builder *columns, int n_columns) except NULL
cdef void keep_memory(BatchMemory *memory) noexcept nogil
cdef void drop_memory(BatchMemory *memory) noexcept nogil
cdef int export_batch(BatchMemory *memory, ArrowArray *out) noexcept nogil
