"""Rows for COPY FROM STDIN, encoded straight from sequences of values by their columns' codecs.

Rows go into a buffer of the writer's own and from there, a chunk at a time, into CopyData messages: the iterator that
gives them is the user's code, and whatever it does to the connection must not find a message half written. The format
is binary where every column's type prefers that, otherwise text, so that types of which only the text is known can be
copied too.

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""
cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE

from pgproto.codecs.array_shape cimport items_up_to
from pgproto.codecs.bridge cimport agree
from pgproto.codecs.codec cimport BINARY, TEXT, Codec, ValueWriter, write_t
from pgproto.encodings cimport Encoding
from pgproto.messages.frontend cimport put_copy_data
from pgproto.operations.copy cimport CopyIn
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import DataError, InterfaceError, UnsupportedClientFeatureError, shown_cause, told_of

cdef enum:
    # One message holds a chunk and the row that has filled it, unless that is huge.
    MESSAGE_MAX = 2 * CHUNK

# Signature, flags, length of the header's extension.
cdef bytes BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


cdef int move_chunk(WriteBuffer rows, CopyIn op, WriteBuffer out) except -1:
    """Put what was encoded as data of a COPY; refused when the server wants none any more."""
    cdef Py_ssize_t at = 0, part
    if not op.wants_data:
        raise InterfaceError("the server does not want data for this COPY any more")
    while at < rows.length:
        part = min(rows.length - at, MESSAGE_MAX)
        put_copy_data(out, rows.start + at, part)
        at += part
    return rows.consume(rows.length)


cdef bytes binary_header():
    """What COPY's binary format begins with."""
    return BINARY_HEADER


