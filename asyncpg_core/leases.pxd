# What a session is asked when its borrower has gone.

from asyncpg_core.session cimport Session


cpdef bint is_unchanged(Session session, Py_ssize_t n_changes) except -1
cpdef bint is_left_in_transaction(Session session) except -1
cpdef int give_up_lease(Session session, tuple reset) except -1
