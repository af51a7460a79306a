"""What calls on a connection meet that was given back to its pool, and what a pool asks of calls."""
import asyncio
import sys

cimport cython

from asyncpg_core.call cimport Call
from asyncpg_core.query_log cimport has_pool_hook

from pgproto.errors import InterfaceError


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


def has_hook(Call call not None):
    """Whether the pool takes the session back when the call is done."""
    return has_pool_hook(call)


def prelude_of(Call call not None):
    """Return what transactions put in front of the call's operation."""
    return () if call.op is None or call.op.prelude is None else call.op.prelude
