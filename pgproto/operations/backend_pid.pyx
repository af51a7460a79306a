"""AskBackendPid: which process of the server answers.

Between a client and a server that is the process which BackendKeyData has named; behind a pooler it is another one. The
question goes in front of a session's first operation, in the same flight and with a Sync of its own, so that whatever
becomes of it concerns nobody else.

https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from pgproto.messages.frontend cimport put_bind_plain, put_execute, put_parse
from pgproto.operations.operation cimport BIND, EXECUTE, PARSE
from pgproto.wire cimport Slice, take_uint16, take_value
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import ProtocolError

# Digits and sign of an int4: what is longer is no process ID.
cdef enum:
    PID_SIZE_MAX = 11


def question():
    """Return the messages of the question, its Sync apart."""
    cdef WriteBuffer out = WriteBuffer()
    put_parse(out, b"", "SELECT pg_catalog.pg_backend_pid()", ())
    put_bind_plain(out, b"", b"")
    put_execute(out, b"", 0)
    return out.take_all()


cdef bytes QUESTION = question()


cdef object read_pid(Slice *body):
    """Return the number in a DataRow of one column in text format, None if there is none."""
    cdef Slice value
    if body.n < 2 or take_uint16(body) != 1:
        raise ProtocolError("a row of one column was expected, another one has come")
    if not take_value(body, &value) and value.n != -1:
        raise ProtocolError(f"a row of {body.n + 2} bytes announces more than it has")
    if body.n != 0:
        raise ProtocolError(f"a row has {body.n} bytes left over")
    if value.n == -1:
        return None
    text = value.at[:value.n]
    if value.n > PID_SIZE_MAX or not text.removeprefix(b"-").isdigit():
        return None
    return int(text)


@cython.final
cdef class AskBackendPid(Operation):
    cdef int put(self, WriteBuffer out) except -1:
        out.put_bytes(PyBytes_AS_STRING(QUESTION), PyBytes_GET_SIZE(QUESTION))
        self.owe(PARSE)
        self.owe(BIND)
        self.owe(EXECUTE)
        return self.put_sync_if_ends(out)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if kind == c'D':
            self.pid = read_pid(body)
        return 0
