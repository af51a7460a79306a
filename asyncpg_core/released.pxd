# Stands where the session of a connection was that has been given back to its pool.

cimport cython

from asyncpg_core.endpoint cimport Endpoint


@cython.final
cdef class ReleasedEndpoint(Endpoint):
    pass
