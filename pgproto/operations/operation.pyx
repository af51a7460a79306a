"""What all operations share: the list of debts, the prelude and the Sync at the end.

An operation puts its messages and owes their replies in the same order; owed.py tells which message pays which debt.
The prelude is a list of statements without rows (BEGIN, SAVEPOINT) that travel in front of the operation inside the
same Sync group: the server skips the operation if one of them fails, so the two are one unit.
"""
cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memmove

from pgproto.messages.frontend cimport put_bind_plain, put_execute, put_parse, put_sync

from pgproto.errors import PipelineAborted


@cython.final
cdef class Group:
    """Operations that share one Sync, as `Connection.pipeline` makes them."""

    def __cinit__(self):
        self.error = None
        self.is_ended = False
        self.n_written = 0


cdef class Operation:
    def __cinit__(self):
        self.debts = self.few_debts
        self.capacity = DEBTS_INLINE
        self.n_debts = self.at = self.n_prelude = 0
        self.state = NOTHING
        self.ends_group = True
        self.event = 0

    def __dealloc__(self):
        if self.debts != self.few_debts:
            PyMem_Free(self.debts)

    cdef int owe(self, uint8_t debt) except -1:
        """A message was put whose reply pays `debt`."""
        if self.n_debts == self.capacity:
            self.owe_more()
        self.debts[self.n_debts] = debt
        self.n_debts += 1
        if self.at + 1 == self.n_debts:
            self.state = debt
        return 0

    cdef int owe_more(self) except -1:
        cdef Py_ssize_t n = self.n_debts - self.at
        cdef uint8_t *debts = self.debts
        cdef Py_ssize_t capacity = self.capacity
        if n * 2 > capacity:
            capacity *= 2
            debts = <uint8_t *>PyMem_Malloc(capacity)
            if debts == NULL:
                raise MemoryError()
        # Debts that are paid are dropped on the way.
        memmove(debts, self.debts + self.at, n)
        if debts != self.debts:
            if self.debts != self.few_debts:
                PyMem_Free(self.debts)
            self.debts = debts
            self.capacity = capacity
        self.n_prelude = self.n_prelude - self.at if self.n_prelude > self.at else 0
        self.at = 0
        self.n_debts = n
        return 0

    cdef int forget_debts(self) except -1:
        """What was put has been cut away again: the operation is as it was before."""
        self.n_debts = self.at = self.n_prelude = 0
        self.state = NOTHING
        self.is_open = self.has_sync = self.is_written = False
        return 0

    cdef int put_prelude(self, WriteBuffer out) except -1:
        """Put the prelude's statements, unnamed, in front of an extended operation."""
        if self.prelude is None:
            return 0
        for sql in self.prelude:
            put_parse(out, b"", sql, ())
            put_bind_plain(out, b"", b"")
            put_execute(out, b"", 0)
            self.owe(PARSE)
            self.owe(BIND)
            self.owe(EXECUTE)
        self.n_prelude = self.n_debts
        return 0

    cdef int put_sync_if_ends(self, WriteBuffer out) except -1:
        if self.ends_group:
            put_sync(out)
            self.owe(SYNC)
            self.has_sync = True
        return 0

    cdef int put_missing_sync(self, WriteBuffer out) except -1:
        """End an operation that is not wholly written."""
        self.is_open = False
        return self.put_sync_if_ends(out)

    cdef int strike_to_sync(self) except -1:
        """The server skips to the Sync: strike out every debt in front of it."""
        self.at = self.n_debts - 1
        self.state = SYNC
        return 0

    cdef int put(self, WriteBuffer out) except -1:
        raise NotImplementedError(type(self).__name__)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        return 0

    cdef int on_failure(self, object error) except -1:
        """The server, or a value that could not be decoded, has failed the operation; the first failure counts."""
        if self.error is None:
            self.error = error
        return 0

    cdef object explain_row(self, object error):
        """Return what the caller is told when a DataRow could not be taken."""
        return error

    @property
    def debts_left(self):
        """The debts that are not paid yet, as numbers of owed.py."""
        if self.event == SETTLED:
            return []
        return [self.state if i == self.at else self.debts[i] for i in range(self.at, self.n_debts)]

    @property
    def is_settled(self):
        """Whether its outcome is known."""
        return self.event == SETTLED

    def abort_because(self, error):
        """Fail as a bystander of `error`."""
        if self.error is None:
            aborted = PipelineAborted("the statement was not executed, or was rolled back, because another one of the "
                                      f"same pipeline failed: {error}")
            aborted.__cause__ = error
            self.error = aborted


@cython.final
cdef class SyncPoint(Operation):
    """The Sync that ends a group; it settles when the group does."""

    cdef int put(self, WriteBuffer out) except -1:
        return self.put_sync_if_ends(out)
