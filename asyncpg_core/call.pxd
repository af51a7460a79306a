# The awaitable that the API returns.

cimport cython
from cpython.object cimport PyObject

from asyncpg_core.endpoint cimport Endpoint
from pgproto.operations.operation cimport Group, Operation

cdef enum Phase:
    FRESH = 0
    STARTED = 1
    DONE = 2
    TAKEN = 3               # an await has handed the outcome over

cdef enum Kind:
    FETCH = 0
    FETCHROW = 1
    FETCHVAL = 2
    EXECUTE_STATEMENT = 3   # the tag
    FETCH_COLUMNS = 4       # `column` is a ColumnOrder
    EXECUTE_SCRIPT = 5      # simple Query, the tag
    EXECUTE_MANY = 6
    FETCH_MANY = 7
    PREPARE = 8
    RUN = 9                 # an operation made by the caller; the operation itself is the value
    COPY = 10               # the same, and `extra` (a CopyTurn) hears of its data
    DESCRIBE = 11           # the CachedStatement is the value


@cython.final
cdef class Call:
    cdef Endpoint owner
    cdef bint is_blocking               # asyncio's handshake between a task and what it waits for
    cdef int phase
    cdef object value
    cdef object failure
    cdef bint is_cancelled
    cdef bint is_seen                   # somebody has looked at the outcome
    cdef readonly object _cancel_message
    cdef object callback                # the first one, with its context
    cdef object context
    cdef list callbacks                 # more (callback, context)

    # The work: what the session needs to make an operation and a value of it.
    cdef int kind
    cdef object sql
    cdef object arguments
    cdef object column                  # of FETCHVAL; of FETCH_COLUMNS what is wanted
    cdef type record_class
    cdef object statement               # Statement of a PreparedStatement, or None
    cdef Operation op
    cdef Group group
    cdef int prepare                    # a mode of its own (statement_cache), 0 as its connection does
    cdef bint names                     # its statement gets a name when it is written, if none is under way
    cdef bint ends_transaction          # a top-level COMMIT or ROLLBACK
    cdef object hook                    # an Endpoint, or called with the call: told when it is done; or None
    cdef double timeout                 # seconds, 0 none; below zero: already expired
    cdef double deadline                # monotonic clock, 0 none
    cdef double waits_since             # for a connection of the pool; monotonic clock
    cdef Py_ssize_t number              # of its start on the session
    cdef bint is_retried
    cdef bint is_internal               # nobody's: the driver's own
    cdef str name                       # of the method, for warnings
    cdef object extra
    cdef object keeper                  # PreparedStatement that keeps the tag, or None

    cdef int await_member(self) except -1
    cdef int step(self) except -1
    cdef int start(self) except -1
    cdef int finish(self, object value) except -1
    cdef int fail(self, object error) except -1
    cdef int tell_loop(self, str message) except -1
    cdef int wake(self) except -1
    cdef int wake_others(self) except -1
    cdef int run_callback(self) except -1
    cdef object outcome(self)
    cdef object hand_over(self)


cdef int run_hook(object hook, Call call) except -1


# Slots of a type that Cython has no name for.
cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(PyObject *, PyObject *, PyObject **) except? PYGEN_ERROR
    ctypedef PyObject *(*iternextfunc)(PyObject *) except? NULL
    ctypedef struct PyAsyncMethods:
        sendfunc am_send
    ctypedef PyObject *(*getattrfunc)(PyObject *, char *) except? NULL
    ctypedef struct SlottedType "PyTypeObject":
        iternextfunc tp_iternext
        getattrfunc tp_getattr
        PyAsyncMethods *tp_as_async
