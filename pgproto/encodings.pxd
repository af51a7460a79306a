# Other encodings than UTF-8: what a session's client_encoding makes of its text.

cimport cython

from pgproto.wire cimport Slice


@cython.final
cdef class Encoding:
    cdef readonly str name          # as the server reports it
    cdef readonly str codec         # Python's name of it; None: nobody knows it
    cdef dict from_server           # what differs between Python's codec and the server's, or None
    cdef dict to_server
    cdef bytes bytes_of(self, str text)
    cdef str str_of(self, Slice part, const char *errors)
    cdef int refuse_beyond_ascii(self, str text) except -1

cdef int any_other                  # whether a session of this process has ever had another encoding than UTF-8

cdef Encoding encoding_of(str name)
cdef Encoding reading()
cdef int read_as(Encoding encoding) except -1
cdef bytes as_utf8(Slice part)
