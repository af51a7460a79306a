"""COMMIT and ROLLBACK whose caller has gone: the transaction ends nevertheless.

What was written is watched until it is answered; what was not is replaced by a ROLLBACK in front of everything that is
queued. A ROLLBACK that fails closes the connection.
"""
from asyncpg_core.call cimport EXECUTE_SCRIPT, STARTED, Call
from asyncpg_core.session cimport Session
from pgproto.operations.operation cimport Operation
from pgproto.operations.simple cimport SimpleQuery


class Ending:
    """A COMMIT or ROLLBACK, written, that nobody waits for any more: it must not leave its transaction open."""

    __slots__ = ("session", "is_top")

    def __init__(self, session, is_top):
        self.session = session
        self.is_top = is_top

    def on_settled(self, op):
        self.session.n_ending -= self.is_top
        if self.is_top and self.session.frontend.transaction_status != "I":
            roll_back_first(self.session, "ROLLBACK")

    def on_lost(self, error):
        """With the connection the transaction is gone."""


def leave_ending(Session session not None, Call call not None, str rollback not None, bint is_top):
    """A COMMIT or ROLLBACK was given up by its caller: see to it that the transaction ends nevertheless."""
    cdef Operation op = call.op
    if session.is_closed or (op is not None and op.is_written and op.is_settled):
        session.n_ending -= is_top
    elif op is not None and op.is_written:
        op.waiter = Ending(session, is_top)
    else:
        session.n_ending -= is_top
        roll_back_first(session, rollback)


def roll_back_first(Session session not None, str sql not None):
    """End a transaction that nobody ends any more, before what is queued; a failure closes the connection."""
    cdef Call call = session.calls.new_call("execute", EXECUTE_SCRIPT, sql, (), float("inf"))

    def done(Call call not None):
        session.n_ending -= call.ends_transaction
        if call.failure is not None and not session.is_closed:
            session.abort(call.failure)

    call.is_internal = True
    call.ends_transaction = sql == "ROLLBACK"
    call.op = SimpleQuery(sql)
    call.phase = STARTED
    call.hook = done
    session.n_ending += call.ends_transaction
    session.queue.appendleft(call)
    session.tick_soon()
