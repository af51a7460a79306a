"""The only place where bytes move between the operating system and the core.

Two modes, one per connection. Direct: the socket is ours, the loop only says when it is readable, and recv and send go
straight between the kernel and the frontend's buffers. Stream: an asyncio transport (TLS, loops without add_reader)
fills the receive buffer through BufferedProtocol and is handed what is to be sent. The session above hears of bytes
received, of a drained send buffer and of the end; it never touches a socket.
"""
import asyncio
import os
import sys

cimport cython
from libc.errno cimport EAGAIN, EINTR, errno

from asyncpg_core.endpoint cimport Endpoint
from pgproto.frontend cimport Frontend


cdef extern from *:
    """
    #ifdef _WIN32
    /* Windows' own loop has no add_reader: direct mode is never chosen there. */
    static Py_ssize_t apc_recv(int fd, char *at, Py_ssize_t n) { errno = EBADF; return -1; }
    static Py_ssize_t apc_send(int fd, const char *at, Py_ssize_t n) { errno = EBADF; return -1; }
    #else
    #include <sys/types.h>
    #include <sys/socket.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static Py_ssize_t apc_recv(int fd, char *at, Py_ssize_t n) { return recv(fd, at, (size_t)n, 0); }
    static Py_ssize_t apc_send(int fd, const char *at, Py_ssize_t n) { return send(fd, at, (size_t)n, MSG_NOSIGNAL); }
    #endif
    """
    Py_ssize_t apc_recv(int fd, char *at, Py_ssize_t n) noexcept nogil
    Py_ssize_t apc_send(int fd, const char *at, Py_ssize_t n) noexcept nogil


# How long a reset connection may go unnoticed on uvloop.
cdef double WATCH_SECONDS = 1.0


class StreamProtocol(asyncio.BufferedProtocol):
    """What an asyncio transport talks to in stream mode."""

    def __init__(self, transport):
        self.transport = transport

    def connection_made(self, stream):
        self.transport.attach_stream(stream)

    def get_buffer(self, sizehint):
        return self.transport.writable()

    def buffer_updated(self, n_bytes):
        self.transport.received(n_bytes)

    def eof_received(self):
        return False

    def connection_lost(self, error):
        self.transport.stream_lost(error)

    def pause_writing(self):
        self.transport.pause_writing()

    def resume_writing(self):
        self.transport.resume_writing()


def close_socket_under(stream):
    """Close the socket of an asyncio transport whose loop is not to be told, or cannot be any more."""
    sock = getattr(stream.get_extra_info("socket"), "_sock", None)
    if sock is not None:        # uvloop has none to close: what it has ends with the loop
        sock.close()


def can_be_direct(loop):
    """Whether the loop can tell when a file descriptor is readable."""
    return sys.platform != "win32" and not type(loop).__name__.startswith("Proactor")


