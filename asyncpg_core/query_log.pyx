"""What query loggers are told: each query when it is over, with its time.

A session that has loggers puts a hook on every call that starts; calls of a prepared statement, of cursors and of COPY
are not told of, as in asyncpg. BEGIN and SAVEPOINT have no call of their own: the transaction tells of them.
"""
from collections import namedtuple

cimport cython
from cpython.time cimport monotonic

from asyncpg_core.call cimport DONE, PREPARE, Call, run_hook

from asyncio import CancelledError

LoggedQuery = namedtuple(
    "LoggedQuery", ["query", "args", "timeout", "elapsed", "exception", "conn_addr", "conn_params"])


@cython.final
cdef class LoggedCall:
    """Stands in the place of a call's hook, and calls that first: the pool may let the call go on elsewhere."""
    cdef object watchers
    cdef object hook
    cdef double started

    def __call__(self, Call call not None):
        if self.hook is not None:
            run_hook(self.hook, call)
        if call.phase < DONE:
            return
        elapsed = monotonic() - self.started
        error = CancelledError() if call.is_cancelled else call.failure
        timeout = call.timeout if call.timeout > 0 else None
        self.watchers.tell_query(call.sql, call.arguments, timeout, elapsed, error)


cdef bint has_pool_hook(Call call):
    """Whether the pool has a hook on the call, beneath that of a logger."""
    if type(call.hook) is LoggedCall:
        return (<LoggedCall>call.hook).hook is not None
    return call.hook is not None


cdef int watch_call(object watchers, Call call) except -1:
    """Let the loggers, if there are any, be told of a call when it is done."""
    cdef LoggedCall logged
    if call.kind >= PREPARE or call.statement is not None or not watchers.query_loggers:
        return 0
    if type(call.hook) is LoggedCall:
        return 0        # It goes on after its first session was lost.
    logged = LoggedCall.__new__(LoggedCall)
    logged.watchers = watchers
    logged.hook = call.hook
    logged.started = monotonic()
    call.hook = logged
    return 0
