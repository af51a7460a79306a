# The operations of the extended query protocol.

cimport cython

from pgproto.operations.operation cimport Operation
from pgproto.row_sinks cimport RowSink
from pgproto.statement cimport Statement
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

cdef enum:
    TAG_KEPT = 63


@cython.final
cdef class Prepare(Operation):
    cdef readonly str sql
    cdef readonly str name
    cdef readonly tuple types               # OIDs written into Parse; 0 lets the server infer
    cdef readonly tuple parameter_oids
    cdef readonly tuple columns             # None for a statement without rows


@cython.final
cdef class Execute(Operation):
    cdef readonly Statement statement
    cdef readonly object arguments
    cdef readonly RowSink sink
    cdef readonly int row_limit
    cdef readonly bint with_parse
    cdef readonly bint is_suspended
    cdef char tag_text[TAG_KEPT + 1]
    cdef int n_tag
    cdef bint discards
    cdef int keep_tag(self, Slice *body) except -1
    cdef int describe_rows(self, Slice *body) except -1


cdef Execute new_execute(Statement statement, object arguments, RowSink sink, int row_limit, bint with_parse)


@cython.final
cdef class ExecuteMany(Operation):
    cdef readonly Statement statement
    cdef readonly Statement reader          # the statement as the server has described it in the flight
    cdef readonly RowSink sink
    cdef readonly bint with_parse
    cdef object elements                    # iterator, or None when it is exhausted
    cdef list unbound                       # elements put before the first BindComplete; None after it
    cdef readonly Py_ssize_t n_written_elements
    cdef readonly Py_ssize_t n_done
    cdef readonly bint rolls_back           # a client-side error after the first chunk needs ROLLBACK in front of Sync
    cdef public bint in_transaction
    cdef readonly list tags                 # when asked for
    cdef Py_ssize_t chunk
    cdef Py_ssize_t mark                    # where the element that is being put begins
    cdef int put_chunk(self, WriteBuffer out) except -1
    cdef int check_element(self, object element) except -1
    cdef int put_rollback(self, WriteBuffer out) except -1


@cython.final
cdef class FetchPortal(Operation):
    cdef readonly Statement statement
    cdef readonly object arguments          # to bind the portal first, or None
    cdef readonly RowSink sink
    cdef readonly str portal
    cdef readonly int row_limit
    cdef readonly bint with_parse
    cdef readonly bint is_suspended


@cython.final
cdef class Stream(Operation):
    cdef readonly Statement statement
    cdef readonly object arguments
    cdef readonly RowSink sink
    cdef readonly int batch
    cdef readonly bint with_parse
    cdef bint discards


@cython.final
cdef class Close(Operation):
    cdef readonly str name
    cdef bint is_portal


@cython.final
cdef class Script(Operation):
    cdef readonly tuple statements
    cdef bytes messages                 # what is sent if it is not the unnamed form, or None
    cdef bint parses
    cdef Py_ssize_t n_answered


cdef Script script_again(tuple statements, bytes messages)
