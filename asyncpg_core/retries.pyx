"""Which failed operations are executed once more, and in which form: what `healing` decides, for operations.

A name that the server does not know, and a plan that no longer fits, are healed in one flight: the same description,
parsed with the Bind, because behind a pooler a Prepare and a Bind with a Sync between them may meet two servers. What
is out of date in the description itself is described anew.
"""
from asyncpg_core.binding cimport bind_call, bind_described
from asyncpg_core.call cimport EXECUTE_SCRIPT, FETCH_MANY, RUN
from asyncpg_core.statement_cache cimport CachedStatement
from pgproto.operations.extended cimport Execute, ExecuteMany, FetchPortal
from pgproto.operations.simple cimport SimpleQuery
from pgproto.statement cimport Statement

from asyncpg_core.healing import OUTDATED_PLAN, STALE_NAMED, can_retry_after_cancel, heals


cdef object sqlstate_of(Operation op):
    return getattr(op.error, "sqlstate", None)


cdef bint has_lost_name(Operation op):
    """Whether an operation has failed, before anything was executed, for a name that the server does not have, or has
    already."""
    return not op.was_bound and sqlstate_of(op) in STALE_NAMED


cdef bint is_by_name(Operation op):
    """Whether the operation relies on a name that was given earlier."""
    if type(op) is Execute:
        return not (<Execute>op).with_parse
    if type(op) is ExecuteMany:
        return not (<ExecuteMany>op).with_parse
    return not (<FetchPortal?>op).with_parse


cdef bint is_healable(Call call, Operation op, bint was_held) except -1:
    """Whether an operation that failed, and left nothing behind that counts, may be executed once more; `was_held` if a
    CancelRequest was under way."""
    if type(op) is FetchPortal:
        return (call.kind == RUN and (<FetchPortal>op).arguments is not None and is_by_name(op)
                and has_lost_name(op))
    if call.kind > FETCH_MANY or call.kind == EXECUTE_SCRIPT:
        return False
    if type(op) is ExecuteMany and op.was_bound:
        return False    # An iterator gives its elements once, and not all of them are kept.
    if was_held and can_retry_after_cancel(op.error, call.sql):
        return True
    return not op.was_bound and heals(
        op.error, is_named=is_by_name(op), is_explicit=call.statement is not None)


cdef int note_outdated(Call call, Operation op, StatementCache statements, Py_ssize_t n_deallocations) except -1:
    """Keep the next execution from failing for the same reason, if the reason is what we remember of the statement."""
    cdef CachedStatement entry = call.extra if type(call.extra) is CachedStatement else None
    sqlstate = sqlstate_of(op)
    if sqlstate in STALE_NAMED:
        if op.was_bound:
            return 0        # A function of the user's has raised it.
        if call.statement is not None:
            return statements.lose_own_name(call.statement, sqlstate, n_deallocations)
        if type(op) is FetchPortal:
            return statements.lose_own_name((<FetchPortal>op).statement, sqlstate, n_deallocations)
        return 0 if entry is None else statements.lose_name(entry, op, sqlstate, n_deallocations)
    if entry is not None and heals(op.error, is_named=is_by_name(op), is_explicit=False):
        if sqlstate == OUTDATED_PLAN:
            return statements.on_outdated_plan(entry)
        statements.forget(entry)
    return 0


cdef bint bind_again(Call call, Operation op, StatementCache statements, Py_ssize_t n_deallocations) except -1:
    """Give the call another operation for the one that failed; False where its statement has to be described anew."""
    cdef Statement statement
    call.op = None
    if type(op) is ExecuteMany:
        call.arguments = (<ExecuteMany>op).elements_again()
    sqlstate = sqlstate_of(op)
    if sqlstate == "57014":
        return False        # It was only cancelled.
    note_outdated(call, op, statements, n_deallocations)
    if type(op) is FetchPortal:
        call.op = (<FetchPortal>op).parsed_again()
        return True
    if call.statement is not None:
        statement = call.statement
        bind_call(call, statement.without_name(), True)
        return True
    if sqlstate in STALE_NAMED or sqlstate == OUTDATED_PLAN:
        # An entry that was dropped meanwhile still has its description.
        call.extra = statements.described(call.extra)
        bind_described(call, call.extra, statements)
        return True
    return False


cdef int begin_again(Operation op, Preludes preludes, Frontend frontend) except -1:
    """Undo a transaction of which nothing but its beginning was executed, and let it begin with the next operation."""
    frontend.send(SimpleQuery("ROLLBACK"))
    return preludes.owe_again(op)
