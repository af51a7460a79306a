"""Statements that the server has to describe, and when it may be asked to.

A Prepare is written behind what could be written and in front of the calls that wait for it. It may overtake plain
calls; one that may create what the statement needs, or end the transaction that it would fail, it may not. An entry is
the cache's: no caller's cancel touches its Prepare, but if all callers have gone before it is written it is not.
"""
cimport cython

from asyncpg_core.call cimport STARTED, Call
from pgproto.operations.extended cimport Prepare
from pgproto.operations.operation cimport Group
from pgproto.statement cimport Statement


cdef enum InFront:
    NOBODY
    PLAIN_ONES
    MAY_MATTER


@cython.final
cdef class Descriptions:
    def __cinit__(self, Frontend frontend not None, Preludes preludes not None, StatementCache statements not None,
                  CodecRegistry registry not None):
        self.frontend = frontend
        self.preludes = preludes
        self.statements = statements
        self.registry = registry
        self.asked = []
        self.refused = []

    cdef int ask(self, CachedStatement entry) except -1:
        """Let the server describe a statement with the next write."""
        entry.describing = Prepare(entry.sql, entry.name)
        (<Operation>entry.describing).waiter = entry
        self.asked.append(entry)
        return 0

    cdef Py_ssize_t write(self, queue) except -1:
        """Write the Prepares that are asked for and may overtake what is in `queue`; return how many were written."""
        cdef CachedStatement entry
        cdef Py_ssize_t n_written = 0
        asked = self.asked
        self.asked = []
        for entry in asked:
            n_written += self.write_one(entry, queue)
        return n_written

    cdef bint write_one(self, CachedStatement entry, queue) except -1:
        cdef Operation op = entry.describing
        cdef Py_ssize_t number = self.number_of(entry)
        if number == 0:
            # Everybody who asked has gone: the server need not hear of it.
            entry.describing = None
            entry.waiting.clear()
            self.statements.forget(entry)
            return False
        in_front = self.calls_in_front_of(entry, queue)
        if in_front == MAY_MATTER:
            self.asked.append(entry)
            return False
        if in_front == NOBODY:
            self.preludes.attach(op, number)
        try:
            self.frontend.send(op)
        except Exception as error:
            self.preludes.detach(op)
            op.error = error
            self.refused.append(op)
            return False
        self.preludes.pay(op, -1)
        return True

    cdef Py_ssize_t number_of(self, CachedStatement entry):
        """Return the number of the first call that waits for the statement, 0 if none does."""
        cdef Call call
        for call in entry.waiting:
            if call.phase == STARTED:
                return call.number
        return 0

    cdef int calls_in_front_of(self, CachedStatement entry, queue):
        """What kind of call is in front of the first that waits for a statement."""
        cdef Call call
        cdef Group group = None
        cdef int kind = NOBODY
        for call in entry.waiting:
            if call.phase == STARTED:
                group = call.group
                break
        for call in queue:
            if call.phase == STARTED:
                if call.extra is entry:
                    break
                if group is not None and call.group is group:
                    continue    # Nothing of a group is written before all its members are described.
                if type(call.extra) is not CachedStatement or not (<CachedStatement>call.extra).is_plain:
                    return MAY_MATTER
                kind = PLAIN_ONES
        return kind

    cdef object settle(self, CachedStatement entry, Operation op):
        """A Prepare is settled: its entry has its statement, or is forgotten and the error returned. One whose name the
        server has already is asked for again, without a name."""
        error = op.error
        if entry.name and self.frontend.status == c'I' and op.group is None and getattr(
                error, "sqlstate", None) == "42P05":
            self.statements.on_lost_names("42P05", False)
            entry.name = ""
            return self.ask(entry)
        if error is None:
            try:
                entry.set_statement(Statement(entry.sql, entry.name, (<Prepare>op).parameter_oids,
                                              (<Prepare>op).columns, self.registry))
            except Exception as failure:
                error = failure
        if error is not None:
            entry.describing = None
            self.statements.forget(entry)
        elif entry.name and not self.statements.may_name:
            # A pooler was noticed meanwhile.
            self.statements.unname(entry, True)
        return error
