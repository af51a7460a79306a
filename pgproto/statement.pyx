"""A statement: ParameterDescription and RowDescription bound to codecs.

It is what Bind needs to encode arguments and DataRow to become a record. It does not know whether the server has it
under its name; `is_closed` is its owner's note. A description that comes with an execution (DESCRIBE_ROWS in the same
flight) replaces the remembered one if the two differ: rows are never decoded by a description that was not theirs.
"""
import re

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.string cimport memcmp

from pgproto.codecs.array_shape cimport items_up_to
from pgproto.codecs.codec cimport ValueWriter, write_t
from pgproto.codecs.nested cimport is_users
from pgproto.limits cimport ARGUMENTS_MAX, MESSAGE_SENT_LONG_MAX
from pgproto.messages.backend cimport read_row_description
from pgproto.messages.frontend cimport wire_name
from pgproto.record cimport (
    import_record, record_is_exact, record_new, record_new_leaf, Record_SET_ITEM, record_set_item, record_track,
)
from pgproto.wire cimport take_uint16, take_value

from pgproto.errors import (
    DataError, DecodeError, InterfaceError, OutOfRange, ProtocolError, shown_cause, told_of)
from pgproto.record import Record, RowShape

import_record()

# COPY FROM STDIN cannot hide: functions, DO and PREPARE may not contain it. A false hit only costs pipelining.
mentions_copy = re.compile("copy", re.IGNORECASE).search


