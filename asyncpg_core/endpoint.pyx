"""The seam between a session, its calls and its transport: virtual methods, no state but the loop."""


from asyncio import _get_running_loop as running_loop


cdef class Endpoint:
    cdef int start_soon(self, object call) except -1:
        """Somebody has asked whether a Call that was not started is a future: ensure_future does, and its caller may
        never await it. It starts as a task would, with the loop's next iteration; to start it sooner does no harm."""
        if running_loop() is not self.loop or self.loop is None:
            return 0
        if self.asked is None:
            self.asked = []
            self.loop.call_soon(self.start_asked)
        self.asked.append(call)
        return 0

    def start_asked(self):
        """Start what was asked for since the last iteration."""
        calls = self.asked
        self.asked = None
        for call in calls:
            call.start_if_fresh()

    cdef int start_call(self, object call) except -1:
        """A Call is awaited for the first time."""
        return 0

    cdef int cancel_call(self, object call) except -1:
        """Nobody waits for a started Call any more."""
        return 0

    cdef int on_call_done(self, object call) except -1:
        """A Call that this endpoint has a hook on is done."""
        return 0

    cdef int collect(self, object call) except -1:
        """A call is done, and is told at the end of the read callback. Mostly there is one, which needs no list."""
        if self.first_wake is None:
            self.first_wake = call
        elif self.wakes is None:
            self.wakes = [self.first_wake, call]
        else:
            self.wakes.append(call)
        return 0

    cdef int on_received(self) except -1:
        """Bytes have come into the frontend's receive buffer."""
        return 0

    cdef int on_drained(self) except -1:
        """All bytes of the send buffer have been taken by the operating system or the TLS layer."""
        return 0

    cdef int on_lost(self, object error) except -1:
        """The connection is gone; `error` is None after an orderly end of file."""
        return 0

    cdef object open_pipeline(self):
        """Return the pipeline block that is open, or None."""
        return None
