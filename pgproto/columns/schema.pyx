"""The Arrow schema of a result, made once from its plan and copied for everybody who asks.

https://arrow.apache.org/docs/format/CDataInterface.html#the-arrowschema-structure
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset, strlen

from pgproto.arrow_abi cimport ARROW_FLAG_NULLABLE, ArrowSchema

cdef void release_schema(ArrowSchema *schema) noexcept nogil:
    cdef int64_t i
    if schema.children != NULL:
        for i in range(schema.n_children):
            if schema.children[i] != NULL:
                if schema.children[i].release != NULL:      # otherwise somebody has moved it
                    schema.children[i].release(schema.children[i])
                free(schema.children[i])
        free(schema.children)
    if schema.dictionary != NULL:
        if schema.dictionary.release != NULL:
            schema.dictionary.release(schema.dictionary)
        free(schema.dictionary)
    free(<void *>schema.format)
    free(<void *>schema.name)
    free(<void *>schema.metadata)
    schema.release = NULL


cdef const char *copied(const char *text, size_t n) noexcept nogil:
    """A copy of n bytes and a zero; NULL of NULL, and if there is no memory."""
    cdef char *copy
    if text == NULL:
        return NULL
    copy = <char *>malloc(n + 1)
    if copy != NULL:
        memcpy(copy, text, n)
        copy[n] = 0
    return copy


cdef ArrowSchema *room(ArrowSchema **place) noexcept nogil:
    place[0] = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
    return place[0]


cdef int begin_schema(ArrowSchema *out, const char *format, const char *name, size_t n_name, const char *metadata,
                      size_t n_metadata, int64_t n_children) noexcept nogil:
    """Make a schema whose children are NULL; -1 if there is no memory, `out` can be released all the same."""
    memset(out, 0, sizeof(ArrowSchema))
    out.release = release_schema
    out.flags = ARROW_FLAG_NULLABLE
    out.format = copied(format, strlen(format))
    out.name = copied(name, n_name)
    out.metadata = copied(metadata, n_metadata)
    if out.format == NULL or out.name == NULL or (metadata != NULL and out.metadata == NULL):
        return -1
    if n_children:
        out.children = <ArrowSchema **>calloc(n_children, sizeof(ArrowSchema *))
        if out.children == NULL:
            return -1
        out.n_children = n_children
    return 0


cdef size_t length_of_metadata(const char *metadata) noexcept nogil:
    """Bytes of | n i32 | (length i32, bytes) x 2 n |, in the machine's order, which we have written ourselves."""
    cdef int32_t n, length, left
    cdef size_t at = 4
    if metadata == NULL:
        return 0
    memcpy(&n, metadata, 4)
    left = 2 * n
    while left > 0:
        memcpy(&length, metadata + at, 4)
        at += 4 + <size_t>length
        left -= 1
    return at


cdef int copy_schema(const ArrowSchema *source, ArrowSchema *out) noexcept nogil:
    """Copy a schema of ours, children and all; -1 if there is no memory, and nothing to be released then."""
    cdef int64_t i
    cdef bint is_whole = begin_schema(out, source.format, source.name, strlen(source.name), source.metadata,
                                      length_of_metadata(source.metadata), source.n_children) == 0
    if is_whole:
        for i in range(source.n_children):
            if room(&out.children[i]) == NULL or copy_schema(source.children[i], out.children[i]) < 0:
                is_whole = False
                break
    if is_whole and source.dictionary != NULL:
        is_whole = room(&out.dictionary) != NULL and copy_schema(source.dictionary, out.dictionary) == 0
    if not is_whole:
        release_schema(out)
        return -1
    return 0


cdef int fill_schema(ArrowSchema *out, str format, str name, bytes metadata, tuple fields, object values) except -1:
    """Make the schema of a field; what was made before an exception can be released."""
    cdef Py_ssize_t i, n = len(fields)
    cdef bytes format_bytes = format.encode()
    # A name of PostgreSQL's has no zero byte.
    cdef bytes name_bytes = name.encode("utf-8", "replace")
    cdef const char *facts = NULL if metadata is None else PyBytes_AS_STRING(metadata)
    if begin_schema(out, PyBytes_AS_STRING(format_bytes), PyBytes_AS_STRING(name_bytes), PyBytes_GET_SIZE(name_bytes),
                    facts, 0 if metadata is None else PyBytes_GET_SIZE(metadata), n) < 0:
        raise MemoryError()
    for i in range(n):
        if room(&out.children[i]) == NULL:
            raise MemoryError()
        fill_field(out.children[i], fields[i])
    if values is not None:
        if room(&out.dictionary) == NULL:
            raise MemoryError()
        fill_field(out.dictionary, values)
    return 0


cdef int fill_field(ArrowSchema *out, object field) except -1:
    cdef bint is_dictionary = field.kind == "label"
    return fill_schema(out, field.format, field.name, field.metadata, () if is_dictionary else field.children,
                       field.children[0] if is_dictionary else None)


cdef void free_capsule(object capsule) noexcept:
    cdef ArrowSchema *schema = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


@cython.final
cdef class Schema:
    """The schema of `fields`, of `pgproto.columns.plan`."""

    def __cinit__(self, tuple fields not None):
        self.fields = fields
        fill_schema(&self.root, "+s", "", None, fields, None)
        self.root.flags = 0     # a row is never NULL

    def __dealloc__(self):
        if self.root.release != NULL:
            release_schema(&self.root)

    cdef object capsule(self):
        """Return a copy in a capsule, which releases it unless somebody has taken it out."""
        cdef ArrowSchema *schema = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
        if schema == NULL:
            raise MemoryError()
        if copy_schema(&self.root, schema) < 0:
            free(schema)
            raise MemoryError()
        schema.flags = self.root.flags
        try:
            return PyCapsule_New(schema, "arrow_schema", free_capsule)
        except BaseException:
            release_schema(schema)
            free(schema)
            raise
