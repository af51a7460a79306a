"""The orderly end of a session, in two steps; whoever takes them bounds the time."""
from asyncpg_core.call cimport Call
from asyncpg_core.session cimport Session

from asyncio import _get_running_loop as running_loop

from asyncpg_core.leases import give_up_copy
from pgproto.errors import InterfaceError


def check_loop(Session session not None):
    """Raise InterfaceError if the session belongs to another loop than the one that runs."""
    if running_loop() is not session.loop:
        raise InterfaceError(f"the connection belongs to the event loop {session.loop!r}, the call was made from "
                             f"{running_loop()!r}")


async def drain(Session session not None):
    """Cancel what is running and wait until nothing is owed any more."""
    cdef Call call
    for call in session.live_calls():
        if call.op is None or not call.op.is_written:
            call.fail(InterfaceError("the connection is being closed"))
    give_up_copy(session, InterfaceError("the connection is being closed"))
    while not session.is_closed and (session.frontend.n_pending or session.holds_writes):
        head = session.frontend.head
        # A reset between two borrowers ends by itself, and soon; if it does not, that is watched.
        if head is not None and not session.holds_writes and head is not session.reset.awaited:
            session.canceller.start(head)
        session.drained = session.loop.create_future()
        await session.drained


async def part(Session session not None):
    """Send Terminate and wait until the server has hung up."""
    if not session.is_closed and not session.transport.is_closed:
        session.is_parting = True
        session.frontend.put_terminate()
        session.transport.flush()
        while not session.is_closed:
            session.drained = session.loop.create_future()
            await session.drained
