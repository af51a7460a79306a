# What a pool does for every borrower and every one-shot call.

cimport cython

from asyncpg_core.call cimport Call
from asyncpg_core.endpoint cimport Endpoint
from asyncpg_core.pool_member cimport PoolMember
from asyncpg_core.pool_state cimport PoolState


@cython.final
cdef class Lender(Endpoint):
    cdef object pool
    cdef readonly PoolState state
    cdef readonly object own_release        # Pool.release, unless somebody has put his own there
    cdef public object upkeep
    cdef public bint is_open
    cdef public bint is_set_up              # there is a setup: nobody gets a connection at once
    cdef public bint resets_awaited
    cdef public bint always_resets          # one-shot calls too are followed by a reset
    cdef public object checks               # what looks at a member that was idle before it is lent, or None
    cdef public object watch                # what knows whether a server is still of the kind that is wanted, or None
    cdef Py_ssize_t max_queries             # 0 without bound
    cdef public Py_ssize_t n_timeouts       # who waited and was told that the time is over, for statistics
    cdef public Py_ssize_t n_refused        # who was not let wait
    cdef frozenset session_functions
    cdef object returning                   # members that were given back from inside give_back
    cdef bint is_returning
    cdef PoolMember take(self)
    cdef object lend_at_once(self)
    cdef int queue(self, Call call) except -1
    cdef int start_timer(self, Call call) except -1
    cdef int stop_timer(self, Call call) except -1
    cdef int start_flight(self, PoolMember member) except -1
    cdef int begin(self, Call call, PoolMember member) except -1
    cdef int join(self, Call call, PoolMember member) except -1
    cdef int hand_to(self, Call call, PoolMember member) except -1
    cdef int fill_lane(self, PoolMember member) except -1
    cdef bint may_ride(self, Call call, PoolMember member) except -1
    cdef int end_ride(self, Call call, PoolMember member) except -1
    cdef bint revive(self, Call call) except -1
    cdef int give_back(self, PoolMember member) except -1
    cdef int place(self, PoolMember member) except -1
    cdef int hand(self, object waiter, PoolMember member) except -1
    cdef int give_back_used(self, PoolMember member) except -1
    cdef int take_back(self, object connection) except -1


@cython.final
cdef class PoolAcquireContext:
    cdef readonly object pool
    cdef readonly object timeout
    cdef readonly object connection         # that `async with` has
    cdef readonly bint done                 # awaited, or left
    cdef Lender lender
    cdef object given                       # what the await in progress returns
    cdef object reading                     # where a connection to read from is found, or None
    cdef object take_given(self)
