"""The memory of a column that is being filled.

Buffers grow by doubling and belong to the C allocator, because whoever is handed a finished column frees it without
Python. Room is made in front of a value, never behind it: when there is no memory the column is what it was. A validity
bitmap comes into being with the first NULL; its bits are 1 wherever nothing was said.
"""
from libc.stdlib cimport free, realloc
from libc.string cimport memset

cdef enum:
    FIRST_CAPACITY = 64         # a multiple of 8: a bitmap has whole bytes
    FIRST_BYTES = 1024

# Offsets have 32 bits.
cdef int64_t BATCH_BYTES_MAX = 0x7FFFFFFF
# More than memory can hold, and far from what 64 bits cannot count.
cdef int64_t CAPACITY_MAX = 1LL << 40


cdef void *resized(void *start, int64_t n_bytes) except NULL:
    """Return memory of `n_bytes` with what `start` had; MemoryError leaves `start` as it was."""
    cdef void *moved
    if n_bytes > <int64_t>(<size_t>-1 >> 1):
        raise MemoryError()
    moved = realloc(start, <size_t>n_bytes)
    if moved == NULL:
        raise MemoryError()
    return moved


cdef int grow(Builder *b) except -1:
    """Make room for twice as many values."""
    cdef int64_t capacity = b.capacity * 2 if b.capacity else FIRST_CAPACITY
    if capacity > CAPACITY_MAX:
        raise MemoryError()
    if b.layout == FIXED or b.layout == DICTIONARY:
        b.values.bytes = <char *>resized(b.values.bytes, capacity * b.width)
    elif b.layout == BITS:
        b.values.bytes = <char *>resized(b.values.bytes, capacity // 8)
    elif b.layout != STRUCT:
        b.offsets = <offsets_t>resized(b.offsets, (capacity + 1) * 4)
        if b.capacity == 0:
            b.offsets[0] = 0
    if b.validity != NULL:
        b.validity = <unsigned char *>resized(b.validity, capacity // 8)
        memset(b.validity + b.capacity // 8, 0xFF, <size_t>((capacity - b.capacity) // 8))
    b.capacity = capacity
    return 0


cdef int reserve_bytes(Builder *b, int64_t n) except -1:
    """Make room for `n` more bytes of values that vary in length."""
    cdef int64_t capacity = b.bytes_capacity if b.bytes_capacity else FIRST_BYTES
    if n > BATCH_BYTES_MAX - b.n_bytes:
        raise OverflowError(f"{b.n_bytes + n} bytes in one batch, {BATCH_BYTES_MAX} are the limit")
    while capacity < b.n_bytes + n:
        capacity *= 2
    if capacity > BATCH_BYTES_MAX:
        capacity = BATCH_BYTES_MAX
    b.values.bytes = <char *>resized(b.values.bytes, capacity)
    b.bytes_capacity = capacity
    return 0


cdef int append_null(Builder *b) except -1:
    cdef int i
    if b.length == b.capacity:
        grow(b)
    if b.validity == NULL:
        b.validity = <unsigned char *>resized(NULL, b.capacity // 8)
        memset(b.validity, 0xFF, <size_t>(b.capacity // 8))
    if b.layout == STRUCT:
        for i in range(b.n_children):
            append_null(&b.children[i])
    elif b.layout == VARIABLE or b.layout == LIST:
        b.offsets[b.length + 1] = b.offsets[b.length]
    elif b.layout == BITS:
        b.values.octets[b.length >> 3] &= <unsigned char>~(1 << (b.length & 7))
    else:
        memset(b.values.bytes + b.length * b.width, 0, b.width)
    b.validity[b.length >> 3] &= <unsigned char>~(1 << (b.length & 7))
    b.null_count += 1
    b.length += 1
    return 0


cdef void cut_builder(Builder *b, int64_t length) noexcept:
    """Forget what is behind the first `length` values, in the children too."""
    cdef int64_t i
    cdef int child
    if b.validity != NULL:
        for i in range(length, b.length):
            if not b.validity[i >> 3] & 1 << (i & 7):
                b.validity[i >> 3] |= <unsigned char>(1 << (i & 7))
                b.null_count -= 1
    b.length = min(length, b.length)
    if b.layout == VARIABLE:
        b.n_bytes = b.offsets[b.length] if b.offsets != NULL else 0
    elif b.layout == LIST:
        cut_builder(b.children, b.offsets[b.length] if b.offsets != NULL else 0)
    elif b.layout == STRUCT:
        for child in range(b.n_children):
            cut_builder(&b.children[child], b.length)


cdef void *trimmed(void *start, int64_t n_bytes) noexcept:
    """Give back what is behind `n_bytes`; an allocator that cannot leaves it where it is."""
    cdef void *moved
    if start == NULL:
        return NULL
    moved = realloc(start, <size_t>max(n_bytes, 8))
    return start if moved == NULL else moved


cdef void shrink_builder(Builder *b) noexcept:
    """Give back the room that is not used; nothing may be appended any more."""
    cdef int i
    if b.layout == FIXED or b.layout == DICTIONARY:
        b.values.bytes = <char *>trimmed(b.values.bytes, b.length * b.width)
    elif b.layout == BITS:
        b.values.bytes = <char *>trimmed(b.values.bytes, (b.length + 7) // 8)
    elif b.layout == VARIABLE:
        b.values.bytes = <char *>trimmed(b.values.bytes, b.n_bytes)
    b.offsets = <offsets_t>trimmed(b.offsets, (b.length + 1) * 4)
    b.validity = <unsigned char *>trimmed(b.validity, (b.length + 7) // 8)
    for i in range(b.n_children):
        shrink_builder(&b.children[i])


cdef void free_builder(Builder *b) noexcept nogil:
    """Free what a builder holds, not the structure itself; one of zeros holds nothing."""
    cdef int i
    free(b.values.bytes)
    free(b.offsets)
    free(b.validity)
    free(b.table)
    for i in range(b.n_children):
        free_builder(&b.children[i])
    free(b.children)
