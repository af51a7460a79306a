# COPY as the driver's own methods use it: a simple Query, and its data in both directions.

from cpython.object cimport PyObject
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
    cdef PyObject *gathered                 # a bytes object that nobody else knows yet, owned; or NULL
    cdef Py_ssize_t n_room                  # its length
    cdef readonly Py_ssize_t n_bytes        # of it are data
    cdef Py_ssize_t n_taken                 # the last time
    cdef Py_ssize_t high_water
    cdef bint discards
    cdef int gather(self, Slice *body) except -1
    cdef int resize(self, Py_ssize_t n) except -1
