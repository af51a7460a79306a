# The simple query protocol.

cimport cython

from pgproto.operations.operation cimport Operation
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


cdef int put_query_behind_prelude(Operation op, WriteBuffer out, str sql) except -1


@cython.final
cdef class SimpleQuery(Operation):
    cdef readonly str sql
    cdef readonly str tag                   # of the last command, '' if there was none, None before
