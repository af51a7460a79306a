# BEGIN and SAVEPOINT that wait for an operation to carry them.

cimport cython

from pgproto.operations.operation cimport Operation


@cython.final
cdef class Preludes:
    cdef readonly list statements
    cdef list transactions              # the Transactions they belong to
    cdef list after                     # how many calls had started when each was owed
    cdef Py_ssize_t n_started
    cdef bint is_owed
    cdef list paid                      # weak references: whose statements the last operation that had some has carried
    cdef Py_ssize_t paid_at             # which of the session's operations that was

    cdef Py_ssize_t next_number(self)
    cdef int attach(self, Operation op, Py_ssize_t number) except -1
    cdef int pay(self, Operation op, Py_ssize_t n_written) except -1
    cdef bint is_alone(self, Operation op, Py_ssize_t n_written) except -1
    cdef int owe_again(self, Operation op) except -1
    cdef int detach(self, Operation op) except -1
    cdef int clear(self) except -1
