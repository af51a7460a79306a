# What becomes of a DataRow: a field of the operation that fetches.

cimport cython

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
cdef RowSink keeper_of(RowSink sink, Statement described)
cdef Statement bound_anew(Statement statement, RowSink sink, RowSink unread)


@cython.final
cdef class RawRows(RowSink):
    cdef list rows
