# What a Call and a Transport know of the session that owns them; it keeps the three modules from importing each other.


cdef class Endpoint:
    cdef readonly object loop
    cdef object call_soon               # loop.call_soon
    cdef bint collects                  # in the read callback: calls that are done are told at its end
    cdef object first_wake              # the first of them, or None
    cdef list wakes                     # all of them where there are more, or None
    cdef public object member           # of a pool whose connection it is, or None
    cdef list asked                     # calls that start with the next iteration of the loop, or None
    cdef int start_soon(self, object call) except -1
    cdef int start_call(self, object call) except -1
    cdef int cancel_call(self, object call) except -1
    cdef int on_call_done(self, object call) except -1
    cdef int collect(self, object call) except -1
    cdef int on_received(self) except -1
    cdef int on_drained(self) except -1
    cdef int on_lost(self, object error) except -1
    cdef object open_pipeline(self)
