"""What those who wait are told when the server has refused something, and when the connection is gone: each what he
may rely on.

Of a loss, `error` is the transport's, `farewell` the server's last words, `reason` why the driver has closed it; each
may be None.
"""
from asyncpg_core.statement_cache cimport CachedStatement
from pgproto.operations.simple cimport SimpleQuery

from asyncpg_core.healing import add_note, hint_at_placeholders, hint_at_poolers, lost_error, may_end_transaction
from pgproto.errors import PostgresError

# read_only_sql_transaction, admin_shutdown, crash_shutdown, cannot_connect_now: the server may have another role now.
cdef frozenset DOUBTS = frozenset(("25006", "57P01", "57P02", "57P03"))


cdef int explain(Call call, Operation op, object error) except -1:
    """Tell a server's error which statement it belongs to, and what only the driver knows of it."""
    if not isinstance(error, PostgresError):
        return 0
    if error.query is None:
        error.query = call.sql
        if call.sql is not None:
            hint_at_placeholders(error, call.sql)
        hint_at_poolers(error)
    if call.owner.member is not None and error.sqlstate in DOUBTS:
        call.owner.member.is_doubted = True
    if op.failed_in_prelude:
        add_note(error, "while starting the transaction")
    if op.group is not None and error.sqlstate == "25001":
        add_note(error, "such a statement is executed outside pipeline()")
    return 0


cdef bint may_be_committed(list lost) except -1:
    """Whether something that was written and is not answered may have made a transaction durable."""
    cdef Operation op
    cdef Call call
    for op in lost:
        if type(op.waiter) is Call:
            call = op.waiter
            if call.ends_transaction or (isinstance(call.sql, str) and may_end_transaction(call.sql)):
                return True
        elif type(op.waiter) is not CachedStatement:
            return True     # A reset, or what nobody waits for any more: it may have been the end of the transaction.
    return False


cdef int tell_written(list lost, object error, object farewell, object reason, bint was_ready, int status) except -1:
    """Tell whoever waits for an operation that was written and is not settled; `status` is the transaction's, as the
    server had told it last."""
    cdef Operation op
    cdef Call call
    cdef bint in_block = status != c'I'
    cdef bint may_be_durable = may_be_committed(lost)
    for op in lost:
        waiter = op.waiter
        op.waiter = None
        in_block = in_block or bool(op.prelude)
        if type(waiter) is Call:
            failure = op.error if not was_ready and op.error is not None else lost_error(
                error, farewell, reason,
                # Without the server's last words nobody knows what it had executed and not yet told.
                safe=farewell is not None and not op.was_bound and type(op) is not SimpleQuery,
                rolled_back=in_block and not may_be_durable, sql=(<Call>waiter).sql)
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