@cython.final
cdef class Transport:
    def __cinit__(self, Endpoint endpoint not None, Frontend frontend not None, loop):
        self.endpoint = endpoint
        self.input = frontend.input
        self.out = frontend.out
        self.loop = loop
        self.fd = -1
        self.is_closed = True

    def __repr__(self):
        state = "closed" if self.is_closed else "direct" if self.sock is not None else "stream"
        return f"<Transport {state}>"

    @property
    def is_direct(self):
        return self.sock is not None

    @property
    def socket(self):
        """The socket of direct mode, or what the asyncio transport says of its own."""
        if self.sock is not None:
            return self.sock
        return self.stream.get_extra_info("socket") if self.stream is not None else None

    def get_extra_info(self, name, default=None):
        """As an asyncio transport's: `socket`, `peername`, `sockname`, and with TLS what asyncio knows of it."""
        if self.stream is not None:
            return self.stream.get_extra_info(name, default)
        if self.sock is None or self.is_closed:
            return default
        if name == "socket":
            return self.sock
        if name in ("peername", "sockname"):
            return self.sock.getpeername() if name == "peername" else self.sock.getsockname()
        return default

    cdef bint is_direct_now(self):
        return self.sock is not None

    # Direct mode

    def attach_socket(self, sock):
        """Take over a connected, non-blocking socket."""
        self.sock = sock
        self.fd = sock.fileno()
        self.is_closed = False
        self.is_reading = True
        self.loop.add_reader(self.fd, self.on_readable)
        if type(self.loop).__module__.startswith("uvloop"):
            self.watch = self.loop.call_later(WATCH_SECONDS, self.on_watch)

    def on_watch(self):
        """libuv stops to poll a socket that reports an error, and uvloop calls no reader then: look for ourselves."""
        if self.is_closed:
            return
        if self.is_reading and self.read_once() and not self.is_closed:
            self.watch = self.loop.call_soon(self.on_watch)     # there may be more, and nobody else looks
        elif not self.is_closed:
            self.watch = self.loop.call_later(WATCH_SECONDS, self.on_watch)

    def on_readable(self):
        if not self.is_closed:
            self.read_once()

    cdef int read_once(self) except -1:
        """Receive what one call gives; return whether it gave something."""
        cdef Py_ssize_t n
        self.input.make_room()
        n = apc_recv(self.fd, self.input.free_start(), self.input.free_size())
        if n > 0:
            self.input.filled(n)
            self.endpoint.on_received()
            return True
        if n == 0:
            self.lose(None)
        elif errno != EAGAIN and errno != EINTR:
            self.lose(OSError(errno, os.strerror(errno)))
        return False

    def on_writable(self):
        if self.is_closed:
            return
        self.send_direct()
        if not self.is_closed and self.out.length == 0:
            if self.is_armed:
                self.is_armed = False
                self.loop.remove_writer(self.fd)
            self.endpoint.on_drained()

    cdef int send_direct(self) except -1:
        cdef Py_ssize_t n
        while self.out.length > self.out.n_sent:
            n = apc_send(self.fd, self.out.start + self.out.n_sent, self.out.length - self.out.n_sent)
            if n >= 0:
                self.out.consume(n)
            elif errno == EINTR:
                continue
            elif errno == EAGAIN:
                if not self.is_armed:
                    self.is_armed = True
                    self.loop.add_writer(self.fd, self.on_writable)
                return 0
            else:
                # What the server said before it went is still to be read, so the loss is told from the loop.
                self.out.consume(self.out.length - self.out.n_sent)
                if self.send_error is None:
                    self.send_error = OSError(errno, os.strerror(errno))
                    self.loop.call_soon(self.on_send_error)
                return 0
        return 0

    def on_send_error(self):
        cdef Py_ssize_t n_before = -1
        while not self.is_closed and len(self.input) != n_before:
            n_before = len(self.input)
            self.on_readable()
        if not self.is_closed:
            self.lose(self.send_error)

    # Stream mode

    def attach_stream(self, stream):
        self.stream = stream
        self.is_closed = False
        self.is_reading = True

    def writable(self):
        return self.input.writable()

    def received(self, Py_ssize_t n_bytes):
        self.input.filled(n_bytes)
        if not self.is_closed:
            self.endpoint.on_received()

    def stream_lost(self, error):
        self.lose(error)

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False
        if not self.is_closed:
            self.endpoint.on_drained()

    # Both

    cdef int flush(self) except -1:
        """Send what the frontend has put."""
        if self.is_closed or self.out.length == self.out.n_sent:
            return 0
        if self.sock is not None:
            if not self.is_armed:
                self.send_direct()
        else:
            self.stream.write(self.out.take_all())
        return 0

    cdef bint is_backed_up(self):
        """Whether the peer does not keep up: who has more to send waits for on_drained.

        What was put in this tick and not yet offered to the socket does not count.
        """
        return self.is_paused or self.is_armed

    @property
    def is_congested(self):
        """Whether the peer does not keep up with what is sent."""
        return self.is_backed_up()

    def pause_reading(self):
        """Read no more, so that the server stops sending."""
        if self.is_reading and not self.is_closed:
            self.is_reading = False
            if self.sock is not None:
                self.loop.remove_reader(self.fd)
            else:
                self.stream.pause_reading()

    def resume_reading(self):
        if not self.is_reading and not self.is_closed:
            self.is_reading = True
            if self.sock is not None:
                self.loop.add_reader(self.fd, self.on_readable)
            else:
                self.stream.resume_reading()

    def peek(self):
        """Return the next byte that is to be read, b"" if none will ever come, None if there is none yet or nobody can
        tell: only direct mode can look."""
        if self.sock is None or self.is_closed:
            return b"" if self.is_closed else None
        try:
            return self.sock.recv(1, 2)         # MSG_PEEK is 2 wherever direct mode exists
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""

    def disown(self):
        """Close this process's descriptor and leave all else alone."""
        if self.is_closed:
            return
        self.is_closed = True
        self.is_reading = False
        if self.watch is not None:
            self.watch.cancel()
        if self.sock is not None:
            self.fd = -1
            self.sock.close()
        else:
            close_socket_under(self.stream)

    def is_closing(self):
        """As an asyncio transport's: whether nothing can be sent any more."""
        return self.is_closed

    def abort(self, error=None):
        """Close at once; the session hears of it before this returns."""
        self.lose(error)

    cdef int lose(self, object error) except -1:
        if self.is_closed:
            return 0
        if self.loop.is_closed():
            # Its selector has gone with it.
            self.disown()
            return self.endpoint.on_lost(error)
        self.is_closed = True
        self.is_reading = False
        if self.watch is not None:
            self.watch.cancel()
        if self.sock is not None:
            self.loop.remove_reader(self.fd)
            if self.is_armed:
                self.is_armed = False
                self.loop.remove_writer(self.fd)
            self.fd = -1
            self.sock.close()
        else:
            self.stream.abort()
        return self.endpoint.on_lost(error)
