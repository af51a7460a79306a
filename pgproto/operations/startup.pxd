# The first operation of a session.

cimport cython

from pgproto.operations.operation cimport Operation
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


@cython.final
cdef class Startup(Operation):
    cdef dict parameters
    cdef object authentication
    cdef int version
    cdef int least_version
    cdef WriteBuffer out
    cdef readonly object question       # the Step that waits for an answer, or None
    cdef readonly bint is_authenticated
    cdef readonly int backend_pid
    cdef readonly bytes backend_key
    cdef readonly tuple negotiated      # of NegotiateProtocolVersion, or None

    cdef int receive(self, int code, bytes body) except -1
    cdef int perform(self, object step) except -1
