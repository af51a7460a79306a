"""How a session goes on with what was held until the catalogue had told of its types."""
from asyncpg_core.call cimport STARTED, Call
from asyncpg_core.session cimport Session
from asyncpg_core.statement_cache cimport CachedStatement
from pgproto.operations.extended cimport Execute
from pgproto.operations.operation cimport Operation


def go_on(Session session not None, waiter, Operation op not None):
    """The types of an operation are known, or it has failed for them: go on where it was held."""
    cdef Call call
    if type(waiter) is CachedStatement:
        session.on_described(<CachedStatement>waiter, op)
        return
    call = <Call>waiter
    if op.is_written:
        session.settle(call, op)
    elif op.error is not None:
        call.fail(op.error)
    elif call.phase == STARTED:
        call.op = None
        session.make_operation(call)
        session.queue.appendleft(call)
        session.tick_soon()


def types_to_ask_again(Session session not None, Call call not None, Operation op not None, error):
    """Return the types of the arguments if one of them may not fit only because its type has changed.

    Then the call, of which nothing was written, may begin again, once; outside a transaction, because others may be
    written in front of it meanwhile.
    """
    if (not getattr(error, "is_layout", False) or call.is_retried or call.statement is not None or session.has_begun
            or type(op) is not Execute or op.group is not None or session.frontend.status != c'I'):
        return set()
    known = session.registry.types.facts
    oids = {oid for oid in (<Execute>op).statement.parameter_oids if oid in known}
    call.is_retried = bool(oids)
    return oids
