# What ranges of both formats share: the bounds of a Python value, and the value that bounds make.

from pgproto.codecs.codec cimport Codec

# The server's flags of a range.
cdef enum:
    RANGE_EMPTY = 0x01
    RANGE_LOWER_INCLUSIVE = 0x02
    RANGE_UPPER_INCLUSIVE = 0x04
    RANGE_LOWER_INFINITE = 0x08
    RANGE_UPPER_INFINITE = 0x10


cdef tuple bounds_of(object value, int *flags)
cdef object range_of(object lower, object upper, int flags)
cdef object bound_error(Codec codec, str which, object error)
cdef tuple ranges_of(object value)
