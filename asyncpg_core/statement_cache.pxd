# The statements that a session knows by their text.

cimport cython

from pgproto.statement cimport Statement


@cython.final
cdef class CachedStatement:
    cdef readonly str sql
    cdef readonly str name              # '' is parsed with every execution
    cdef readonly Statement statement   # None while it is being prepared
    cdef readonly list waiting          # calls that wait for it
    cdef readonly bint is_cached        # in the cache's map
    cdef readonly bint is_plain         # its execution cannot change the session
    cdef readonly Py_ssize_t n_uses
    cdef Py_ssize_t last_used
    cdef double expires_at              # monotonic seconds; 0 never
    cdef object describing              # the Prepare under way, or None
    cdef int set_statement(self, Statement statement) except -1


@cython.final
cdef class StatementCache:
    cdef object __weakref__
    cdef dict entries
    cdef readonly list evicted          # names that the server is to forget; whoever closes them clears the list
    cdef readonly Py_ssize_t max_size
    cdef readonly Py_ssize_t max_statement_size
    cdef readonly double lifetime
    cdef readonly str mode
    cdef readonly Py_ssize_t threshold
    cdef Py_ssize_t n_deallocations     # that the session had seen when names were lost last
    cdef frozenset session_functions
    cdef public object siblings         # the caches of a pool's sessions on the same database, or None
    cdef Py_ssize_t n_ticks
    cdef readonly Py_ssize_t n_hits
    cdef readonly Py_ssize_t n_misses
    cdef CachedStatement find(self, str sql)
    cdef int evict_one(self) except -1
