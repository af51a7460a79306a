# The sink of an operation whose rows become columns.

cimport cython
from libc.stdint cimport int64_t

from pgproto.columns.batch_memory cimport BatchMemory
from pgproto.columns.result cimport Columns
from pgproto.columns.schema cimport Schema
from pgproto.row_sinks cimport RowSink
from pgproto.statement cimport Statement

cdef Statement columnar(Statement statement)


@cython.final
cdef class ColumnSink(RowSink):
    cdef object options
    cdef Statement bound            # whose rows are being read
    cdef Schema schema
    cdef BatchMemory *memory        # what is being filled
    cdef list batches               # what was finished since the last `take`
    cdef readonly int64_t n_rows    # whole rows, since the sink was made
    cdef int64_t n_bytes            # that have come for the batch
    cdef int64_t bytes_max
    cdef Py_ssize_t n_columns
    cdef bint is_in_row             # the last row has failed in the middle
    cdef bint grows
    cdef int bind(self, Statement statement) except -1
    cdef int refill(self) except -1
    cdef int mend(self) except -1
    cdef int make_way(self, int64_t n_bytes) except -1
    cdef int finish_batch(self) except -1
    cdef Columns give(self, Statement statement)
