# The statements of a session that the server has to describe before calls can be bound to them.

cimport cython

from asyncpg_core.preludes cimport Preludes
from asyncpg_core.statement_cache cimport CachedStatement, StatementCache
from pgproto.codecs.registry cimport CodecRegistry
from pgproto.frontend cimport Frontend
from pgproto.operations.operation cimport Operation


@cython.final
cdef class Descriptions:
    cdef Frontend frontend
    cdef Preludes preludes
    cdef StatementCache statements
    cdef CodecRegistry registry
    cdef list asked                     # entries whose Prepare is not written
    cdef list refused                   # Prepares that could not be written; their `error` says why

    cdef int ask(self, CachedStatement entry) except -1
    cdef Py_ssize_t write(self, queue) except -1
    cdef bint write_one(self, CachedStatement entry, queue) except -1
    cdef Py_ssize_t number_of(self, CachedStatement entry)
    cdef int calls_in_front_of(self, CachedStatement entry, queue)
    cdef object settle(self, CachedStatement entry, Operation op)
