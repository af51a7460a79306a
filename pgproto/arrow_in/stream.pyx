"""Arrow data as they are handed over: a stream of batches, or one batch.

The structures are moved out of their capsules: from then on they are released here, once, however the COPY ends.

https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""
cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from libc.stdint cimport int64_t
from libc.string cimport memset, strlen

from pgproto.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema

from pgproto.arrow_in.fields import new_field
from pgproto.errors import DataError, InterfaceError

cdef extern from *:
    """
    static int apc_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
    { return stream->get_schema(stream, out); }
    static int apc_get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
    { return stream->get_next(stream, out); }
    """
    # Without the GIL: the producer may be Python code in other threads.
    int get_schema "apc_get_schema" (ArrowArrayStream *stream, ArrowSchema *out) noexcept nogil
    int get_next "apc_get_next" (ArrowArrayStream *stream, ArrowArray *out) noexcept nogil

cdef enum:
    # Deeper than any type of the server's, shallow enough for the stack.
    DEPTH_MAX = 64
    CHILDREN_MAX = 65535


@cython.final
cdef class ArrowSource:
    """The batches of an object with `__arrow_c_stream__` or `__arrow_c_array__`.

    `close` releases what is left; whoever forgets it leaves that to the collector.
    """

    def __cinit__(self, data):
        memset(&self.stream, 0, sizeof(ArrowArrayStream))
        memset(&self.batch, 0, sizeof(ArrowArray))
        if hasattr(data, "__arrow_c_stream__"):
            self.open_stream(data.__arrow_c_stream__())
        elif hasattr(data, "__arrow_c_array__"):
            schema, array = data.__arrow_c_array__()
            self.open_array(schema, array)
        else:
            raise InterfaceError(
                "data with __arrow_c_stream__ or __arrow_c_array__ were expected (a table or batch of pyarrow, polars, "
                f"duckdb ..), got {type(data).__name__}")
        if self.schema.kind != "struct" or self.schema.dictionary is not None:
            schema = self.schema
            self.close()
            raise InterfaceError(f"a table of Arrow is a struct of its columns, {schema} was given")

    def __dealloc__(self):
        self.release_all()

    def close(self):
        """Release what was not released yet."""
        self.release_all()

    cdef int release_all(self) except -1:
        self.release_batch()
        self.has_batch = False
        if self.stream.release != NULL:
            self.stream.release(&self.stream)
            self.stream.release = NULL
        return 0

    cdef int open_stream(self, object capsule) except -1:
        cdef ArrowArrayStream *given = <ArrowArrayStream *>pointer_in(capsule, b"arrow_array_stream")
        cdef ArrowSchema schema
        cdef int code
        if given.release == NULL:
            raise InterfaceError("the Arrow stream was consumed before")
        self.stream = given[0]
        given.release = NULL
        memset(&schema, 0, sizeof(ArrowSchema))
        with nogil:
            code = get_schema(&self.stream, &schema)
        if code != 0:
            self.raise_failure("has no schema", code)
        try:
            self.schema = read_field(&schema, 0)
        finally:
            release_schema(&schema)
        return 0

    cdef int open_array(self, object schema_capsule, object array_capsule) except -1:
        cdef ArrowSchema *schema = <ArrowSchema *>pointer_in(schema_capsule, b"arrow_schema")
        cdef ArrowArray *given = <ArrowArray *>pointer_in(array_capsule, b"arrow_array")
        # What stays in its capsule is released by that.
        self.schema = read_field(schema, 0)
        if given.release == NULL:
            raise InterfaceError("the Arrow array was consumed before")
        self.batch = given[0]
        given.release = NULL
        self.has_batch = True
        return 0

    cdef ArrowArray *next_batch(self) except? NULL:
        """The next batch, which is this object's until the one after it; NULL when there are no more."""
        cdef int code
        if self.has_batch:
            self.has_batch = False
            return &self.batch
        self.release_batch()
        if self.stream.release == NULL:
            return NULL
        with nogil:
            code = get_next(&self.stream, &self.batch)
        if code != 0:
            self.batch.release = NULL
            self.raise_failure("has failed", code)
        if self.batch.release == NULL:
            return NULL
        return &self.batch

    cdef int release_batch(self) except -1:
        if self.batch.release != NULL:
            self.batch.release(&self.batch)
            self.batch.release = NULL
        return 0

    cdef int raise_failure(self, str what, int code) except -1:
        cdef const char *text = self.stream.get_last_error(&self.stream)
        told = (<bytes>text).decode("utf-8", "replace") if text != NULL else f"error {code}"
        raise DataError(f"the Arrow stream {what}: {told}", errno=code)


cdef void *pointer_in(object capsule, const char *name) except NULL:
    if not PyCapsule_IsValid(capsule, name):
        raise InterfaceError(f"a capsule {name.decode()!r} was expected, got {type(capsule).__name__}")
    return PyCapsule_GetPointer(capsule, name)


cdef int release_schema(ArrowSchema *schema) except -1:
    if schema.release != NULL:
        schema.release(schema)
    return 0


cdef str text_of(const char *text):
    return "" if text == NULL else text[:strlen(text)].decode("utf-8", "replace")


cdef object read_field(ArrowSchema *schema, int depth):
    """Return the ArrowField of a schema, or of a part of one."""
    cdef int64_t i
    if schema == NULL or schema.release == NULL or schema.format == NULL:
        raise InterfaceError("an Arrow schema is empty, or was consumed before")
    name = text_of(schema.name)
    if depth > DEPTH_MAX:
        raise InterfaceError(f"column {name!r}: the Arrow type is nested deeper than {DEPTH_MAX}")
    if not 0 <= schema.n_children <= CHILDREN_MAX or (schema.n_children > 0 and schema.children == NULL):
        raise InterfaceError(f"column {name!r}: the Arrow type has {schema.n_children} children")
    children = []
    for i in range(schema.n_children):
        children.append(read_field(schema.children[i], depth + 1))
    dictionary = None if schema.dictionary == NULL else read_field(schema.dictionary, depth + 1)
    return new_field(name, text_of(schema.format), tuple(children), dictionary)
