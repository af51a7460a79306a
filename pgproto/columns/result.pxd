# What the caller gets: batches of columns, and a result of several of them.

cimport cython
from libc.stdint cimport int64_t

from pgproto.columns.batch_memory cimport BatchMemory
from pgproto.columns.schema cimport Schema


@cython.final
cdef class ColumnBatch:
    cdef BatchMemory *memory
    cdef readonly Schema schema


@cython.final
cdef class Columns:
    cdef readonly Schema schema
    cdef readonly tuple batches
    cdef readonly int64_t num_rows


cdef ColumnBatch new_batch(Schema schema, BatchMemory *memory)
