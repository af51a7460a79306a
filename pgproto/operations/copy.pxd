# COPY as the driver's own methods use it: a simple Query, and its data in both directions.

cimport cython

from pgproto.operations.operation cimport Operation
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


@cython.final
cdef class CopyIn(Operation):
    cdef readonly str sql
    cdef readonly str tag
    cdef readonly bint wants_data           # CopyInResponse has come and the end is not written
    cdef readonly tuple formats


@cython.final
cdef class CopyOut(Operation):
    cdef readonly str sql
    cdef readonly str tag
    cdef readonly tuple formats
    cdef list chunks
    cdef readonly Py_ssize_t n_bytes        # held in chunks
    cdef Py_ssize_t high_water
    cdef bint discards
