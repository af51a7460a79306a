"""The sink of an operation whose rows become columns.

Rows are written behind those that are whole: one that fails in the middle leaves columns of different lengths, which
the next row, or whoever takes the rows, cuts back first. A batch is finished before the offsets of one of its columns
could exceed 32 bits.
"""
cimport cython
from libc.stdint cimport int64_t

from pgproto.columns.batch_memory cimport drop_memory, keep_memory, new_memory
from pgproto.columns.builder cimport BATCH_BYTES_MAX, Builder, append_null, cut_builder, shrink_builder
from pgproto.columns.fields cimport free_builders, new_builders
from pgproto.columns.nested cimport copy_labels
from pgproto.columns.result cimport ColumnBatch, new_batch
from pgproto.wire cimport Slice, slice_of, take_uint16, take_value

from pgproto.columns.plan import ColumnOptions, bound, plan
from pgproto.errors import DecodeError, OutOfRange, ProtocolError

# What the values of one row may take beyond the bytes in which they came: the text of a numeric may.
cdef int64_t SPARE_BYTES = 16 << 20


cdef Statement columnar(Statement statement):
    """Return the statement that asks for each column in the format that columns are read in."""
    cdef Statement twin = statement.columnar
    if twin is None:
        fields = plan(statement.columns, statement.registry.types.facts, ColumnOptions())
        twin = Statement(
            statement.sql, statement.name, statement.parameter_oids,
            tuple([column.in_format(field.wire) for column, field in zip(statement.columns, fields)])
            if statement.has_rows else None, statement.registry, is_bound=True)
        statement.columnar = twin
    return twin


def columnar_statement(Statement statement not None):
    """Return the statement to be executed where its rows become columns."""
    return columnar(statement)


cdef int64_t most_bytes(Builder *b) noexcept:
    """The bytes of the longest part of a column."""
    cdef int64_t most = b.n_bytes
    cdef int i
    for i in range(b.n_children):
        most = max(most, most_bytes(&b.children[i]))
    return most


@cython.final
cdef class ColumnSink(RowSink):
    """Rows become columns as `options` (of `pgproto.columns.plan`) say.

    `bytes_max` bounds what a batch is made of; it is less than all only in tests."""

    def __cinit__(self, options=None, *, int64_t bytes_max=0):
        self.options = ColumnOptions() if options is None else options
        self.bytes_max = bytes_max if bytes_max else BATCH_BYTES_MAX - SPARE_BYTES
        self.batches = []

    def __dealloc__(self):
        drop_memory(self.memory)

    cdef int on_row(self, Statement statement, Slice *body) except -1:
        cdef Py_ssize_t i, n
        cdef Slice rest = body[0]
        cdef Slice value
        cdef Builder *columns
        if statement is not self.bound:
            self.bind(statement)
        if self.is_in_row:
            self.mend()
        if self.grows or self.n_bytes + rest.n > self.bytes_max or self.memory == NULL:
            self.make_way(rest.n)
        if rest.n < 2:
            raise ProtocolError(f"a row of {rest.n} bytes has come, its number of columns alone has 2")
        n = take_uint16(&rest)
        if n != self.n_columns:
            raise ProtocolError(f"a row of {n} columns has come, {self.n_columns} were described")
        columns = self.memory.columns
        self.is_in_row = True
        for i in range(n):
            statement.at_column = i
            if take_value(&rest, &value):
                columns[i].append(&columns[i], value)
            elif value.n == -1:
                append_null(&columns[i])
            else:
                statement.refuse_value(value.n, rest.n)
        if rest.n != 0:
            raise ProtocolError(f"a row has {rest.n} bytes left over")
        self.is_in_row = False
        self.memory.n_rows += 1
        self.n_rows += 1
        self.n_bytes += body.n
        return 0

    cdef int bind(self, Statement statement) except -1:
        """Plan the columns of a statement: the first row of it has come, or none ever will."""
        if self.n_rows or self.is_in_row:
            raise ProtocolError("the columns of a result have changed between its rows")
        fields = bound(statement.columns, plan(statement.columns, statement.registry.types.facts, self.options))
        self.schema = Schema(fields)
        self.n_columns = len(fields)
        self.bound = statement
        return 0

    cdef int refill(self) except -1:
        """Begin a batch; dictionaries go on."""
        cdef Builder *columns = new_builders(self.schema.fields)
        cdef int i
        try:
            if self.memory != NULL:
                for i in range(self.memory.n_columns):
                    copy_labels(&columns[i], &self.memory.columns[i])
            memory = new_memory(columns, <int>self.n_columns)
        except BaseException:
            free_builders(columns, self.n_columns)
            raise
        drop_memory(self.memory)
        self.memory = memory
        self.n_bytes = 0
        self.grows = False
        for i in range(memory.n_columns):
            self.grows = self.grows or columns[i].grows
        return 0

    cdef int mend(self) except -1:
        """Cut off what is there of a row that has failed."""
        cdef Py_ssize_t i
        self.is_in_row = False
        if self.memory != NULL:
            for i in range(self.memory.n_columns):
                cut_builder(&self.memory.columns[i], self.memory.n_rows)
        return 0

    cdef int make_way(self, int64_t n_bytes) except -1:
        """See that a row of `n_bytes` fits into the batch."""
        cdef Py_ssize_t i
        cdef int64_t most = self.n_bytes
        if self.memory == NULL:
            return self.refill()
        for i in range(self.memory.n_columns):
            most = max(most, most_bytes(&self.memory.columns[i]))
        if most + n_bytes > self.bytes_max:
            self.finish_batch()
        return 0

    cdef int finish_batch(self) except -1:
        """Put the rows that have come into a batch of their own; none is made of no rows."""
        cdef Py_ssize_t i
        cdef ColumnBatch batch
        if self.is_in_row:
            self.mend()
        if self.memory == NULL or self.memory.n_rows == 0:
            return 0
        cdef BatchMemory *full = self.memory
        keep_memory(full)
        batch = new_batch(self.schema, full)
        self.refill()
        self.batches.append(batch)
        for i in range(full.n_columns):
            shrink_builder(&full.columns[i])
        return 0

    cdef object take(self):
        """Hand over the batches that have come."""
        self.finish_batch()
        batches = self.batches
        self.batches = []
        return batches

    cdef Columns give(self, Statement statement):
        """Hand over the result of a statement; no more rows are expected."""
        if self.bound is None:
            self.bind(statement)
        return Columns(self.schema, tuple(self.take()))

    cdef object explain(self, Statement statement, object error):
        """Return the error that names the column and the row, which is counted from 1."""
        if not isinstance(error, (ValueError, OverflowError)) or statement.at_column >= self.n_columns:
            return error
        kind = OutOfRange if isinstance(error, OverflowError) else DecodeError
        name = statement.columns[statement.at_column].name
        type_name = statement.column_codecs[statement.at_column].name
        explained = kind(f"row {self.n_rows + 1}, column {name!r} of type {type_name} cannot be read: {error}",
                         row=self.n_rows + 1, column=name, type_name=type_name)
        explained.__cause__ = error
        return explained

    # For tests

    def feed(self, Statement statement not None, bytes row not None):
        """Read the body of a DataRow, as an operation does."""
        cdef Slice body = slice_of(row, len(row))
        try:
            self.on_row(statement, &body)
        except ProtocolError:
            raise
        except Exception as error:
            explained = self.explain(statement, error)
            if explained is error:
                raise
            raise explained from error

    def columns(self, Statement statement not None):
        """Return the rows that have come as Columns."""
        return self.give(statement)
