"""The reset between two borrowers of a session: nobody waits for it, and nothing of a borrower gets in front of it.

It is a transaction of its own that ends with COMMIT, so what is written behind it cannot undo it. In front of an
operation that is written in the same tick it shares that operation's Sync: if it fails, the server skips the operation.
Otherwise it has its own, and the next borrower's writes are held until it is answered. Its time is limited as long as
nobody's wait is in front of it: a statement that shares its Sync has the time that its caller gives it.
"""
cimport cython

from asyncpg_core.call cimport STARTED, Call
from asyncpg_core.statement_cache cimport CachedStatement
from pgproto.operations.extended cimport Execute
from pgproto.operations.operation cimport SyncPoint


cdef bint is_waited_for(Operation op) except -1:
    """Whether a user waits for an operation."""
    cdef Call call
    if op.waiter is None:
        return False
    if type(op.waiter) is Call:
        call = op.waiter
        return call.phase == STARTED and not call.is_internal
    if type(op.waiter) is CachedStatement:
        for call in (<CachedStatement>op.waiter).waiting:
            if call.phase == STARTED:
                return True
        return False
    return True


@cython.final
cdef class Reset:
    cdef int owe(self, tuple statements, bint rolls_back) except -1:
        """The borrower has gone: his session is to be reset with this tick's write."""
        statements = ("BEGIN", "RESET SESSION AUTHORIZATION", *statements, "COMMIT")
        self.op = Script(("ROLLBACK", *statements) if rolls_back else statements)
        return 0

    cdef bint goes_in_front_of(self, Operation op, Frontend frontend) except -1:
        """Write the reset in front of the borrower's first operation, under one Sync, if that is possible."""
        if self.op.is_written:
            return True
        if type(op) is not Execute or op.closes_gate or op.group is not None:
            return False
        self.op.ends_group = False
        frontend.send(self.op)
        return True

    cdef int end_shared(self, Frontend frontend) except -1:
        """The operation that was to share the reset's Sync was refused: write that Sync."""
        self.awaited = self.op
        self.op = None
        return frontend.send(SyncPoint())

    cdef int write_alone(self, Frontend frontend) except -1:
        """Write the reset with a Sync of its own."""
        self.awaited = self.op
        self.op = None
        return frontend.send(self.awaited)

    cdef bint is_on_its_own(self, Frontend frontend) except -1:
        """Whether nobody waits for what the server answers in front of the reset or with it, so that no one but the
        driver ends a wait for it. An abandoned head is the canceller's."""
        cdef Operation op = frontend.head
        if op is None or op.is_abandoned:
            return False
        if frontend.completed is not None:
            for member in frontend.completed:
                if is_waited_for(member):
                    return False
        while op is not None:
            if is_waited_for(op):
                return False
            op = op.next
        return True

    cdef bint settle(self, Operation op) except -1:
        """A reset is answered; return whether it has failed."""
        if self.awaited is op:
            self.awaited = None
        if op.error is None or self.error is not None:
            return False
        self.error = op.error
        return True
