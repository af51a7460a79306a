# Bytes between a socket and a frontend's two buffers.

cimport cython

from asyncpg_core.endpoint cimport Endpoint
from pgproto.read_buffer cimport ReadBuffer
from pgproto.write_buffer cimport WriteBuffer


@cython.final
cdef class Transport:
    cdef Endpoint endpoint
    cdef ReadBuffer input
    cdef WriteBuffer out
    cdef object loop
    cdef object sock                    # direct mode: the socket is ours
    cdef int fd
    cdef object stream                  # otherwise: an asyncio transport
    cdef readonly bint is_closed
    cdef readonly bint is_reading
    cdef bint is_armed                  # a writer is registered for fd
    cdef bint is_paused                 # the asyncio transport asked for no more
    cdef object send_error
    cdef object watch                   # timer that looks for what uvloop does not tell

    cdef int flush(self) except -1
    cdef int read_once(self) except -1
    cdef int send_direct(self) except -1
    cdef int lose(self, object error) except -1
    cdef bint is_backed_up(self)
    cdef bint is_direct_now(self)
