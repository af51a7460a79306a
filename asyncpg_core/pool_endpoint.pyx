"""What the one-shot calls of a pool belong to until a session takes them, and what calls on a released connection meet.

A call of the pool that finds an idle session at its first await becomes that session's; otherwise it waits in the
pool's queue like anybody else. When it is done the pool takes the session back.
"""
import asyncio
import sys

cimport cython
from cpython.time cimport monotonic

from asyncpg_core.call cimport COPY, PREPARE, RUN, STARTED
from asyncpg_core.query_log cimport has_pool_hook
from asyncpg_core.session cimport Session

from asyncpg_core.exceptions import PoolTimeout
from pgproto.errors import ConnectionDoesNotExistError, InterfaceError


@cython.final
cdef class PoolEndpoint(Endpoint):
    def __cinit__(self, pool):
        self.pool = pool

    def bind(self, loop):
        """Belong to a loop: the one that the pool is opened in."""
        self.loop = loop
        self.call_soon = loop.call_soon

    cdef int start_call(self, object awaited) except -1:
        cdef Call call = awaited
        session = self.pool._session_for_one_shot(call)
        if session is not None:
            return self.hand_to(call, session)
        if call.timeout != 0:
            if call.timeout < 0:
                raise PoolTimeout(f"the time of {call.name} was over before it began")
            call.deadline = monotonic() + call.timeout
            # The session that takes the call puts its statement here: until then it is the timer.
            call.extra = self.loop.call_later(call.timeout, self.on_timeout, call)
        return 0

    cdef int stop_timer(self, Call call) except -1:
        if call.extra is not None:
            call.extra.cancel()
            call.extra = None
        return 0

    cdef int hand_to(self, Call call, object session) except -1:
        """Let a session execute the call; the pool gets it back when the call is done."""
        self.stop_timer(call)
        call.hook = self.pool._one_shot_done
        call.owner = <Session?>session
        if call.deadline != 0:
            call.timeout = max(call.deadline - monotonic(), 0.000001)
        try:
            call.owner.start_call(call)
        except Exception as error:
            call.fail(error)
        return 0

    def lend(self, Call call not None, session):
        """A waiting call gets its session; False if nobody waits for the call any more."""
        if call.phase != STARTED:
            return False
        self.hand_to(call, session)
        return True

    def move(self, Call call not None, session):
        """Let another session execute a call that its own could not write."""
        if call.phase == STARTED:
            call.owner = <Session?>session
            if call.kind != RUN and call.kind != PREPARE and call.kind != COPY:
                call.op = None
            try:
                call.owner.start_call(call)
            except Exception as error:
                call.fail(error)

    def on_timeout(self, Call call not None):
        if call.phase == STARTED and call.owner is self:
            self.pool._drop_waiter(call)
            call.extra = None
            call.fail(PoolTimeout(f"no connection was free for {call.name} within {call.timeout:g} s"))

    cdef int cancel_call(self, object call) except -1:
        self.stop_timer(call)
        self.pool._drop_waiter(call)
        return 0

    def refuse(self, Call call not None, error):
        """Tell a waiting call that there will be no connection."""
        if call.phase == STARTED and call.owner is self:
            self.stop_timer(call)
        call.fail(error)

    def revive(self, Call call not None):
        """Let a call wait for another session if its own was lost and has executed nothing of it; once."""
        error = call.failure
        if call.is_retried or type(error) is not ConnectionDoesNotExistError or not error.safe_to_retry:
            return False
        if call.op is not None and call.op.is_written and error.sqlstate_of_cause is None:
            return False    # Without the server's last words nobody knows how far it has come.
        call.is_retried = True
        call.phase = STARTED
        call.failure = None
        call.op = None
        call.extra = None
        call.owner = self
        if call.deadline != 0:
            call.extra = self.loop.call_later(max(call.deadline - monotonic(), 0), self.on_timeout, call)
        return True


def session_of(Call call not None):
    """Return the session that executed a call; for a pool's hook."""
    return <Session?>call.owner


def is_plain_call(Call call not None):
    """Whether the call was one plain statement in the extended protocol."""
    return call.extra is not None and call.extra.is_plain


def has_hook(Call call not None):
    """Whether the pool takes the session back when the call is done."""
    return has_pool_hook(call)


def prelude_of(Call call not None):
    """Return what transactions put in front of the call's operation."""
    return () if call.op is None or call.op.prelude is None else call.op.prelude


@cython.final
cdef class ReleasedEndpoint(Endpoint):
    """Stands where the session of a connection was that has been given back to its pool."""

    cdef int start_call(self, object awaited) except -1:
        self.call_soon = asyncio.get_running_loop().call_soon
        raise self.refusal((<Call>awaited).name)

    def refusal(self, name, owner="Connection"):
        return InterfaceError(f"cannot call {owner}.{name}(): connection has been released back to the pool")

    def __getattr__(self, name):
        raise self.refusal(*called_method(name))


def called_method(str attribute not None):
    """Return the name and the owner of the method that somebody has called whose code now asks for an attribute of
    the session: the outermost frame of the same object."""
    frame = sys._getframe(0)    # of the nearest Python function: compiled ones have none
    owner = frame.f_locals.get("self")
    if owner is None:
        return attribute, "Connection"
    while True:
        name = frame.f_code.co_name
        frame = frame.f_back
        if frame is None or frame.f_locals.get("self") is not owner:
            break
    is_connection = any([cls.__name__ == "Connection" for cls in type(owner).__mro__])
    return name, "Connection" if is_connection else type(owner).__name__
