# The statements that a session knows by their text.

cimport cython

from pgproto.operations.operation cimport Operation
from pgproto.statement cimport Statement

cdef enum Preparing:
    AS_EVER = 0             # of a call: as its connection does
    ALWAYS = 1
    AUTO = 2
    NEVER = 3


@cython.final
cdef class CachedStatement:
    cdef readonly str sql
    cdef readonly str name              # that the server knows; '' is parsed with every execution
    cdef readonly Statement statement   # None while it is being prepared
    cdef readonly list waiting          # calls that wait for it
    cdef readonly bint is_cached        # in the cache's map
    cdef readonly bint is_plain         # its execution cannot change the session
    cdef readonly Py_ssize_t n_uses
    cdef Py_ssize_t last_used
    cdef double expires_at              # monotonic seconds; 0 never
    cdef object describing              # the Prepare under way, or None
    cdef Operation naming               # the execution whose Parse gives the statement a name, or None
    cdef int set_statement(self, Statement statement) except -1
    cpdef int learn(self, Statement statement) except -1


@cython.final
cdef class StatementCache:
    cdef object __weakref__
    cdef dict entries
    cdef readonly list evicted          # names that the server is to forget; whoever closes them clears the list
    cdef readonly Py_ssize_t max_size
    cdef readonly Py_ssize_t max_statement_size
    cdef readonly double lifetime
    cdef int preparing                  # ALWAYS, AUTO or NEVER
    cdef readonly str reason            # for the mode that it is
    cdef readonly bint is_chosen        # the mode is the user's
    cdef readonly bint is_undecided     # nobody knows yet whether names are safe here: none is given
    cdef readonly bint has_lost_names   # a pooler was noticed by what it did
    cdef readonly Py_ssize_t threshold
    cdef Py_ssize_t n_deallocations     # that the session had seen when names were lost last
    cdef frozenset session_functions
    cdef public object siblings         # the caches of a pool's sessions on the same database, or None
    cdef Py_ssize_t n_ticks
    cdef readonly Py_ssize_t n_hits
    cdef readonly Py_ssize_t n_misses
    cdef CachedStatement find(self, str sql, bint may_name)
    cdef int evict_one(self) except -1
    cdef bint wants_name(self, CachedStatement entry, int asked)
    cdef int name_with(self, CachedStatement entry, Operation op) except -1
    cdef int end_naming(self, CachedStatement entry) except -1
    cdef int unname(self, CachedStatement entry, bint server_knows) except -1
    cdef int unname_all(self) except -1
    cdef int lose_name(self, CachedStatement entry, Operation op, object sqlstate, Py_ssize_t n_deallocations) except -1
    cpdef int lose_own_name(self, Statement statement, object sqlstate, Py_ssize_t n_deallocations) except -1
    cdef CachedStatement described(self, CachedStatement entry)
    cdef int on_outdated_plan(self, CachedStatement entry) except -1


cdef int number_of_mode(object mode) except -1
cdef Statement statement_of(Operation op)