@cython.final
cdef class Statement:
    def __cinit__(self, str sql not None, str name not None, tuple parameter_oids not None, tuple columns,
                  CodecRegistry registry not None, *, bint is_bound=False):
        """Bind a description to codecs; `columns` is None for a statement without rows.

        A type without a codec is exchanged as text. A column's `format` says something if the description `is_bound`, a
        portal's; that of a statement is 0 for every column."""
        cdef Py_ssize_t i
        cdef Codec codec
        cdef int format
        self.sql = sql
        self.name = name
        self.wire_name = wire_name(name)
        self.registry = registry
        self.is_bound = is_bound
        self.parameter_oids = parameter_oids
        self.has_rows = columns is not None
        self.columns = columns = columns or ()
        self.parameter_codecs = tuple([registry.find_or_text(oid) for oid in parameter_oids])
        self.column_codecs = tuple([registry.find_or_text(column.type_oid) for column in columns])
        self.n_parameters = len(self.parameter_codecs)
        self.n_columns = len(columns)
        self.mentions_copy = mentions_copy(sql) is not None
        self.shape = RowShape(tuple([column.name for column in columns]))
        self.readers = <ColumnReader *>PyMem_Malloc((self.n_columns + 1) * sizeof(ColumnReader))
        self.writers = <ValueWriter *>PyMem_Malloc((self.n_parameters + 1) * sizeof(ValueWriter))
        if self.readers == NULL or self.writers == NULL:
            raise MemoryError()
        for i in range(self.n_parameters):
            codec = self.parameter_codecs[i]
            self.writers[i].write = <write_t>codec.encode[codec.preferred]
            self.writers[i].codec = <PyObject *>codec
        self.is_leaf = True
        formats = []
        for i in range(self.n_columns):
            codec = self.column_codecs[i]
            format = columns[i].format if is_bound or columns[i].format != 0 else codec.preferred
            formats.append(format)
            self.readers[i].read = <read_t>codec.decode[format]
            self.readers[i].codec = <PyObject *>codec
            if not codec.is_leaf:
                self.is_leaf = False
        self.bind_head = (
            self.wire_name + b"\0"
            + b"".join([n.to_bytes(2, "big") for n in (self.n_parameters, *[(<Codec>c).preferred for c in
                                                                           self.parameter_codecs])])
            + self.n_parameters.to_bytes(2, "big"))
        if formats and all(formats):
            self.bind_tail = b"\0\1\0\1"
        else:
            self.bind_tail = b"".join([n.to_bytes(2, "big") for n in (len(formats), *formats)])

    def __dealloc__(self):
        PyMem_Free(self.readers)
        PyMem_Free(self.writers)

    def __repr__(self):
        return f"<Statement {self.name!r} {self.sql[:40]!r}>"

    def matches(self, tuple columns):
        """Whether another description has the same names and types."""
        return len(columns) == self.n_columns and all([
            a.name == b.name and a.type_oid == b.type_oid for a, b in zip(columns, self.columns)])

    # Names

    cpdef Statement renamed(self, str name):
        """Return the same statement under another name."""
        cdef Statement other = Statement(self.sql, name, self.parameter_oids, self.columns if self.has_rows else None,
                                         self.registry, is_bound=self.is_bound)
        other.n_deallocations = self.n_deallocations
        return other

    cpdef Statement without_name(self):
        """Return the same statement as one that is parsed with each execution."""
        if not self.name:
            return self
        if self.unnamed is None:
            self.unnamed = self.renamed("")
        return self.unnamed

    def encode_bind(self, arguments):
        """Return a Bind message for the unnamed portal; for tests, operations call `put_bind`."""
        cdef WriteBuffer out = WriteBuffer()
        self.put_bind(out, b"", arguments, -1)
        return out.take_all()

    # Arguments

    cdef int put_bind(self, WriteBuffer out, bytes portal, object arguments, Py_ssize_t element) except -1:
        """Put Bind. `element` is the number of the arguments in an executemany, or -1.

        A wrong count is an InterfaceError, a value that cannot be encoded a DataError that names it."""
        cdef Py_ssize_t at = out.begin_message(c'B')
        out.put_bytes(PyBytes_AS_STRING(portal), PyBytes_GET_SIZE(portal) + 1)
        out.put_bytes(PyBytes_AS_STRING(self.bind_head), PyBytes_GET_SIZE(self.bind_head))
        self.put_arguments(out, arguments, element)
        out.put_bytes(PyBytes_AS_STRING(self.bind_tail), PyBytes_GET_SIZE(self.bind_tail))
        return out.end_message(at, MESSAGE_SENT_LONG_MAX)

    cdef int put_arguments(self, WriteBuffer out, object arguments, Py_ssize_t element) except -1:
        cdef Py_ssize_t i = 0, at
        cdef PyObject *value = <PyObject *>None     # the tuple's
        cdef ValueWriter *writers = self.writers
        # A list may shrink while a value's own code runs; a tuple cannot.
        if type(arguments) is not tuple:
            arguments = items_up_to(ARGUMENTS_MAX, arguments)
        cdef Py_ssize_t n = PyTuple_GET_SIZE(arguments)
        if n != self.n_parameters:
            self.refuse_count(n, element)
        try:
            for i in range(n):
                value = PyTuple_GET_ITEM(arguments, i)
                if value == <PyObject *>None:
                    out.put_int32(-1)
                    continue
                if writers[i].write == NULL:
                    raise TypeError(f"values of type {self.parameter_codecs[i].name} cannot be sent")
                at = out.begin_value()
                writers[i].write(writers[i].codec, out, value)
                out.end_value(at)
        except Exception as error:
            raise self.explain_argument(error, i, <object>value, element) from shown_cause(error)
        return 0

    def refuse_count(self, Py_ssize_t n, Py_ssize_t element):
        where = "" if element < 0 else f" (element #{element} of executemany() sequence)"
        hint = "Check the query against the passed list of arguments."
        if self.n_parameters == 0:
            if "%s" in self.sql or "%(" in self.sql:
                hint = "Parameters are written $1, $2, .. in PostgreSQL; %s is not known to it."
            elif n > ARGUMENTS_MAX:
                hint = f"A query can have {ARGUMENTS_MAX} arguments."
        elif n == 1:
            hint += " Arguments are passed one by one, not as one tuple or list."
        raise InterfaceError(
            f"the server expects {self.n_parameters} argument{'' if self.n_parameters == 1 else 's'} for this query, "
            f"{n} {'was' if n == 1 else 'were'} passed{where}", hint=hint)

    cdef object explain_argument(self, object error, Py_ssize_t i, object value, Py_ssize_t element):
        """Return the error that names argument `i`, its value, its type and what is wrong."""
        cdef Codec codec = self.parameter_codecs[i]
        where = f"${i + 1}" if element < 0 else f"${i + 1} in element #{element} of executemany() sequence"
        if isinstance(error, InterfaceError) and not isinstance(error, DecodeError):
            return error.with_msg(f"query argument {where}: {error.args[0]}")
        facts = {"parameter": i + 1, "type_name": codec.name}
        if element >= 0:
            facts["element"] = element
        at = ""
        path = getattr(error, "path", "")
        if path:
            facts["path"] = f"${i + 1}{path}"
            at = f"; at {facts['path']}"
        explained = DataError(
            f"invalid input for query argument {where}: {told_of(value, codec.name, error)}{at})", **facts)
        explained.is_layout = getattr(error, "is_layout", False)
        explained.query = self.sql
        if element < 0 and isinstance(value, (tuple, list)) and codec.kind == "scalar":
            explained.hint = "Arguments are passed one by one, not as one tuple or list."
        return explained

    # Rows

    cdef object decode_row(self, Slice *body, type record_class):
        """Return a DataRow as a record. On an exception `at_column` is the column it concerns."""
        cdef Py_ssize_t n, i
        cdef Slice rest = body[0]
        cdef Slice value
        # The frame of a row is the message's; only what is inside a value is the column's.
        if rest.n < 2:
            raise ProtocolError(f"a row of {rest.n} bytes has come, its number of columns alone has 2")
        n = take_uint16(&rest)
        if n != self.n_columns:
            raise ProtocolError(f"a row of {n} columns has come, {self.n_columns} were described")
        cdef bint is_leaf = self.is_leaf and record_is_exact(record_class)
        cdef object record = record_new_leaf(self.shape, n) if is_leaf else record_new(record_class, self.shape, n)
        cdef ColumnReader *readers = self.readers
        for i in range(n):
            self.at_column = i
            if take_value(&rest, &value):
                if readers[i].read == NULL:
                    raise DecodeError("the type cannot be read in the format that the server chose")
                Record_SET_ITEM(record, i, readers[i].read(readers[i].codec, value))
            elif value.n == -1:
                record_set_item(record, i, None)
            else:
                self.refuse_value(value.n, rest.n)
        if rest.n != 0:
            raise ProtocolError(f"a row has {rest.n} bytes left over")
        if not is_leaf:
            record_track(record)
        return record

    cdef int refuse_value(self, Py_ssize_t length, Py_ssize_t left) except -1:
        name = self.columns[self.at_column].name
        if left < 4:
            raise ProtocolError(f"a row ends inside the length of column {name!r}")
        raise ProtocolError(f"column {name!r} announces {length} bytes, {left - 4} are left")

    def decode(self, bytes row not None, record_class=None):
        """Return the record of a DataRow's body."""
        cdef Slice body
        body.at = PyBytes_AS_STRING(row)
        body.n = PyBytes_GET_SIZE(row)
        try:
            return self.decode_row(&body, Record if record_class is None else record_class)
        except ProtocolError:
            raise
        except Exception as error:
            explained = self.explain_column(error)
            if explained is error:
                raise
            raise explained from error

    cdef object explain_column(self, object error):
        """Return the error that names the column that was being decoded, unless it is a user's decoder's own."""
        cdef Py_ssize_t i = self.at_column
        if i >= self.n_columns:     # a row without columns, for which there was no memory
            return error
        column = self.columns[i]
        cdef Codec codec = self.column_codecs[i]
        if is_users(codec, error):
            if hasattr(error, "add_note"):
                error.add_note(f"while decoding column {column.name!r} of type {codec.name}")
            return error
        if not isinstance(error, (ValueError, OverflowError)):
            return error
        kind = OutOfRange if isinstance(error, OverflowError) else DecodeError
        explained = kind(f"column {column.name!r} of type {codec.name} cannot be read: {error}")
        explained.column = column.name
        explained.type_name = codec.name
        explained.__cause__ = error
        return explained

    cdef Statement redescribe(self, Slice *body):
        """Return the statement whose rows a RowDescription describes: this one, or one that replaces it."""
        cdef Statement other
        if (self.described is not None and PyBytes_GET_SIZE(self.described) == body.n
                and memcmp(PyBytes_AS_STRING(self.described), body.at, body.n) == 0):
            return self
        columns = read_row_description(body[0])
        other = self
        if not (self.matches(columns) and self.formats_are(columns)):
            other = Statement(self.sql, self.name, self.parameter_oids, columns, self.registry, is_bound=True)
        other.described = body.at[:body.n]
        return other

    cdef list unknown_types(self):
        """The types of its columns that only the catalogue could tell of."""
        try:
            return self.registry.unknown([column.type_oid for column in self.columns])
        except ProtocolError:
            return []       # One contains itself: who reads a value is told.

    cdef Statement bound_anew(self):
        """Return the same description of rows, read by what is known of their types now."""
        cdef Statement other = Statement(
            self.sql, self.name, self.parameter_oids, self.columns, self.registry, is_bound=True)
        other.described = self.described
        return other

    def formats_are(self, tuple columns):
        """Whether the columns come in the formats that the readers expect."""
        cdef Py_ssize_t i
        cdef Codec codec
        for i in range(self.n_columns):
            codec = self.column_codecs[i]
            if columns[i].format != codec.preferred:
                return False
        return True
