# One physical connection: its calls in order, its statements, its deadlines.

cimport cython

from asyncpg_core.call cimport Call
from asyncpg_core.call_maker cimport CallMaker
from asyncpg_core.endpoint cimport Endpoint
from asyncpg_core.deadlines cimport Deadlines
from asyncpg_core.descriptions cimport Descriptions
from asyncpg_core.preludes cimport Preludes
from asyncpg_core.reset cimport Reset
from asyncpg_core.statement_cache cimport CachedStatement, StatementCache
from asyncpg_core.transport cimport Transport
from pgproto.codecs.registry cimport CodecRegistry
from pgproto.frontend cimport Frontend
from pgproto.operations.operation cimport Group, Operation


@cython.final
cdef class Session(Endpoint):
    cdef readonly Frontend frontend
    cdef readonly Transport transport
    cdef readonly StatementCache statements
    cdef readonly CodecRegistry registry
    cdef readonly CallMaker calls
    cdef object queue                       # deque of Calls that are not written, in their order
    cdef Descriptions descriptions
    cdef bint is_ticking
    cdef object on_tick                     # `tick`, bound once, or None
    cdef public bint is_closed
    cdef bint is_parting                    # Terminate is sent
    cdef public str closed_text             # what a call is told then, if it is not the ordinary text
    cdef public object close_reason         # what the first failing operation is told, or None
    cdef readonly Py_ssize_t n_executed     # operations written, for max_queries

    cdef readonly Preludes preludes         # BEGIN, SAVEPOINT .. that go in front of the next operation
    cdef public bint has_begun              # a BEGIN is owed or written and its transaction has not ended
    cdef bint last_ends_transaction         # the call written last was a COMMIT or ROLLBACK
    cdef public bint ended_unsurely         # the last COMMIT or ROLLBACK was given up or has failed
    cdef public object transaction_failure  # first server error inside the current transaction

    cdef public Py_ssize_t n_ending         # top-level COMMITs and ROLLBACKs that are not settled

    cdef Deadlines deadlines
    cdef readonly object canceller
    cdef readonly object introspector       # asks the catalogue about types
    cdef public bint holds_writes           # while a CancelRequest is under way
    cdef object drained                     # future of whoever waits in drain, or None
    cdef object farewell_timer

    cdef Reset reset                        # the pool's, between two borrowers
    cdef public object on_end               # called with the session when it is closed
    cdef public object on_reset_failed      # called with (session, calls to be moved, error)
    cdef public double round_trip           # seconds to the server and back, 0 if it is here or nobody knows
    cdef bint is_waking                     # the read callback resumes tasks: what they start is written together
    cdef Py_ssize_t n_written               # operations written, those of the cache included
    cdef Py_ssize_t n_written_at_reset
    cdef public object on_told              # called with (session, notices, notifications)
    cdef public object watchers             # Watchers: query loggers and termination listeners, or None
    cdef public object on_bad_member        # called with (session, group, error); set by the pipeline block
    cdef public object pipeline             # the open Pipeline block, or None
    cdef object __weakref__

    cdef int make_operation(self, Call call) except -1
    cdef int wake(self, bint at_once) except -1
    cdef int wake_together(self, list wakes) except -1
    cpdef int tick(self) except -1
    cpdef int tick_soon(self) except -1
    cdef int pump(self) except -1
    cdef int pump_queue(self) except -1
    cdef bint has_members_to_come(self, Group group) except -1
    cdef int pump_describing(self) except -1
    cdef int write(self, Call call) except -1
    cdef int write_evicted(self) except -1
    cdef int watch_reset(self) except -1
    cdef int proceed(self) except -1
    cdef int take_in(self) except -1
    cdef int on_event(self, Operation op) except -1
    cdef int settle(self, Call call, Operation op) except -1
    cdef int settle_failed(self, Call call, Operation op) except -1
    cdef int on_described(self, CachedStatement entry, Operation op) except -1
    cdef bint can_heal(self, Call call, Operation op)
    cdef int heal(self, Call call, Operation op) except -1
    cdef int note_failure(self, Call call, Operation op) except -1
