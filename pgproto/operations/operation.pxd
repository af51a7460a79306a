# One unit of work: the messages it puts, the replies it is owed, and what became of it.

from libc.stdint cimport uint8_t
cimport cython

from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

# owed.py explains these; tests/unit/test_owed.py holds the numbers together.
cdef enum Debt:
    DONE = 0
    STARTUP = 1
    AUTHENTICATE = 2
    SESSION = 3
    PARSE = 4
    BIND = 5
    DESCRIBE = 6
    DESCRIBE_ROWS = 7
    EXECUTE = 8
    COPY_OUT = 9
    COPY_IN = 10
    COPY_END = 11
    CLOSE = 12
    SYNC = 13
    QUERY = 14
    QUERY_COPY_OUT = 15
    QUERY_COPY_IN = 16
    QUERY_COPY_BOTH = 17
    NOTHING = 18
    N_DEBTS = 19
    ILLEGAL = 255

cdef enum Event:
    SETTLED = 1
    READY = 2
    ASK = 3

cdef enum:
    DEBTS_INLINE = 12


@cython.final
cdef class Group:
    """Operations that share one Sync."""
    cdef public object error            # of the member that failed it
    cdef readonly bint is_ended         # its Sync is written: nothing can join it any more
    cdef readonly Py_ssize_t n_written  # members written
    cdef public object undone_by        # client-side error that rolled back what was written, or None


cdef class Operation:
    cdef Operation next                 # behind it in the frontend's queue
    cdef uint8_t few_debts[DEBTS_INLINE]
    cdef uint8_t *debts                 # few_debts, or allocated
    cdef Py_ssize_t n_debts
    cdef Py_ssize_t capacity
    cdef Py_ssize_t at                  # the debt at the front
    cdef Py_ssize_t n_prelude           # debts of the prelude
    cdef uint8_t state                  # debts[at], or what a message has turned it into

    cdef public object waiter           # whoever waits; the core never looks at it
    cdef public object error            # an exception, or None
    cdef public tuple prelude           # statements that go in front, as one unit with it: BEGIN, SAVEPOINT
    cdef public Group group             # or None
    cdef readonly object kept           # KeptRows: those that came while nobody knew their types, or None
    cdef readonly int event             # why it is in the list that feed returned
    cdef public bint ends_group         # it writes a Sync of its own
    cdef public bint closes_gate        # its SQL contains `copy`
    cdef readonly bint is_open          # more of it will be written
    cdef readonly bint has_sync         # its Sync is written (a Query has one built in)
    cdef readonly bint is_full          # somebody has to take something before it goes on
    cdef readonly bint is_durable       # a COMMIT of its group has made it durable
    cdef readonly bint is_written
    cdef readonly bint was_bound        # BindComplete has come, or a Query has been answered at all
    cdef public bint is_abandoned       # nobody waits any more: its replies are thrown away
    cdef readonly bint failed_in_prelude

    cdef int owe(self, uint8_t debt) except -1
    cdef int owe_more(self) except -1
    cdef int forget_debts(self) except -1
    cdef int put_prelude(self, WriteBuffer out) except -1
    cdef int put_sync_if_ends(self, WriteBuffer out) except -1
    cdef int put_missing_sync(self, WriteBuffer out) except -1
    cdef int strike_to_sync(self) except -1
    cdef int put(self, WriteBuffer out) except -1
    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1
    cdef int on_failure(self, object error) except -1
    cdef object explain_row(self, object error)


@cython.final
cdef class SyncPoint(Operation):
    """The Sync that ends a group."""
