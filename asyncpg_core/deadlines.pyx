"""One timer for the deadlines of all calls of a session.

The timer is armed for the earliest deadline and left alone when a call ends in time; when it fires, what is due expires
and it is armed for what comes next. A call in time thus costs a comparison. A reset has no caller who could limit its
time; what keeps it waiting is watched.
"""
cimport cython
from cpython.time cimport monotonic

from asyncpg_core.call cimport DONE, Call

from asyncpg_core.exceptions import QueryTimeout

# What a reset that nobody waits for, and each of the driver's own operations in front of it, may take.
RESET_SECONDS = 5.0


@cython.final
cdef class Deadlines:
    def __cinit__(self, session):
        self.session = session

    cdef int arm(self, double deadline) except -1:
        """See to it that the timer fires no later than `deadline`, by the monotonic clock."""
        cdef double delay
        if self.timer is not None:
            if self.timer_at <= deadline:
                return 0
            self.timer.cancel()
        delay = deadline - monotonic()
        self.timer_at = deadline
        self.timer = self.session.loop.call_later(delay if delay > 0 else 0, self.on_timer)
        return 0

    cdef int watch(self, Operation op) except -1:
        """Let the head of the queue, which nobody waits for, have RESET_SECONDS from now; None: watch no more."""
        if op is not self.watched:
            self.watched = op
            if op is not None:
                self.watched_until = monotonic() + <double>RESET_SECONDS
                self.arm(self.watched_until)
        return 0

    cdef int stop(self) except -1:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        return 0

    def on_timer(self):
        """Expire what is due and arm the timer for what is next."""
        cdef Call call
        # The loop's clock is coarser than ours: what is due within half a millisecond is due.
        cdef double now = monotonic() + 0.0005
        cdef double next_deadline = 0
        self.timer = None
        if self.watched is not None:
            if self.watched_until <= now:
                self.watched = None
                self.session.on_reset_overdue(f"the server has not answered within {RESET_SECONDS:g} s")
            else:
                next_deadline = self.watched_until
        for call in self.session.live_calls():
            if call.deadline == 0:
                continue
            if call.deadline <= now:
                call.phase = DONE
                call.failure = QueryTimeout(f"{call.name} has not finished within {call.timeout:g} s")
                call.owner.cancel_call(call)
                call.wake()
            elif next_deadline == 0 or call.deadline < next_deadline:
                next_deadline = call.deadline
        if next_deadline != 0 and not self.session.is_closed:
            self.arm(next_deadline)
