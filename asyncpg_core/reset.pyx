"""The reset between two borrowers of a session: nobody waits for it, and nothing of a borrower gets in front of it.

It is a transaction of its own that ends with COMMIT, so what is written behind it cannot undo it. In front of an
operation that is written in the same tick it shares that operation's Sync: if it fails, the server skips the operation.
Otherwise it has its own, and the next borrower's writes are held until it is answered. Its time is limited as long as
nobody's wait is in front of it: a statement that shares its Sync has the time that its caller gives it.
"""
cimport cython

from asyncpg_core.call cimport STARTED, Call
from asyncpg_core.statement_cache cimport CachedStatement
from pgproto.operations.extended cimport Execute, Script, script_again
from pgproto.operations.operation cimport SyncPoint

from asyncpg_core.statement_cache import new_name
from pgproto.operations.extended import named_script


cdef dict complete_resets = {}      # by the statements of the reset query: few, as many as kinds of servers
cdef enum:
    KINDS_KEPT = 16


cdef tuple complete_reset(tuple statements):
    """The reset query's statements as a transaction of its own; the same tuple each time."""
    known = complete_resets.get(statements)
    if known is None:
        known = ("BEGIN", "RESET SESSION AUTHORIZATION", *statements, "COMMIT")
        if len(complete_resets) < KINDS_KEPT:
            complete_resets[statements] = known
    return known


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
    cdef int owe(self, tuple statements, bint rolls_back, Frontend frontend, bint may_name) except -1:
        """The borrower has gone: his session is to be reset with this tick's write.

        If it `may_name` its statements, the server keeps them: parsing is a third of what a reset costs there."""
        statements = complete_reset(statements)
        if rolls_back:
            self.op = Script(("ROLLBACK", *statements))
        else:
            self.op = self.script(statements, frontend) if may_name else Script(statements)
        return 0

    cdef Script script(self, tuple statements, Frontend frontend):
        """The reset by names, which are given with the first one and after they were lost."""
        if (self.named is not statements and self.named != statements or not self.naming.is_written
                or self.n_deallocations != frontend.n_deallocations_of_all):
            messages, self.again = named_script(statements, new_name())
            self.named = statements
            self.n_deallocations = frontend.n_deallocations_of_all
            self.naming = Script(statements, messages)
            return self.naming
        return script_again(statements, self.again)

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

    cdef int gather(self, object queue) except -1:
        """Take back what was to be written behind a reset that has failed."""
        cdef Call call
        self.strays = [call for call in queue if call.phase == STARTED]
        queue.clear()
        return 0

    cdef bint settle(self, Operation op) except -1:
        """A reset is answered; return whether it has failed."""
        if self.awaited is op:
            self.awaited = None
        if op.error is None or self.error is not None:
            return False
        self.error = op.error
        return True
