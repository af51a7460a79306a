# One timer for the deadlines of all calls of a session.

cimport cython

from pgproto.operations.operation cimport Operation


@cython.final
cdef class Deadlines:
    cdef object session
    cdef object timer
    cdef double timer_at
    cdef int arm(self, double deadline) except -1
    cdef Operation watched              # of the driver's own, or None
    cdef double watched_until
    cdef int watch(self, Operation op) except -1
    cdef int stop(self) except -1
