"""A forked child has copies of its parent's sessions: the server, the socket and the selector are the parent's.

The child closes its copies of the descriptors, which nobody else notices, and nothing besides: not a byte is sent, and
no selector is told, because epoll's is shared with the parent. Whoever uses what was copied is told whose it is.
"""
import os

from asyncpg_core.failures cimport tell_unwritten, tell_written
from asyncpg_core.session cimport Session

from pgproto.errors import ConnectionDoesNotExistError
from pgproto.living import Living

sessions = Living()
# Whatever else is to hear of it, before the sessions do: `owner._on_fork(text)`.
owners = Living()


def watch(Session session not None):
    """See to it that a forked child leaves the session alone."""
    sessions.add(session)


def disown_all():
    """This is a forked child."""
    whose = f"belongs to process {os.getppid()}, of which this one, {os.getpid()}, is a fork"
    for owner in owners:
        owner._on_fork(f"the pool {whose}")
    for session in sessions:
        disown(session, f"the connection {whose}")


def disown(Session session not None, str text not None):
    """Take a session for closed, with neither its transport nor its loop being told."""
    if session.is_closed:
        return
    session.is_closed = True
    session.closed_text = text
    session.transport.disown()
    session.deadlines.stop()
    if session.farewell_timer is not None:
        session.farewell_timer.cancel()
    session.canceller.disown()
    error = ConnectionDoesNotExistError(text)
    queue = list(session.queue) + session.introspector.held_calls()
    session.queue.clear()
    tell_written(session.frontend.lose(), error, None, None, False, session.frontend.status)
    tell_unwritten(queue, session, error, None, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=disown_all)
