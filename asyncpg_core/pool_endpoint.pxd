# What the one-shot calls of a pool belong to until a session takes them.

cimport cython

from asyncpg_core.call cimport Call
from asyncpg_core.endpoint cimport Endpoint


@cython.final
cdef class PoolEndpoint(Endpoint):
    cdef object pool
    cdef int hand_to(self, Call call, object session) except -1
    cdef int stop_timer(self, Call call) except -1


@cython.final
cdef class ReleasedEndpoint(Endpoint):
    pass
