"""CopyIn and CopyOut: COPY FROM STDIN and COPY TO STDOUT by a simple Query.

CopyIn is READY when the server wants data: `put_data`, then `put_done`, or `put_fail` when the source failed. An error
of the server in between settles it as any error does. CopyOut is READY when `high_water` bytes wait to be taken, and
again with what is left; what comes behind waits in the receive buffer, so a slow sink slows the server down.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.ref cimport Py_INCREF, Py_XDECREF
cimport cython

from pgproto.messages.backend cimport read_command_tag, read_copy_response
from pgproto.messages.frontend cimport put_copy_data, put_copy_done, put_copy_fail
from pgproto.operations.operation cimport READY
from pgproto.operations.simple cimport put_query_behind_prelude

from pgproto.errors import InterfaceError

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **data, Py_ssize_t n) except -1

cdef enum:
    # As much as one CopyData of ours holds; the server takes any size.
    CHUNK = 524288
    # Room for the first rows of a COPY; it doubles.
    FIRST = 4096


@cython.final
cdef class CopyIn(Operation):
    def __cinit__(self, str sql not None):
        self.sql = sql
        self.closes_gate = True

    cdef int put(self, WriteBuffer out) except -1:
        return put_query_behind_prelude(self, out, self.sql)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'G':
            self.formats = read_copy_response(body[0])[1]
            if self.is_abandoned:
                put_copy_fail(out, "nobody waits for this COPY any more")
            else:
                self.wants_data = self.is_full = True
                self.event = READY
        elif kind == c'C':
            self.tag = read_command_tag(body[0])
        elif kind == c'H' or kind == c'W':
            if kind == c'W':
                put_copy_done(out)
            self.on_failure(InterfaceError("the statement is not a COPY .. FROM STDIN"))
        return 0

    cdef int on_failure(self, object error) except -1:
        self.wants_data = False
        return Operation.on_failure(self, error)

    def start(self):
        """The source is ready: let what the server says in the meantime be read."""
        self.is_full = False

    def put_data(self, WriteBuffer out not None, data):
        """Put bytes of the COPY, in messages of half a megabyte; refused when the server wants none any more."""
        cdef const unsigned char[::1] view
        cdef Py_ssize_t n, at = 0, part
        if not self.wants_data:
            raise InterfaceError("the server does not want data for this COPY any more")
        view = memoryview(data).cast("B")
        n = view.shape[0]
        while at < n:
            part = min(n - at, CHUNK)
            put_copy_data(out, <const char *>&view[at], part)
            at += part

    def put_done(self, WriteBuffer out not None):
        """Put the end of the data."""
        if self.wants_data:
            self.wants_data = False
            put_copy_done(out)

    def put_fail(self, WriteBuffer out not None, error):
        """Put CopyFail: `error` becomes the operation's, the connection stays usable."""
        if self.wants_data:
            self.on_failure(error)
            put_copy_fail(out, "the source of the data failed")

    def give_up(self, WriteBuffer out not None):
        """Nobody waits any more: end the COPY as soon as the server listens."""
        self.is_full = False
        if self.wants_data:
            self.wants_data = False
            put_copy_fail(out, "nobody waits for this COPY any more")


@cython.final
cdef class CopyOut(Operation):
    def __cinit__(self, str sql not None, *, Py_ssize_t high_water=CHUNK):
        self.sql = sql
        self.closes_gate = True
        self.high_water = high_water

    def __dealloc__(self):
        Py_XDECREF(self.gathered)

    cdef int put(self, WriteBuffer out) except -1:
        return put_query_behind_prelude(self, out, self.sql)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'd':
            self.keep(body)
        elif kind == c'H':
            self.formats = read_copy_response(body[0])[1]
        elif kind == c'C':
            self.tag = read_command_tag(body[0])
        elif kind == c'G' or kind == c'W':
            if kind == c'G':
                put_copy_fail(out, "the statement is not a COPY .. TO STDOUT")
            else:
                put_copy_done(out)
            self.on_failure(InterfaceError("the statement is not a COPY .. TO STDOUT"))
        return 0

    cdef int begin_gathering(self, Py_ssize_t n) except -1:
        """Make the object to be given, with room for n bytes at least."""
        # As much as the last time, for what goes on mostly goes on; but one long value is no sign of another.
        self.n_room = max(n, min(self.n_taken, self.high_water + FIRST), FIRST)
        cdef bytes begun = PyBytes_FromStringAndSize(NULL, self.n_room)
        Py_INCREF(begun)
        self.gathered = <PyObject *>begun
        return 0

    cdef int resize(self, Py_ssize_t n) except -1:
        """Give the bytes object room for n bytes; if there is none it is gone, with all that was in it."""
        self.n_room = n
        try:
            _PyBytes_Resize(&self.gathered, n)
        except MemoryError:
            self.n_bytes = 0
            raise
        return 0

    def take(self):
        """Hand over what has come, as one bytes object; `Frontend.resume` then goes on."""
        self.is_full = False
        if self.gathered == NULL:
            return b""
        self.resize(self.n_bytes)
        data = <object>self.gathered
        Py_XDECREF(self.gathered)
        self.gathered = NULL
        self.n_taken, self.n_bytes = self.n_bytes, 0
        return data

    def discard(self):
        """The sink failed or is gone: throw the rest away."""
        self.discards = True
        self.take()

    def give_up(self, WriteBuffer out not None):
        """Nobody waits any more: throw away what comes until the server has stopped."""
        self.discard()
