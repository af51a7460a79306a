# One column that is being filled: the buffers of an Arrow array, and the function that reads a value into them.

from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t

from pgproto.wire cimport Slice

# As Arrow names them: what buffers a column has.
cdef enum Layout:
    FIXED = 0           # validity, values of `width` bytes
    BITS = 1            # validity, values of one bit
    VARIABLE = 2        # validity, offsets, bytes
    LIST = 3            # validity, offsets; one child
    STRUCT = 4          # validity; a child for each attribute
    DICTIONARY = 5      # validity, positions in the one child, which has each value once

cdef struct Builder

# Reads a value that is not NULL and adds it. On an exception nothing has been added to the column itself, but its
# children may be longer than they should be: `cut_builder` mends that.
ctypedef int (*append_t)(Builder *builder, Slice value) except -1

ctypedef int32_t *offsets_t

cdef union Values:
    char *bytes
    unsigned char *octets
    int16_t *int16s
    int32_t *int32s
    int64_t *int64s
    uint64_t *uint64s
    double *float8s

cdef struct Builder:
    append_t append
    int64_t length
    int64_t capacity            # values that there is room for
    Values values
    offsets_t offsets           # length + 1 of them
    unsigned char *validity     # a bit for each value; NULL while none is NULL
    int64_t n_bytes             # of `values`, where they vary in length
    int64_t bytes_capacity
    int64_t null_count
    int layout
    int width
    int scale                   # of a decimal
    bint is_lenient             # what Arrow cannot hold becomes NULL
    bint grows                  # a value may take more bytes than it has come in
    uint64_t limit_low          # of a decimal: the first number that has too many digits
    uint64_t limit_high
    uint32_t oid
    int n_children
    Builder *children
    offsets_t table             # of a dictionary: positions by hash, -1 where there is none
    int64_t table_size          # a power of two

cdef int64_t BATCH_BYTES_MAX

cdef void *resized(void *start, int64_t n_bytes) except NULL
cdef int grow(Builder *b) except -1
cdef int reserve_bytes(Builder *b, int64_t n) except -1
cdef int append_null(Builder *b) except -1
cdef void cut_builder(Builder *b, int64_t length) noexcept
cdef void shrink_builder(Builder *b) noexcept
cdef void free_builder(Builder *b) noexcept nogil
