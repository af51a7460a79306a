"""What a call asks of the server once its statement is described, and what the caller gets of the answer."""
from asyncpg_core.call cimport (
    COPY, DESCRIBE, EXECUTE_MANY, EXECUTE_SCRIPT, EXECUTE_STATEMENT, FETCH, FETCH_COLUMNS, FETCH_MANY, FETCHROW,
    FETCHVAL, PREPARE, STARTED)
from asyncpg_core.statement_cache cimport NEVER, CachedStatement, StatementCache
from pgproto.columns.sink cimport ColumnSink, columnar
from pgproto.operations.extended cimport Execute, ExecuteMany, new_execute
from pgproto.operations.simple cimport SimpleQuery
from pgproto.row_sinks cimport Records, RowSink, new_records

from pgproto.errors import InterfaceError


cdef int bind_described(Call call, CachedStatement entry, StatementCache statements) except -1:
    """Give the call an operation of a statement that is described: by its name, or with the Parse that it needs."""
    if entry.name and call.prepare != NEVER:
        return bind_call(call, entry.statement, False)
    if call.prepare == NEVER:
        return bind_call(call, entry.statement.without_name(), True)
    call.names = call.kind != FETCH_COLUMNS and statements.wants_name(entry, call.prepare)
    return bind_call(call, entry.statement, True)


cdef int bind_explicit(Call call) except -1:
    """Give the call an operation of a statement that the user has prepared."""
    cdef Statement statement = call.statement
    if statement.is_closed:
        raise InterfaceError("the prepared statement is closed")
    if statement.stand_in is not None:
        statement = statement.stand_in
    return bind_call(call, statement, not statement.name)


cdef int bind_call(Call call, Statement statement, bint with_parse) except -1:
    """Give the call the operation that executes its statement; to be told of the statement is all that some want."""
    if call.kind == DESCRIBE:
        return call.finish(call.extra)
    if call.kind == FETCH or call.kind == FETCHROW or call.kind == FETCHVAL:
        call.op = new_execute(statement, call.arguments, new_records(call.record_class),
                              0 if call.kind == FETCH else 1, with_parse)
    elif call.kind == EXECUTE_STATEMENT:
        call.op = new_execute(statement, call.arguments, RowSink.__new__(RowSink), 0, with_parse)
    elif call.kind == FETCH_COLUMNS:
        call.column.check(statement)
        call.op = new_execute(columnar(statement), call.arguments, ColumnSink(call.column.options), 0, with_parse)
    else:
        call.op = ExecuteMany(statement, call.arguments,
                              Records(call.record_class) if call.kind == FETCH_MANY else RowSink(),
                              with_parse=with_parse, keep_tags=call.column is not None)
    if call.group is not None:
        call.op.group = call.group
        call.op.ends_group = False
    return 0


cdef int refuse_inside_copy(object gate) except -1:
    """Refuse a call by the source or the sink of the COPY that has the connection: it would wait for itself."""
    if isinstance(gate, Operation) and type((<Operation>gate).waiter) is Call:
        if (<Call>(<Operation>gate).waiter).kind == COPY:
            (<Call>(<Operation>gate).waiter).extra.refuse_own_task()
    return 0


cdef bint names_types(Call call, Operation op):
    """Whether the answer of a settled operation may wait for the catalogue to tell of its types."""
    return call.kind == PREPARE or op.kept is not None


cdef object value_of(Call call, Operation op):
    """Return the value of a call whose operation has settled without an error."""
    cdef list rows
    cdef Execute execute
    if op.kept is not None:
        op.read_kept()
    if call.kind <= EXECUTE_STATEMENT:
        execute = <Execute>op
        if call.keeper is not None:
            call.keeper._status = execute.tag
        if execute.with_parse and call.extra is not None:
            (<CachedStatement>call.extra).learn(execute.statement)
        if call.kind == EXECUTE_STATEMENT:
            return execute.tag or ""
        rows = (<Records>execute.sink).give()
        if call.kind == FETCH:
            return rows
        if call.kind == FETCHROW:
            return rows[0] if rows else None
        return rows[0][call.column] if rows else None
    if call.kind == FETCH_COLUMNS:
        execute = <Execute>op
        if call.keeper is not None:
            call.keeper._status = execute.tag
        return call.column.finish((<ColumnSink>execute.sink).give(execute.statement))
    if call.kind == EXECUTE_SCRIPT:
        return (<SimpleQuery>op).tag or ""
    if call.kind == EXECUTE_MANY or call.kind == FETCH_MANY:
        if (<ExecuteMany>op).with_parse and call.extra is not None:
            (<CachedStatement>call.extra).learn((<ExecuteMany>op).reader)
        return (<ExecuteMany>op).tags if call.kind == EXECUTE_MANY else (<ExecuteMany>op).sink.take()
    if call.extra is not None:
        return call.extra(op)
    return op


cdef bint has_members(object queue, Group group) except -1:
    """Whether a member of the group is queued that somebody waits for."""
    cdef Call call
    for call in queue:
        if call.group is group and call.phase == STARTED:
            return True
    return False


cdef bint lacks_statement(object queue, Group group) except -1:
    """Whether a member of the group that somebody waits for waits for its statement itself."""
    cdef Call call
    for call in queue:
        if call.group is group and call.phase == STARTED and call.op is None:
            return True
    return False


cdef bint is_in_group(Frontend frontend) except -1:
    """Whether a group is half written: only its members may be written, and nothing is answered before its Sync."""
    gate = frontend.gate
    return type(gate) is Group or (type(gate) is ExecuteMany and (<ExecuteMany>gate).group is not None)
