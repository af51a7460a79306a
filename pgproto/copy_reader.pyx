"""Rows of COPY TO STDOUT (FORMAT binary) as records, wherever the stream is cut.

  header  | signature, 11 bytes | flags i32 | length of an extension i32 | extension |
  row     | number of fields i16 | (length i32 or -1, body) x fields |
  trailer | -1 i16 |

A row is laid out as a DataRow is, so a statement's readers decode it. What is not whole yet is kept, with how far it
was looked at, so that a stream of small pieces is not looked at again and again.

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int32_t
from libc.string cimport memcmp, memmove

from pgproto.codecs.bridge cimport in_format
from pgproto.codecs.codec cimport BINARY, Codec, read_t
from pgproto.encodings cimport Encoding, read_as
from pgproto.limits cimport MESSAGE_RECEIVED_MAX
from pgproto.statement cimport Statement
from pgproto.wire cimport Slice, slice_of, take_int16, take_int32
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import ProtocolError, UnsupportedClientFeatureError
from pgproto.messages.backend import Column

cdef bytes SIGNATURE = b"PGCOPY\n\xff\r\n\0"

cdef enum:
    HEADER_SIZE = 19
    # PostgreSQL has no extension at all.
    EXTENSION_MAX = 65536
    # Flags that a reader has to understand, of which there are none any more.
    CRITICAL_FLAGS = 0xFFFF0000


@cython.final
cdef class RowReader:
    cdef Statement statement
    cdef type record_class
    cdef Encoding encoding
    cdef WriteBuffer kept               # the part of a row, or of the header, that has come
    cdef Py_ssize_t n_scanned           # of the row at the front
    cdef Py_ssize_t n_fields_left       # of it; -1: their number was not read yet
    cdef Py_ssize_t n_to_skip           # of the header's extension
    cdef bint has_header
    cdef readonly bint is_at_end        # the trailer has come

    def __cinit__(self, Statement statement not None, record_class not None, *, Encoding encoding=None):
        """Read rows of the columns of `statement`; UnsupportedClientFeatureError names one without a binary form.

        `encoding` is that of the session, None for UTF-8."""
        columns = tuple([
            Column(column.name, column.table_oid, column.attribute_number, column.type_oid, column.type_size,
                   column.typmod, BINARY) for column in statement.columns])
        self.statement = Statement(statement.sql, "", (), columns, statement.registry, is_bound=True)
        self.record_class = record_class
        self.encoding = encoding
        self.kept = WriteBuffer()
        self.n_fields_left = -1
        self.bridge_codecs()

    cdef int bridge_codecs(self) except -1:
        """A user's codec that reads text only is reached by way of the built-in one."""
        cdef Statement statement = self.statement
        cdef Codec codec
        cdef Py_ssize_t i
        codecs = list(statement.column_codecs)
        for i in range(statement.n_columns):
            codec = codecs[i]
            if codec.decode[BINARY] != NULL:
                continue
            codecs[i] = in_format(codec, BINARY)
            if codecs[i] is None:
                raise UnsupportedClientFeatureError(
                    f"column {statement.columns[i].name!r} of type {codec.name} cannot be read in the binary format of "
                    "COPY", hint="Cast it to text in a query.")
            codec = codecs[i]
            statement.readers[i].read = <read_t>codec.decode[BINARY]
            statement.readers[i].codec = <PyObject *>codec
            statement.is_leaf = statement.is_leaf and codec.is_leaf
        # Who owns what the readers point to.
        statement.column_codecs = tuple(codecs)
        return 0

    def read(self, bytes chunk not None):
        """Return the records that are whole with this chunk of the stream.

        ProtocolError if the stream is not what it should be, DecodeError for a value that its codec cannot read."""
        cdef Slice rest = slice_of(PyBytes_AS_STRING(chunk), PyBytes_GET_SIZE(chunk))
        cdef bint is_kept = self.kept.length > 0
        cdef list rows = []
        if is_kept:
            self.kept.put_bytes(rest.at, rest.n)
            rest = slice_of(self.kept.start, self.kept.length)
        if not self.has_header:
            self.take_header(&rest)
        if self.has_header:
            read_as(self.encoding)
            try:
                self.take_rows(&rest, rows)
            finally:
                read_as(None)
        if is_kept:
            memmove(self.kept.start, rest.at, rest.n)
            self.kept.cut(rest.n)
        elif rest.n:
            self.kept.put_bytes(rest.at, rest.n)
        return rows

    def end(self):
        """The stream is over: ProtocolError unless it has said so itself."""
        if not self.is_at_end:
            raise ProtocolError(f"the data of a COPY end without their trailer; {self.kept.length} bytes of a row are "
                                "left over")

    cdef int take_header(self, Slice *rest) except -1:
        cdef Slice header = rest[0]
        cdef int32_t flags
        cdef Py_ssize_t n = min(rest.n, PyBytes_GET_SIZE(SIGNATURE))
        if memcmp(header.at, PyBytes_AS_STRING(SIGNATURE), n) != 0:
            raise ProtocolError(f"the data of a COPY begin with {header.at[:n]!r}, which is no signature of the binary "
                                "format")
        if rest.n < HEADER_SIZE:
            return 0
        header = slice_of(rest.at + PyBytes_GET_SIZE(SIGNATURE), HEADER_SIZE - PyBytes_GET_SIZE(SIGNATURE))
        flags = take_int32(&header)
        self.n_to_skip = take_int32(&header)
        if flags & CRITICAL_FLAGS:
            raise ProtocolError(f"the data of a COPY have the flags 0x{flags & 0xFFFFFFFF:08x}, none were expected")
        if not 0 <= self.n_to_skip <= EXTENSION_MAX:
            raise ProtocolError(f"the header of a COPY announces an extension of {self.n_to_skip} bytes")
        rest[0] = slice_of(rest.at + HEADER_SIZE, rest.n - HEADER_SIZE)
        self.has_header = True
        return 0

    cdef int take_rows(self, Slice *rest, list rows) except -1:
        """Append the rows that are whole; `rest` is what is left."""
        cdef Py_ssize_t n
        cdef Slice row
        if self.n_to_skip:
            n = min(self.n_to_skip, rest.n)
            self.n_to_skip -= n
            rest[0] = slice_of(rest.at + n, rest.n - n)
            if self.n_to_skip:
                return 0
        while rest.n and not self.is_at_end and self.scan(rest[0]):
            row = slice_of(rest.at, self.n_scanned)
            rest[0] = slice_of(rest.at + self.n_scanned, rest.n - self.n_scanned)
            self.n_scanned = 0
            self.n_fields_left = -1
            if not self.is_at_end:
                rows.append(self.decode(row))
        if self.is_at_end and rest.n:
            raise ProtocolError(f"{rest.n} bytes have come behind the trailer of a COPY")
        return 0

    cdef bint scan(self, Slice rest) except -1:
        """Whether the row at the front, or the trailer, is whole; `n_scanned` is then its length."""
        cdef Slice head
        cdef Py_ssize_t n, length
        if self.n_fields_left < 0:
            if rest.n < 2:
                return False
            head = slice_of(rest.at, 2)
            n = take_int16(&head)
            self.n_scanned = 2
            if n == -1:
                self.is_at_end = True
                return True
            if n != self.statement.n_columns:
                raise ProtocolError(f"a row of {n} columns has come, {self.statement.n_columns} were described")
            self.n_fields_left = n
        while self.n_fields_left:
            if rest.n - self.n_scanned < 4:
                return False
            head = slice_of(rest.at + self.n_scanned, 4)
            length = take_int32(&head)
            if length < -1 or length > MESSAGE_RECEIVED_MAX - self.n_scanned:
                name = self.statement.columns[self.statement.n_columns - self.n_fields_left].name
                raise ProtocolError(f"column {name!r} announces {length} bytes, behind {self.n_scanned} of its row")
            length = max(length, 0)
            if rest.n - self.n_scanned - 4 < length:
                return False
            self.n_scanned += 4 + length
            self.n_fields_left -= 1
        return True

    cdef object decode(self, Slice row):
        try:
            return self.statement.decode_row(&row, self.record_class)
        except ProtocolError:
            raise
        except Exception as error:
            explained = self.statement.explain_column(error)
            if explained is error:
                raise
            raise explained from error
