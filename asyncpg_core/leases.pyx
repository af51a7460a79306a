"""What a session is asked when its borrower has gone: whether it can be lent as it is, and what is to be undone."""
from collections import deque

from asyncpg_core.call cimport Call
from asyncpg_core.session cimport Session
from asyncpg_core.statement_cache cimport ALWAYS
from pgproto.operations.copy cimport CopyIn, CopyOut
from pgproto.operations.extended cimport Stream
from pgproto.operations.operation cimport Operation

from pgproto.errors import InterfaceError


cpdef bint is_unchanged(Session session, Py_ssize_t n_changes) except -1:
    """Whether the session is as it was when `n_changes` ParameterStatus messages had come."""
    return (session.frontend.status == c'I' and session.frontend.n_pending == 0 and not session.has_begun
            and session.frontend.n_status_changes == n_changes and not session.holds_writes)


cpdef bint is_left_in_transaction(Session session) except -1:
    """Whether the borrower leaves a transaction behind that he has neither ended nor been interrupted in ending."""
    return session.has_begun or (session.is_known_in_transaction and not session.ended_unsurely)


cdef bint may_be_in_transaction(Session session):
    """Whether a transaction block is open on the server when what was written is answered, or may be."""
    if session.frontend.n_pending:
        return not session.last_ends_transaction
    return session.frontend.status != c'I'


def give_up_copy(Session session not None, error):
    """End the COPY or the stream that has the connection, if there is one: whoever feeds or reads it may never do."""
    cdef Call call
    cdef object gate = session.frontend.gate
    if type(gate) is not CopyIn and type(gate) is not CopyOut and type(gate) is not Stream:
        return
    if type((<Operation>gate).waiter) is not Call:
        return
    call = (<Operation>gate).waiter
    call.fail(error)
    session.cancel_call(call)


def drop_unsent(Session session not None):
    """What the borrower had not written fails."""
    cdef Call call
    if session.frontend.gate is not None:
        what = "stream" if type(session.frontend.gate) is Stream else "COPY"
        give_up_copy(session, InterfaceError(
            f"the connection was released back to the pool in the middle of the {what}"))
    queue = session.queue
    session.queue = deque([call for call in queue if call.is_internal])
    for call in queue:
        if not call.is_internal:
            call.fail(InterfaceError("the connection was released back to the pool before the statement was sent"))
            # Who gives the connection back without having awaited it, being cancelled maybe, does not want to know.
            call.is_seen = True


cpdef int give_up_lease(Session session, tuple reset) except -1:
    """What the borrower had not written fails; the session is reset with `reset` unless nothing was executed."""
    cdef Call call
    if session.queue or session.frontend.gate is not None:
        drop_unsent(session)
        for call in session.queue:
            # A ROLLBACK: the reset rolls back; to its transaction it is all the same.
            call.finish("ROLLBACK")
        session.queue.clear()
    session.preludes.clear()
    session.has_begun = False
    session.transaction_failure = None
    session.ended_unsurely = False
    if session.n_written == session.n_written_at_reset:
        return 0    # He has written nothing: what the last reset did, or will do, still holds.
    session.reset.owe(reset, may_be_in_transaction(session), session.frontend,
                      session.statements.preparing == ALWAYS and not session.statements.is_undecided)
    session.tick_soon()
    session.n_written_at_reset = session.n_written
    return 0
