# Decisions of a pool: a connection as they see it, and the whole.


cimport cython


cdef class Member:
    cdef public double idle_since           # monotonic clock
    cdef public Py_ssize_t generation
    cdef public double leaves_at            # when it has lived long enough; infinity without bound
    # While one-shot calls have it:
    cdef public Py_ssize_t n_riders         # how many of them are not done
    cdef public Py_ssize_t n_ridden         # how many it was lent to since it was idle
    cdef public double lent_at              # to the first of them
    cdef public double moved_at             # when it was lent to them, or one of them was done last
    cdef bint is_carrier                    # plain one-shot calls may join those that have it
    cdef bint resets(self) except -1
    cdef double trip(self) except? -1


@cython.final
cdef class PoolState:
    cdef public Py_ssize_t min_size
    cdef public Py_ssize_t max_size
    cdef public double max_idle_seconds
    cdef public double max_lifetime         # seconds, 0 without bound
    cdef public Py_ssize_t max_waiting      # 0 without bound
    cdef public list idle
    cdef public set lent
    cdef public set leaving
    cdef public object waiters
    cdef public Py_ssize_t n_connecting
    cdef public Py_ssize_t generation
    cdef public bint is_closing
    cdef public Py_ssize_t n_lanes
    cdef Py_ssize_t lanes_wanted
    cdef bint is_shrinking                  # there may be more members than max_size
    cdef public list carriers
    cdef public double pace
    # For statistics:
    cdef public Py_ssize_t n_acquired       # times a borrower or a one-shot call has got a member
    cdef public Py_ssize_t n_waited         # those among them who had to wait
    cdef public double wait_seconds
    cdef public double wait_seconds_max
    cdef public Py_ssize_t n_opened
    cdef public Py_ssize_t n_closed
    cdef public Py_ssize_t n_lost
    cdef Member take_idle_member(self)
    cdef object place(self, Member member, double now)
    cdef bint can_expire(self) except -1
    cdef bint has_served(self, Member member, double now) except -1
    cdef int note_wait(self, double seconds) except -1
    cdef Member carrier_for_one_more(self, double now)
    cdef Py_ssize_t most_riders(self)
    cpdef int start_carrying(self, Member member) except -1
    cdef int stop_carrying(self, Member member) except -1
    cdef int note_pace(self, Member member, double now) except -1
