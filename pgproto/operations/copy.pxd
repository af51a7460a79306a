# COPY as the driver's own methods use it: a simple Query, and its data in both directions.

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from libc.string cimport memcpy
cimport cython

from pgproto.operations.operation cimport Operation, READY
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
    cdef int begin_gathering(self, Py_ssize_t n) except -1
    cdef int resize(self, Py_ssize_t n) except -1

    cdef inline int keep(self, Slice *body) except -1:
        """Keep the data of a message, mostly a row of a few bytes, behind the others in the object to be given."""
        cdef Py_ssize_t n = self.n_bytes + body.n
        if self.discards:
            return 0
        if self.gathered == NULL:
            self.begin_gathering(n)
        elif n > self.n_room:
            self.resize(max(n, 2 * self.n_room))
        memcpy(PyBytes_AS_STRING(<object>self.gathered) + self.n_bytes, body.at, body.n)
        self.n_bytes = n
        if n >= self.high_water:
            self.is_full = True
            self.event = READY
        return 0
