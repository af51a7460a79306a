"""The slow paths of wire.pxd: what is said when a body is short, long or unterminated, and a door for tests.

The fast paths are inline in wire.pxd. A MalformedBody knows nothing of where it happened; whoever reads a whole
message turns it into a ProtocolError that names the message, whoever reads a value into a DecodeError that names
the column and the type.
"""
from pgproto.errors import MalformedBody


cdef int refuse_short(Py_ssize_t wanted, Py_ssize_t left) except -1:
    if wanted < 0:
        raise MalformedBody(f"a length of {wanted} was announced")
    raise MalformedBody(f"{wanted} bytes were expected, {left} are left")


cdef int refuse_rest(Py_ssize_t left) except -1:
    raise MalformedBody(f"{left} bytes are left over")


cdef int refuse_unterminated() except -1:
    raise MalformedBody("a string without its terminating zero byte")