@cython.final
cdef class RowWriter:
    cdef readonly str format                # binary or text
    cdef readonly Py_ssize_t n_rows         # put so far
    cdef readonly Py_ssize_t n_columns
    cdef tuple names
    cdef tuple codecs
    cdef ValueWriter *writers               # of the codecs, in binary
    cdef WriteBuffer rows
    cdef WriteBuffer value                  # a value's text before it is escaped

    def __cinit__(self, tuple names not None, tuple codecs not None, *, Encoding encoding=None):
        """`encoding` is that of the session, None for UTF-8."""
        cdef Py_ssize_t i
        cdef Codec codec
        self.names = names
        self.n_columns = len(codecs)
        self.rows = WriteBuffer()
        self.rows.encoding = encoding
        self.value = WriteBuffer()
        self.format = format_of(codecs)
        if self.format is None:
            codecs = agree(codecs)
            self.format = format_of(codecs)
        self.codecs = codecs
        if self.format is None:
            self.refuse()
        self.writers = <ValueWriter *>PyMem_Malloc((self.n_columns + 1) * sizeof(ValueWriter))
        if self.writers == NULL:
            raise MemoryError()
        for i in range(self.n_columns):
            codec = <Codec>self.codecs[i]
            self.writers[i].write = <write_t>codec.encode[BINARY]
            self.writers[i].codec = <PyObject *>codec
        if self.format == "binary":
            self.rows.put_bytes(BINARY_HEADER, len(BINARY_HEADER))

    def __dealloc__(self):
        PyMem_Free(self.writers)

    cdef int refuse(self) except -1:
        """The columns have no format in common: say which can be written how."""
        cdef Codec codec
        formats = []
        for name, codec in zip(self.names, self.codecs):
            known = [word for word, format in (("binary", BINARY), ("text", TEXT)) if codec.encode[format] != NULL]
            formats.append(f"{name} ({codec.name}): {' and '.join(known) or 'not at all'}")
        raise UnsupportedClientFeatureError(
            f"the columns cannot be written in one format of COPY; {'; '.join(formats)}")

    @property
    def is_full(self):
        """Whether there is a chunk to be moved."""
        return self.rows.length >= CHUNK

    def put(self, row):
        """Put one row; DataError names the row and the column of a value that cannot be encoded."""
        self.put_row(row)

    def fill(self, rows):
        """Put rows of an iterator until the chunk is full; False when there were no more."""
        for row in rows:
            self.put_row(row)
            if self.rows.length >= CHUNK:
                return True
        return False

    def end(self):
        """Put what ends the data."""
        if self.format == "binary":
            self.rows.put_int16(-1)

    def move_to(self, CopyIn op not None, WriteBuffer out not None):
        """Put what was encoded as data of a COPY; refused when the server wants none any more."""
        move_chunk(self.rows, op, out)

    def take(self):
        """Return and forget what was encoded; for tests."""
        return self.rows.take_all()

    cdef int put_row(self, object row) except -1:
        cdef Py_ssize_t mark = self.rows.length
        cdef Py_ssize_t at = 0
        # What is no tuple may change while a value's own code runs; a tuple cannot.
        cdef tuple values = <tuple>row if PyTuple_Check(row) else self.values_of(row)
        if PyTuple_GET_SIZE(values) != self.n_columns:
            raise DataError(
                f"record #{self.n_rows} of the COPY has {PyTuple_GET_SIZE(values)} values, the columns are "
                f"{self.n_columns}: {', '.join(self.names)}", row_index=self.n_rows)
        try:
            if self.format == "binary":
                self.put_binary(values, &at)
            else:
                self.put_text(values, &at)
        except BaseException as error:
            self.rows.cut(mark)
            if not isinstance(error, Exception):
                raise
            raise self.explain(error, at, values[at]) from shown_cause(error)
        self.n_rows += 1
        return 0

    cdef int put_binary(self, tuple values, Py_ssize_t *at_column) except -1:
        """Put a row in binary; `at_column` is where it has come to."""
        cdef Py_ssize_t i, at
        cdef PyObject *value                # the tuple's
        cdef ValueWriter *writers = self.writers
        cdef WriteBuffer rows = self.rows
        rows.put_int16(<short>self.n_columns)
        for i in range(self.n_columns):
            at_column[0] = i
            value = PyTuple_GET_ITEM(values, i)
            if value == <PyObject *>None:
                rows.put_int32(-1)
                continue
            at = rows.begin_value()
            writers[i].write(writers[i].codec, rows, value)
            rows.end_value(at)
        return 0

    cdef int put_text(self, tuple values, Py_ssize_t *at_column) except -1:
        """Put a row in text: values between tabs, special characters behind a backslash."""
        cdef Py_ssize_t i
        cdef object value
        cdef Codec codec
        cdef WriteBuffer escaped
        for i in range(self.n_columns):
            at_column[0] = i
            if i > 0:
                self.rows.put_byte(c"\t")
            value = <object>PyTuple_GET_ITEM(values, i)
            if value is None:
                self.rows.put_bytes(b"\\N", 2)
                continue
            codec = <Codec>PyTuple_GET_ITEM(self.codecs, i)
            self.value.cut(0)
            codec.encode[TEXT](codec, self.value, value)
            if self.rows.encoding is None:
                put_escaped(self.rows, self.value)
            else:
                escaped = WriteBuffer()
                put_escaped(escaped, self.value)
                self.rows.put_utf8(escaped.start, escaped.length)
        return self.rows.put_byte(c"\n")

    cdef tuple values_of(self, object row):
        """Return the values of a row that is no tuple, but a sequence."""
        if isinstance(row, dict) or not (hasattr(row, "__getitem__") and hasattr(row, "__len__")):
            raise DataError(f"record #{self.n_rows} of the COPY is no sequence of values, but a {type(row).__name__}",
                            row_index=self.n_rows)
        return items_up_to(self.n_columns, row)

    cdef object explain(self, object error, Py_ssize_t i, object value):
        """Return the error that names the row, the column, the value and what is wrong."""
        cdef Codec codec = self.codecs[i]
        facts = {"row_index": self.n_rows, "column": self.names[i], "type_name": codec.name}
        at = ""
        path = getattr(error, "path", "")
        if path:
            facts["path"] = f"{self.names[i]}{path}"
            at = f"; at {facts['path']}"
        return DataError(
            f"invalid input for column {self.names[i]!r} in record #{self.n_rows} of the COPY: "
            f"{told_of(value, codec.name, error)}{at})", **facts)


cdef bint can_write(tuple codecs, int format):
    """Whether every codec has an encoder for the format."""
    cdef Codec codec
    for codec in codecs:
        if codec.encode[format] == NULL:
            return False
    return True


cdef str format_of(tuple codecs):
    """Return the format that all codecs can write, None if there is none: binary if that is what their types prefer."""
    cdef Codec codec
    if can_write(codecs, BINARY) and all([codec.preferred == BINARY for codec in codecs]):
        return "binary"
    if can_write(codecs, TEXT):
        return "text"
    return "binary" if can_write(codecs, BINARY) else None


cdef int put_escaped(WriteBuffer out, WriteBuffer value) except -1:
    """Put a value as the text format of COPY wants it."""
    cdef Py_ssize_t i
    cdef char c
    for i in range(value.length):
        c = value.start[i]
        if c == c"\\" or c == c"\n" or c == c"\r" or c == c"\t":
            out.put_byte(c"\\")
            c = c"n" if c == c"\n" else c"r" if c == c"\r" else c"t" if c == c"\t" else c
        out.put_byte(<unsigned char>c)
    return 0
