# One physical connection: its calls in order, its statements, its deadlines.

cimport cython

from asyncpg_core.call cimport Call
from asyncpg_core.call_maker cimport CallMaker
from asyncpg_core.endpoint cimport Endpoint
from asyncpg_core.statement_cache cimport CachedStatement, StatementCache
from asyncpg_core.transport cimport Transport
from pgproto.codecs.registry cimport CodecRegistry
from pgproto.frontend cimport Frontend
from pgproto.operations.operation cimport Operation


@cython.final
cdef class Session(Endpoint):
    cdef readonly Frontend frontend
    cdef readonly Transport transport
    cdef readonly StatementCache statements
    cdef readonly CodecRegistry registry
    cdef readonly CallMaker calls
    cdef object queue                       # deque of Calls that are not written, in their order
    cdef list describing                    # entries whose Prepare is not written
    cdef bint is_ticking
    cdef public bint is_closed
    cdef public object close_reason         # what the first failing operation is told, or None
    cdef readonly Py_ssize_t n_executed     # operations written, for max_queries

    cdef readonly list owed_prelude         # BEGIN, SAVEPOINT .. that go in front of the next operation
    cdef list owing                         # the Transactions they belong to
    cdef list owed_after                    # how many calls had started when each was owed
    cdef Py_ssize_t n_started
    cdef public bint has_begun              # a BEGIN is owed or written and its transaction has not ended
    cdef bint last_ends_transaction         # the call written last was a COMMIT or ROLLBACK
    cdef public bint ended_unsurely         # the last COMMIT or ROLLBACK was given up or has failed
    cdef public object transaction_failure  # first server error inside the current transaction

    cdef public Py_ssize_t n_ending         # top-level COMMITs and ROLLBACKs that are not settled

    cdef object timer
    cdef double timer_at
    cdef public object open_canceller       # coroutine function that sends a CancelRequest
    cdef object cancelling                  # Cancelling, or None: writes are held
    cdef object drained                     # future of whoever waits in drain, or None
    cdef object stuck_timer
    cdef object farewell_timer
    cdef Operation stuck                    # abandoned head that somebody waits behind

    cdef Operation reset                    # the pool's reset, not written yet
    cdef Operation awaited_reset            # written, and the borrower's writes are held until it is settled
    cdef public object on_end               # called with the session when it is closed
    cdef public object on_reset_failed      # called with (session, calls to be moved, error)
    cdef object reset_error
    cdef list strays                        # calls that a failed reset has held up, or None
    cdef public object member               # the pool's, or None
    cdef Py_ssize_t n_written               # operations written, those of the cache included
    cdef Py_ssize_t n_written_at_reset
    cdef public object on_told              # called with (session, notices, notifications)
    cdef public object pipeline             # the open Pipeline block, or None

    cdef int make_operation(self, Call call) except -1
    cdef int bind_statement(self, Call call, object statement, bint with_parse) except -1
    cdef int schedule_tick(self) except -1
    cdef int pump(self) except -1
    cdef int pump_describing(self) except -1
    cdef int pump_reset(self) except -1
    cdef Py_ssize_t number_of(self, CachedStatement entry)
    cdef bint somebody_is_older(self, Py_ssize_t number)
    cdef int attach_prelude(self, Operation op, Py_ssize_t number) except -1
    cdef int pay_prelude(self, Operation op) except -1
    cdef int detach_prelude(self, Operation op) except -1
    cdef int write(self, Call call) except -1
    cdef int write_unattended(self, Operation op) except -1
    cdef int write_evicted(self) except -1
    cdef int proceed(self) except -1
    cdef int take_in(self) except -1
    cdef int on_event(self, Operation op) except -1
    cdef int settle(self, Call call, Operation op) except -1
    cdef int settle_failed(self, Call call, Operation op) except -1
    cdef object value_of(self, Call call, Operation op)
    cdef int on_described(self, CachedStatement entry, Operation op) except -1
    cdef int arm(self, double deadline) except -1
    cdef int consider_cancel(self) except -1
    cdef bint somebody_waits_behind(self, Operation head)
    cdef bint reset_shares_with(self, Call call)
    cdef bint can_heal(self, Call call, Operation op)
    cdef int heal(self, Call call, Operation op) except -1
    cdef int note_failure(self, Call call, Operation op) except -1
