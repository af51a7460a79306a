"""Rows for COPY FROM STDIN (FORMAT binary), encoded straight from the buffers of Arrow data.

The columns are planned once, from the types of both sides; then each row is put, value by value, through one function
pointer a column. Nothing of a value becomes a Python object unless it is refused.

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t

from pgproto.arrow_abi cimport ArrowArray
from pgproto.arrow_in.column cimport ArrowColumn
from pgproto.arrow_in.plan cimport new_column
from pgproto.arrow_in.stream cimport ArrowSource
from pgproto.copy_rows cimport CHUNK, binary_header, move_chunk
from pgproto.encodings cimport Encoding
from pgproto.operations.copy cimport CopyIn
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import DataError, InterfaceError


@cython.final
cdef class ArrowWriter:
    cdef readonly str format                # binary
    cdef readonly Py_ssize_t n_rows         # put so far
    cdef readonly Py_ssize_t n_columns
    cdef ArrowSource source
    cdef tuple columns
    cdef ArrowColumn whole                  # the struct that the columns are the children of
    cdef WriteBuffer rows
    cdef int64_t at                         # the next row of the batch
    cdef int64_t n_batch                    # rows of the batch

    def __cinit__(self, ArrowSource source not None, tuple names not None, tuple codecs not None, *,
                  Encoding encoding=None):
        """Plan the columns, called by the names that the table has for them; DataError names one that does not fit.

        `encoding` is that of the session, None for UTF-8."""
        schema = source.schema
        self.source = source
        if len(schema.children) != len(codecs):
            raise InterfaceError(f"the data have {len(schema.children)} columns, the table {len(codecs)}: "
                                 f"{', '.join(names)}")
        self.columns = tuple([
            new_column(field, codec, name) for field, codec, name in zip(schema.children, codecs, names)])
        self.n_columns = len(codecs)
        self.format = "binary"
        self.whole = ArrowColumn("", schema, None)
        self.whole.children = self.columns
        self.rows = WriteBuffer()
        self.rows.encoding = encoding
        self.rows.put_bytes(PyBytes_AS_STRING(binary_header()), PyBytes_GET_SIZE(binary_header()))

    @property
    def is_full(self):
        """Whether there is a chunk to be moved."""
        return self.rows.length >= CHUNK

    def fill(self, rows=None):
        """Put rows of the source, the one that `rows` is, until the chunk is full; False when there were no more.

        DataError names the row and the column of a value that PostgreSQL's type does not have."""
        cdef ArrowArray *batch
        if self.at < self.n_batch and self.source.batch.release == NULL:
            raise InterfaceError("the source of the rows is closed")
        while True:
            while self.at < self.n_batch:
                self.put_row(self.at)
                self.at += 1
                if self.rows.length >= CHUNK:
                    return True
            self.whole.forget()
            self.at = self.n_batch = 0
            batch = self.source.next_batch()
            if batch == NULL:
                return False
            self.whole.bind(batch, 0)
            self.n_batch = batch.length

    def end(self):
        """Put what ends the data."""
        self.rows.put_int16(-1)

    def move_to(self, CopyIn op not None, WriteBuffer out not None):
        """Put what was encoded as data of a COPY; refused when the server wants none any more."""
        move_chunk(self.rows, op, out)

    def take(self):
        """Return and forget what was encoded; for tests."""
        return self.rows.take_all()

    cdef int put_row(self, int64_t at) except -1:
        cdef Py_ssize_t mark = self.rows.length
        cdef Py_ssize_t i = 0
        cdef int64_t inside = self.whole.index(at)
        cdef PyObject *column
        if self.whole.is_null(at):
            raise DataError(f"row #{self.n_rows} of the Arrow data is null as a whole", row_index=self.n_rows)
        try:
            self.rows.put_int16(<short>self.n_columns)
            for i in range(self.n_columns):
                column = PyTuple_GET_ITEM(self.columns, i)
                (<ArrowColumn>column).put_field(inside, self.rows)
        except Exception as error:
            self.rows.cut(mark)
            raise self.explain(error, self.columns[i]) from error
        self.n_rows += 1
        return 0

    cdef object explain(self, object error, ArrowColumn column):
        """Return the error that names the row, the column and what is wrong."""
        return DataError(
            f"invalid input for column {column.path!r} in row #{self.n_rows} of the Arrow data "
            f"({column.field} to {column.codec.name}: {error})", row_index=self.n_rows, column=column.path,
            arrow_type=str(column.field), type_name=column.codec.name)
