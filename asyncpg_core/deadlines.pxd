# One timer for the deadlines of all calls of a session.

cimport cython


@cython.final
cdef class Deadlines:
    cdef object session
    cdef object timer
    cdef double timer_at
    cdef int arm(self, double deadline) except -1
    cdef int stop(self) except -1
