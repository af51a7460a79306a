# What becomes of a DataRow: a field of the operation that fetches.

cimport cython

from pgproto.encodings cimport Encoding
from pgproto.statement cimport Statement
from pgproto.wire cimport Slice


cdef class RowSink:
    cdef int on_row(self, Statement statement, Slice *body) except -1
    cdef object take(self)
    cdef object explain(self, Statement statement, object error)


@cython.final
cdef class Records(RowSink):
    cdef list rows
    cdef type record_class
    cdef list give(self)


cdef Records new_records(type record_class)


@cython.final
cdef class RawRows(RowSink):
    cdef list rows


@cython.final
cdef class KeptRows(RowSink):
    cdef Statement statement
    cdef readonly RowSink sink          # whom they are for
    cdef list rows
    cdef Encoding encoding              # in which they come
    cdef Statement read(self)


cdef KeptRows kept_for(RowSink sink, Statement described)
