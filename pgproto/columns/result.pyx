"""What the caller gets: a result as columns, for everything that knows Arrow's PyCapsule interface.

Nothing is copied and nothing is used up: each capsule shows the same buffers, which live as long as somebody has one.

https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""
cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from pgproto.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema
from pgproto.columns.batch_memory cimport BatchMemory, drop_memory, export_batch, keep_memory
from pgproto.columns.builder cimport BITS, FIXED, Builder
from pgproto.columns.schema cimport Schema, copy_schema

# What a stream keeps.
cdef struct Batches:
    ArrowSchema schema
    BatchMemory **batches
    Py_ssize_t n
    Py_ssize_t at


# The stream's callbacks, which need no Python

cdef int stream_schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept nogil:
    cdef Batches *kept = <Batches *>stream.private_data
    if copy_schema(&kept.schema, out) < 0:
        return ENOMEM
    out.flags = kept.schema.flags
    return 0


cdef int stream_next(ArrowArrayStream *stream, ArrowArray *out) noexcept nogil:
    cdef Batches *kept = <Batches *>stream.private_data
    if kept.at == kept.n:
        out.release = NULL
        return 0
    if export_batch(kept.batches[kept.at], out) < 0:
        return ENOMEM
    kept.at += 1
    return 0


cdef const char *stream_error(ArrowArrayStream *stream) noexcept nogil:
    return "out of memory"


cdef void free_batches(Batches *kept) noexcept nogil:
    cdef Py_ssize_t i
    if kept.schema.release != NULL:
        kept.schema.release(&kept.schema)
    for i in range(kept.n):
        drop_memory(kept.batches[i])
    free(kept.batches)
    free(kept)


cdef void release_stream(ArrowArrayStream *stream) noexcept nogil:
    free_batches(<Batches *>stream.private_data)
    stream.release = NULL


# Capsules

cdef void free_stream_capsule(object capsule) noexcept:
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if stream.release != NULL:
        stream.release(stream)
    free(stream)


cdef void free_array_capsule(object capsule) noexcept:
    cdef ArrowArray *array = <ArrowArray *>PyCapsule_GetPointer(capsule, "arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)


cdef Batches *new_batches(Schema schema, tuple batches) except NULL:
    cdef Py_ssize_t i, n = len(batches)
    cdef Batches *kept = <Batches *>calloc(1, sizeof(Batches))
    if kept == NULL:
        raise MemoryError()
    kept.batches = <BatchMemory **>calloc(n + 1, sizeof(BatchMemory *))
    if kept.batches == NULL or copy_schema(&schema.root, &kept.schema) < 0:
        kept.schema.release = NULL
        free_batches(kept)
        raise MemoryError()
    kept.schema.flags = schema.root.flags
    for i in range(n):
        kept.batches[i] = (<ColumnBatch>batches[i]).memory
        keep_memory(kept.batches[i])
        kept.n += 1
    return kept


cdef object stream_capsule(Schema schema, tuple batches):
    cdef Batches *kept = new_batches(schema, batches)
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>calloc(1, sizeof(ArrowArrayStream))
    if stream == NULL:
        free_batches(kept)
        raise MemoryError()
    stream.get_schema = stream_schema
    stream.get_next = stream_next
    stream.get_last_error = stream_error
    stream.release = release_stream
    stream.private_data = kept
    try:
        return PyCapsule_New(stream, "arrow_array_stream", free_stream_capsule)
    except BaseException:
        release_stream(stream)
        free(stream)
        raise


cdef object array_capsule(BatchMemory *memory):
    cdef ArrowArray *array = <ArrowArray *>calloc(1, sizeof(ArrowArray))
    if array == NULL:
        raise MemoryError()
    if export_batch(memory, array) < 0:
        free(array)
        raise MemoryError()
    try:
        return PyCapsule_New(array, "arrow_array", free_array_capsule)
    except BaseException:
        array.release(array)
        free(array)
        raise


cdef ColumnBatch new_batch(Schema schema, BatchMemory *memory):
    """Return a batch that owns the caller's reference to `memory`."""
    cdef ColumnBatch batch = ColumnBatch.__new__(ColumnBatch)
    batch.memory = memory
    batch.schema = schema
    return batch


cdef tuple names_of(Schema schema):
    return tuple([field.name for field in schema.fields])


