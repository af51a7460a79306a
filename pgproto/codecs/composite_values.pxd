# What composites of both formats share.

from pgproto.codecs.codec cimport Codec

cdef tuple values_of(Codec codec, object value)
cdef object finished(Codec codec, object record)
cdef object value_of(Codec codec, list values)
cdef object field_error(Codec codec, Py_ssize_t i, object error)
cdef object field_refused(Codec codec, Py_ssize_t i, object error)
cdef object outdated(Codec codec, str text, object position)
