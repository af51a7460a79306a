"""Counts sockets, for tests of what a failed connect leaves behind."""
import asyncio
import contextlib
import gc
import os
import time
from collections.abc import AsyncIterator

FD_DIRECTORY = "/proc/self/fd"


def open_sockets() -> frozenset[str]:
    """The names of this process's sockets; where the system does not tell, none."""
    names = set()
    if os.path.isdir(FD_DIRECTORY):
        for fd in os.listdir(FD_DIRECTORY):
            with contextlib.suppress(OSError):  # the directory's own descriptor is gone by now
                names.add(os.readlink(f"{FD_DIRECTORY}/{fd}"))
    return frozenset(name for name in names if name.startswith("socket:"))


@contextlib.asynccontextmanager
async def no_socket_left(seconds: float = 5.0) -> AsyncIterator[None]:
    """Fails if a socket that was opened inside is still open `seconds` after the end.

    Transports close their sockets in a later round of the loop, which is waited for. What only the collector would
    close is a ResourceWarning, which is an error.
    """
    before = open_sockets()
    yield
    deadline = time.monotonic() + seconds
    while open_sockets() - before and time.monotonic() < deadline:  # nothing tells
        await asyncio.sleep(0.005)
    gc.collect()
    assert not open_sockets() - before
