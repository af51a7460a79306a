"""What becomes of the rows of a result: records, or their bytes until somebody has the codecs.

An operation has one sink. `take` hands over what has come and starts anew; nothing is kept.
"""
cimport cython

from pgproto.encodings cimport read_as, reading

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


@cython.final
cdef class KeptRows(RowSink):
    """Rows of a type that nobody knows: their bytes, for another sink, until the catalogue has told."""

    cdef int on_row(self, Statement statement, Slice *body) except -1:
        if type(self.sink) is not RowSink:
            self.rows.append(body.at[:body.n])
        return 0

    cdef object take(self):
        rows = self.rows
        self.rows = []
        return rows

    def type_oids(self):
        """The types of the columns."""
        return [column.type_oid for column in self.statement.columns]

    cdef Statement read(self):
        """Give the rows to their sink as the types are known now; return the statement that reads them.

        Raises the error of a value that cannot be read."""
        cdef Statement known = self.statement.bound_anew()
        if type(self.sink) is RawRows:
            (<RawRows>self.sink).rows += self.take()
        elif type(self.sink) is Records:
            read_as(self.encoding)
            try:
                for row in self.take():
                    (<Records>self.sink).rows.append(known.decode(row, (<Records>self.sink).record_class))
            finally:
                read_as(None)
        return known


cdef KeptRows kept_for(RowSink sink, Statement described):
    """Return what keeps the rows for a sink that could not read them yet, None if it can."""
    cdef KeptRows kept
    if (type(sink) is not Records and type(sink) is not RawRows and type(sink) is not RowSink) or (
            not described.unknown_types()):
        return None
    kept = KeptRows.__new__(KeptRows)
    kept.statement = described
    kept.sink = sink
    kept.rows = []
    kept.encoding = reading()
    return kept
