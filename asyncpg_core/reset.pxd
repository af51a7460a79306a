# The reset between two borrowers of a session.

cimport cython

from pgproto.frontend cimport Frontend
from pgproto.operations.extended cimport Script
from pgproto.operations.operation cimport Operation


@cython.final
cdef class Reset:
    cdef Script op                      # owed: not written, or written in front of an operation that shares its Sync
    cdef Script awaited                 # written with a Sync of its own: what the next borrower writes is held
    cdef tuple named                    # the statements that the server keeps under names, None without
    cdef bytes again                    # the messages that execute them
    cdef Script naming                  # the reset that gave them their names
    cdef Py_ssize_t n_deallocations     # of the session at that time
    cdef object error                   # of a reset that failed: the session ends
    cdef list strays                    # the calls that it has held up, or None

    cdef int owe(self, tuple statements, bint rolls_back, Frontend frontend, bint may_name) except -1
    cdef Script script(self, tuple statements, Frontend frontend)
    cdef bint goes_in_front_of(self, Operation op, Frontend frontend) except -1
    cdef int end_shared(self, Frontend frontend) except -1
    cdef int write_alone(self, Frontend frontend) except -1
    cdef bint is_on_its_own(self, Frontend frontend) except -1
    cdef int gather(self, object queue) except -1
    cdef bint settle(self, Operation op) except -1
