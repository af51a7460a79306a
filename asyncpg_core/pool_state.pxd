# Decisions of a pool: a connection as they see it, and the whole.


cimport cython


cdef class Member:
    cdef public double idle_since           # monotonic clock
    cdef public Py_ssize_t generation
    # While one-shot calls have it:
    cdef public Py_ssize_t n_riders         # how many of them are not done
    cdef public Py_ssize_t n_ridden         # how many it was lent to since it was idle
    cdef public double lent_at              # to the first of them
    cdef public double moved_at             # when it was lent to them, or one of them was done last
    cdef bint resets(self) except -1


@cython.final
cdef class PoolState:
    cdef public Py_ssize_t min_size
    cdef public Py_ssize_t max_size
    cdef public double max_idle_seconds
    cdef public list idle
    cdef public set lent
    cdef public set leaving
    cdef public object waiters
    cdef public Py_ssize_t n_connecting
    cdef public Py_ssize_t generation
    cdef public bint is_closing
    cdef public Py_ssize_t n_lanes
    cdef public list carriers
    cdef public double pace
    cdef Member take_idle_member(self)
    cdef object place(self, Member member, double now)
    cdef Member carrier_for_one_more(self, double now)
    cdef Py_ssize_t most_riders(self)
    cdef int stop_carrying(self, Member member) except -1
    cdef int note_pace(self, Member member, double now) except -1