@cython.final
cdef class ColumnBatch:
    """Some rows of a result as columns; made by `stream_arrow`."""

    def __dealloc__(self):
        drop_memory(self.memory)

    def __len__(self):
        return self.memory.n_rows

    def __repr__(self):
        return f"<ColumnBatch of {self.num_rows} rows, {self.num_columns} columns>"

    @property
    def num_rows(self):
        """How many rows there are."""
        return self.memory.n_rows

    @property
    def num_columns(self):
        """How many columns there are."""
        return self.memory.n_columns

    @property
    def column_names(self):
        """The names of the columns, which need not differ."""
        return names_of(self.schema)

    @property
    def nbytes(self):
        """The bytes of the buffers, those of arrays' elements and the like included."""
        cdef int i
        cdef int64_t n = 0
        for i in range(self.memory.n_columns):
            n += bytes_of(&self.memory.columns[i])
        return n

    def __arrow_c_schema__(self):
        """Return the schema as a capsule `arrow_schema`."""
        return self.schema.capsule()

    def __arrow_c_array__(self, requested_schema=None):
        """Return the capsules `arrow_schema` and `arrow_array`. What is requested is left to whoever asks."""
        return self.schema.capsule(), array_capsule(self.memory)

    def __arrow_c_stream__(self, requested_schema=None):
        """Return a capsule `arrow_array_stream` with this batch."""
        return stream_capsule(self.schema, (self,))

    def values(self, int column):
        """Return the values of a column of numbers, or the bits of one of booleans, as a writable buffer."""
        return ColumnBuffer(self, column, False)

    def validity(self, int column):
        """Return the bits that say which values of a column are there, None if all are."""
        if not 0 <= column < self.memory.n_columns:
            raise IndexError(column)
        return ColumnBuffer(self, column, True) if self.memory.columns[column].null_count else None


cdef int64_t bytes_of(Builder *b) noexcept:
    cdef int i
    cdef int64_t n = b.n_bytes + b.length * b.width
    if b.layout == BITS:
        n += (b.length + 7) // 8
    if b.offsets != NULL:
        n += (b.length + 1) * 4
    if b.validity != NULL:
        n += (b.length + 7) // 8
    for i in range(b.n_children):
        n += bytes_of(&b.children[i])
    return n


@cython.final
cdef class Columns:
    """A result as columns; made by `fetch_arrow`. It may have several batches, and one without rows has none."""

    def __cinit__(self, Schema schema not None, tuple batches not None):
        cdef ColumnBatch batch
        self.schema = schema
        self.batches = batches
        for batch in batches:
            self.num_rows += batch.memory.n_rows

    def __len__(self):
        return self.num_rows

    def __repr__(self):
        return f"<Columns of {self.num_rows} rows: {', '.join(self.column_names)}>"

    @property
    def num_columns(self):
        """How many columns there are."""
        return len(self.schema.fields)

    @property
    def column_names(self):
        """The names of the columns, which need not differ."""
        return names_of(self.schema)

    @property
    def nbytes(self):
        """The bytes of the buffers of all batches."""
        return sum([batch.nbytes for batch in self.batches])

    def __arrow_c_schema__(self):
        """Return the schema as a capsule `arrow_schema`."""
        return self.schema.capsule()

    def __arrow_c_stream__(self, requested_schema=None):
        """Return a capsule `arrow_array_stream` of all batches; as often as you like. What is requested is left to
        whoever asks."""
        return stream_capsule(self.schema, self.batches)


# Arrow's format -> that of the struct module
cdef dict ELEMENTS = {"s": b"h", "i": b"i", "I": b"I", "l": b"q", "f": b"f", "g": b"d", "tdD": b"i", "ttu": b"q"}


@cython.final
cdef class ColumnBuffer:
    """The values of a column through the buffer protocol, or its validity; keeps the batch."""
    cdef ColumnBatch batch
    cdef const char *start
    cdef bytes format
    cdef Py_ssize_t itemsize
    cdef Py_ssize_t shape
    cdef Py_ssize_t stride

    def __cinit__(self, ColumnBatch batch not None, int column, bint of_validity):
        cdef Builder *b
        if not 0 <= column < batch.memory.n_columns:
            raise IndexError(column)
        b = &batch.memory.columns[column]
        field = batch.schema.fields[column]
        self.batch = batch
        self.format = b"B"
        self.itemsize = 1
        self.shape = (b.length + 7) // 8
        if of_validity:
            self.start = <const char *>b.validity
        elif b.layout == BITS:
            self.start = b.values.bytes
        else:
            self.format = b"q" if field.format[:2] == "ts" else ELEMENTS.get(field.format)
            if b.layout != FIXED or self.format is None:
                raise TypeError(f"the values of column {field.name!r} are not of a fixed size")
            self.start = b.values.bytes
            self.itemsize = b.width
            self.shape = b.length
        self.stride = self.itemsize

    def __getbuffer__(self, Py_buffer *view, int flags):
        view.buf = <void *>self.start
        view.obj = self
        view.len = self.shape * self.itemsize
        view.readonly = False
        view.itemsize = self.itemsize
        view.format = <char *>self.format if flags & PyBUF_FORMAT else NULL
        view.ndim = 1
        view.shape = &self.shape if flags & PyBUF_ND else NULL
        view.strides = &self.stride if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        view.suboffsets = NULL
        view.internal = NULL
