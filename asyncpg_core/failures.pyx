"""What those who wait are told when the server has refused something, and when the connection is gone: each what he
may rely on.

Of a loss, `error` is the transport's, `farewell` the server's last words, `reason` why the driver has closed it; each
may be None.
"""
from asyncpg_core.statement_cache cimport CachedStatement
from pgproto.operations.simple cimport SimpleQuery

from asyncpg_core.healing import add_note, hint_at_placeholders, hint_at_poolers, lost_error
from pgproto.errors import PostgresError


cdef int explain(Call call, Operation op, object error) except -1:
    """Tell a server's error which statement it belongs to, and what only the driver knows of it."""
    if not isinstance(error, PostgresError):
        return 0
    if error.query is None:
        error.query = call.sql
        if call.sql is not None:
            hint_at_placeholders(error, call.sql)
        hint_at_poolers(error)
    if op.failed_in_prelude:
        add_note(error, "while starting the transaction")
    if op.group is not None and error.sqlstate == "25001":
        add_note(error, "such a statement is executed outside pipeline()")
    return 0


cdef int tell_written(list lost, object error, object farewell, object reason, bint was_ready) except -1:
    """Tell whoever waits for an operation that was written and is not settled."""
    cdef Operation op
    cdef Call call
    for op in lost:
        waiter = op.waiter
        op.waiter = None
        if type(waiter) is Call:
            failure = op.error if not was_ready and op.error is not None else lost_error(
                error, farewell, reason,
                # Without the server's last words nobody knows what it had executed and not yet told.
                safe=farewell is not None and not op.was_bound and type(op) is not SimpleQuery)
            (<Call>waiter).fail(failure)
        elif type(waiter) is CachedStatement:
            for call in (<CachedStatement>waiter).waiting:
                call.fail(lost_error(error, farewell, reason, safe=True))
        elif waiter is not None:
            waiter.on_lost(lost_error(error, farewell, reason, safe=False))
    return 0


cdef int tell_unwritten(object queue, Endpoint owner, object error, object farewell, object reason) except -1:
    """Tell the calls whose turn had not come; one that its pool has taken back is no longer `owner`'s."""
    cdef Call call
    for call in queue:
        if call.owner is owner:
            call.fail(lost_error(error, farewell, reason, safe=True))
    return 0
