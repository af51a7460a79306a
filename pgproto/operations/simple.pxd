# The simple query protocol.

cimport cython

from pgproto.operations.operation cimport Operation
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


cdef Py_ssize_t put_prefixed(Operation op, WriteBuffer out, str sql) except -1
cdef int fail_prefixed(Operation op, object error, Py_ssize_t n_prelude_left) except -1


@cython.final
cdef class SimpleQuery(Operation):
    cdef readonly str sql
    cdef readonly str tag                   # of the last command, '' if there was none, None before
    cdef Py_ssize_t n_prelude_left          # commands of the prelude that are not answered yet
