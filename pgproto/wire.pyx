"""The slow paths of wire.pxd: what is said when a body is short, long or unterminated, and a door for tests.

The fast paths are inline in wire.pxd. A MalformedBody knows nothing of where it happened; whoever reads a whole
message turns it into a ProtocolError that names the message, whoever reads a value into a DecodeError that names
the column and the type.
"""
from pgproto.errors import MalformedBody

cdef dict TAKERS = {"byte": 0, "int16": 1, "uint16": 2, "int32": 3, "uint32": 4, "int64": 5, "float8": 6, "float4": 7,
                    "slice": 8, "cstring": 9, "end": 10, "need": 11}


def take(str what not None, bytes body not None, Py_ssize_t n=0):
    """Return (value, bytes left) of one `take_*`: the door for tests, nothing else calls it."""
    cdef Slice rest = slice_of(body, len(body))
    cdef Slice part
    cdef int which = TAKERS[what]
    cdef object value = None
    if which == 0:
        value = take_byte(&rest)
    elif which == 1:
        value = take_int16(&rest)
    elif which == 2:
        value = take_uint16(&rest)
    elif which == 3:
        value = take_int32(&rest)
    elif which == 4:
        value = take_uint32(&rest)
    elif which == 5:
        value = take_int64(&rest)
    elif which == 6:
        value = take_float8(&rest)
    elif which == 7:
        value = take_float4(&rest)
    elif which == 8 or which == 9:
        part = take_slice(&rest, n) if which == 8 else take_cstring(&rest)
        value = part.at[:part.n]
    elif which == 10:
        take_end(&rest)
    else:
        need(&rest, n)
    return value, rest.at[:rest.n]


cdef int refuse_short(Py_ssize_t wanted, Py_ssize_t left) except -1:
    if wanted < 0:
        raise MalformedBody(f"a length of {wanted} was announced")
    raise MalformedBody(f"{wanted} bytes were expected, {left} are left")


cdef int refuse_rest(Py_ssize_t left) except -1:
    raise MalformedBody(f"{left} bytes are left over")


cdef int refuse_unterminated() except -1:
    raise MalformedBody("a string without its terminating zero byte")
