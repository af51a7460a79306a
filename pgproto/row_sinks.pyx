"""What becomes of the rows of a result: records, or their bytes until somebody has the codecs.

An operation has one sink. `take` hands over what has come and starts anew; nothing is kept.
"""
cimport cython

from pgproto.record import Record


cdef class RowSink:
    """The base: rows are thrown away."""

    cdef int on_row(self, Statement statement, Slice *body) except -1:
        return 0

    cdef object take(self):
        return []

    cdef object explain(self, Statement statement, object error):
        """The error for a row that `on_row` has refused."""
        return statement.explain_column(error)


@cython.final
cdef class Records(RowSink):
    """Rows become records of `record_class`."""

    def __init__(self, record_class=None):
        self.rows = []
        self.record_class = Record if record_class is None else record_class

    cdef int on_row(self, Statement statement, Slice *body) except -1:
        self.rows.append(statement.decode_row(body, self.record_class))
        return 0

    cdef object take(self):
        rows = self.rows
        self.rows = []
        return rows

    cdef list give(self):
        """Hand over what has come; no more rows are expected."""
        rows = self.rows
        self.rows = None
        return rows


cdef Records new_records(type record_class):
    """Return what Records(record_class) returns, without the cost of a Python call."""
    cdef Records sink = Records.__new__(Records)
    sink.rows = []
    sink.record_class = record_class
    return sink


@cython.final
cdef class RawRows(RowSink):
    """Rows stay the bytes of their DataRow messages; `Statement.decode` reads them later."""

    def __cinit__(self):
        self.rows = []

    cdef int on_row(self, Statement statement, Slice *body) except -1:
        self.rows.append(body.at[:body.n])
        return 0

    cdef object take(self):
        rows = self.rows
        self.rows = []
        return rows


cdef RowSink keeper_of(RowSink sink, Statement described):
    """Return what takes the rows until the catalogue has told of a type that nobody knows; None if all are known."""
    if (type(sink) is Records or type(sink) is RawRows or type(sink) is RowSink) and described.unknown_types():
        return RawRows() if type(sink) is Records else sink
    return None


cdef Statement bound_anew(Statement statement, RowSink sink, RowSink unread):
    """Return the statement with its types as they are known now; what it reads of the rows goes to the sink."""
    cdef Statement known = statement.bound_anew()
    if unread is not sink:
        for row in unread.take():
            (<Records>sink).rows.append(known.decode(row, (<Records>sink).record_class))
    return known
