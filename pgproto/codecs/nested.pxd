# Errors of values inside values: elements, attributes, bounds.

from pgproto.codecs.codec cimport Codec

cdef object layout_error(str text)
cdef object nested_error(object error, str step, str text)
cdef bint is_users(Codec codec, object error) except -1
