"""The groups of pipeline blocks, as far as they concern a session's queue of calls.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
"""
from collections import deque

from asyncpg_core.call cimport STARTED, Call
from asyncpg_core.session cimport Session
from pgproto.operations.extended cimport Script
from pgproto.operations.operation cimport Group

from pgproto.errors import PipelineAborted


def write_group(Session session not None, Group group not None):
    """The block has collected its group: its members are written in a row, and its Sync behind the last one.

    What others have started in between comes behind the group: the gate is closed for it from the first member on.
    """
    members = [call for call in session.queue if (<Call>call).group is group]
    if members:
        queue = deque()
        for call in session.queue:
            if call is members[0]:
                queue.extend(members)
            elif (<Call>call).group is not group:
                queue.append(call)
        session.queue = queue
    session.tick_soon()


def end_group(Session session not None, Group group not None):
    """Write the Sync of a group whose members are all written."""
    if not session.is_closed:
        if session.frontend.gate is None or session.frontend.gate is group:
            session.frontend.end_group(group)
        session.tick_soon()


def drop_group(Session session not None, Group group not None, error):
    """Nothing of the group was written: its members fail, the server never hears of them."""
    fail_group(session, group, PipelineAborted(
        f"the statement was not executed, because the pipeline block was left by {error!r}"), error)


def fail_group(Session session not None, Group group not None, error, cause):
    """Fail the members that are not written; those that are end with the group."""
    cdef Call call
    error.__cause__ = cause
    for call in list(session.queue):
        if call.group is group and call.phase == STARTED:
            call.fail(error)
    if group.n_written:
        end_group(session, group)


def end_after_bad_argument(Session session not None, Group group not None, error):
    """A member has failed before a byte of it was written: the group ends, outside a transaction undone."""
    cdef Script undo
    if group.n_written and not group.is_ended and not session.has_begun and session.frontend.status == c'I':
        undo = Script(("ROLLBACK",))
        undo.group = group
        undo.ends_group = False
        session.frontend.send(undo)
        group.undone_by = error
    fail_group(session, group, PipelineAborted(
        f"the statement was not executed, because another one of the same pipeline was refused: {error}"), error)
    if group.error is None:
        group.error = error     # What is added to it from now on is refused.
