"""A finished batch of columns and the Arrow arrays that show it.

The buffers are counted: the batch keeps one reference, each array that was exported one, and so does each of its
children, which a consumer may move out of its parent. Releasing touches neither Python nor the GIL, so a consumer may
do it in any thread.

https://arrow.apache.org/docs/format/CDataInterface.html#memory-management
"""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from pgproto.arrow_abi cimport ArrowArray
from pgproto.columns.builder cimport DICTIONARY, LIST, STRUCT, VARIABLE, Builder
from pgproto.columns.fields cimport free_builders


cdef extern from "atomic_count.h":
    int64_t count "apc_count" (int64_t *refs, int64_t change) noexcept nogil

# What an exported array keeps.
cdef struct Shown:
    BatchMemory *memory
    const void *buffers[3]
    ArrowArray *children
    ArrowArray **pointers       # to children
    ArrowArray dictionary

# A buffer without bytes need not be there, but some consumers look at its address.
cdef int64_t nothing = 0


cdef BatchMemory *new_memory(Builder *columns, int n_columns) except NULL:
    """Return an empty batch that owns `columns`; the caller has the first reference."""
    cdef BatchMemory *memory = <BatchMemory *>calloc(1, sizeof(BatchMemory))
    if memory == NULL:
        raise MemoryError()
    memory.refs = 1
    memory.columns = columns
    memory.n_columns = n_columns
    return memory


cdef void keep_memory(BatchMemory *memory) noexcept nogil:
    count(&memory.refs, 1)


cdef void drop_memory(BatchMemory *memory) noexcept nogil:
    if memory != NULL and count(&memory.refs, -1) == 0:
        free_builders(memory.columns, memory.n_columns)
        free(memory)


cdef void release_array(ArrowArray *array) noexcept nogil:
    cdef Shown *shown = <Shown *>array.private_data
    cdef ArrowArray *child
    cdef int64_t i
    for i in range(array.n_children):
        child = array.children[i]
        if child.release != NULL:       # otherwise somebody has moved it
            child.release(child)
    if array.dictionary != NULL and array.dictionary.release != NULL:
        array.dictionary.release(array.dictionary)
    drop_memory(shown.memory)
    free(shown.children)
    free(shown.pointers)
    free(shown)
    array.release = NULL


cdef Shown *begin_export(BatchMemory *memory, int n_children, ArrowArray *out) noexcept nogil:
    """Make an array without buffers whose release is safe from here on; NULL if there is no memory."""
    cdef int i
    cdef Shown *shown = <Shown *>calloc(1, sizeof(Shown))
    out.release = NULL
    if shown == NULL:
        return NULL
    shown.children = <ArrowArray *>calloc(n_children + 1, sizeof(ArrowArray))
    shown.pointers = <ArrowArray **>calloc(n_children + 1, sizeof(ArrowArray *))
    if shown.children == NULL or shown.pointers == NULL:
        free(shown.children)
        free(shown.pointers)
        free(shown)
        return NULL
    for i in range(n_children):
        shown.pointers[i] = &shown.children[i]
    keep_memory(memory)
    shown.memory = memory
    out.offset = 0
    out.null_count = 0
    out.n_buffers = 1
    out.n_children = n_children
    out.buffers = shown.buffers
    out.children = shown.pointers if n_children else NULL
    out.dictionary = NULL
    out.private_data = shown
    out.release = release_array
    return shown


cdef int export_batch(BatchMemory *memory, ArrowArray *out) noexcept nogil:
    """Show the batch as a struct array, one child for each column; -1 if there is no memory, nothing is shown then."""
    if (begin_export(memory, memory.n_columns, out) == NULL
            or export_children(memory, memory.columns, memory.n_columns, out) < 0):
        return -1
    out.length = memory.n_rows
    return 0


cdef int export_children(BatchMemory *memory, Builder *builders, int n, ArrowArray *out) noexcept nogil:
    cdef int i
    for i in range(n):
        if export_column(memory, &builders[i], out.children[i]) < 0:
            release_array(out)
            return -1
    return 0


cdef int export_column(BatchMemory *memory, Builder *b, ArrowArray *out) noexcept nogil:
    cdef bint is_dictionary = b.layout == DICTIONARY
    cdef Shown *shown = begin_export(memory, 0 if is_dictionary else b.n_children, out)
    if shown == NULL:
        return -1
    out.length = b.length
    out.null_count = b.null_count
    shown.buffers[0] = b.validity
    if b.layout == VARIABLE or b.layout == LIST:
        shown.buffers[1] = b.offsets
        shown.buffers[2] = b.values.bytes if b.values.bytes != NULL else <char *>&nothing
        out.n_buffers = 3 if b.layout == VARIABLE else 2
    elif b.layout != STRUCT:
        shown.buffers[1] = b.values.bytes
        out.n_buffers = 2
    if not is_dictionary:
        return export_children(memory, b.children, b.n_children, out)
    if export_column(memory, b.children, &shown.dictionary) < 0:
        release_array(out)
        return -1
    out.dictionary = &shown.dictionary
    return 0
