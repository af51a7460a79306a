# A pool's connection as the pool knows it.

cimport cython

from asyncpg_core.pool_state cimport Member
from asyncpg_core.session cimport Session


@cython.final
cdef class PoolMember(Member):
    cdef readonly object connection         # its own: `init` and a user's reset get it
    cdef readonly Session session
    cdef readonly Py_ssize_t number         # of its making, in the process
    cdef Py_ssize_t n_changes               # ParameterStatus messages seen when the current one-shot calls began
    cdef public bint is_doubted             # an error says that its server may not be what it was
    cdef Py_ssize_t n_changes_known         # ParameterStatus messages seen when its server was what it should be
    cdef bint is_changed                    # a one-shot call has changed the session, or may have
    cdef double trip_seconds
    cdef bint has_attributes                # of a user's class: its faces share them
    cdef object face                        # weak reference to the borrower's connection, or None
    cdef tuple reset_statements
    cdef object __weakref__
    cdef bint may_have_changed_role(self) except -1
    cdef bint is_dead(self, double now) except -1
    cdef object new_face(self, object pool)
    cdef tuple reset_query(self)


cdef int cut_off(object face) except -1
