"""Arrays as lists, composites as structs, enums as positions in the dictionary of their labels.

  array:     | ndim i32 | has nulls i32 | element oid u32 | (length i32, lower bound i32) x ndim | (n i32, body) x n |
  composite: | n i32 | (oid u32, n i32, body) x n |

A value of either takes at least four bytes for each of its parts, so what can be announced is bounded by what has come.
The labels of an enum are not known beforehand: the dictionary has them in the order in which they came.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from pgproto.columns.builder cimport Builder, append_null, append_t, grow, offsets_t, reserve_bytes, resized
from pgproto.columns.scalars cimport append_in_utf8
from pgproto.encodings cimport any_other, reading
from pgproto.wire cimport Slice, refuse_short, take_end, take_int32, take_uint32, take_value

from pgproto.errors import DecodeError, MalformedBody, OutdatedSchemaCacheError


cdef extern from "columns.h":
    uint64_t hash_of "apc_hash" (uint64_t seed, const char *at, int64_t n) noexcept nogil

cdef enum:
    DIMENSIONS_MAX = 6
    TABLE_FIRST = 16

# Another one in each process, so that nobody can choose labels that all have one hash.
cdef uint64_t seed = <uint64_t>(hash("labels of enums") & 0x7FFFFFFFFFFFFFFF)


cdef int append_part(Builder *part, Slice *body) except -1:
    """Take a length and a value of it, or NULL."""
    cdef Slice value
    if take_value(body, &value):
        return part.append(part, value)
    if value.n == -1:
        return append_null(part)
    return refuse_short(4, body.n) if body.n < 4 else refuse_short(value.n, body.n - 4)


cdef int append_list(Builder *b, Slice body) except -1:
    cdef int32_t ndim = take_int32(&body)
    cdef int32_t n = 0
    cdef uint32_t oid
    take_int32(&body)       # has nulls: each element says it for itself
    oid = take_uint32(&body)
    if oid != b.children.oid:
        raise MalformedBody(f"elements of oid {b.children.oid} were expected, got {oid}")
    if not 0 <= ndim <= DIMENSIONS_MAX:
        raise MalformedBody(f"0 to {DIMENSIONS_MAX} dimensions were expected, got {ndim}")
    if ndim > 1:
        raise DecodeError(f"an array of {ndim} dimensions, a column of lists has one: cast it to text, or unnest it")
    if ndim == 1:
        n = take_int32(&body)
        take_int32(&body)   # lists are counted from where they begin
        if n < 0 or <int64_t>n * 4 > body.n:
            raise MalformedBody(f"{n} elements in {body.n} bytes")
    if b.length == b.capacity:
        grow(b)
    for _ in range(n):
        append_part(b.children, &body)
    take_end(&body)
    if b.children.length > 0x7FFFFFFF:
        raise OverflowError(f"{b.children.length} elements in one batch, 2147483647 are the limit")
    b.length += 1
    b.offsets[b.length] = <int32_t>b.children.length
    return 0


cdef int append_struct(Builder *b, Slice body) except -1:
    cdef int32_t n = take_int32(&body)
    cdef int i
    cdef uint32_t oid
    if n != b.n_children:
        raise outdated(f"unexpected number of attributes of composite type: {n}, expected {b.n_children}")
    if b.length == b.capacity:
        grow(b)
    for i in range(b.n_children):
        oid = take_uint32(&body)
        if oid != b.children[i].oid:
            raise outdated(f"unexpected data type of composite type attribute {i + 1}: oid {oid}, "
                           f"expected {b.children[i].oid}")
        append_part(&b.children[i], &body)
    take_end(&body)
    b.length += 1
    return 0


def outdated(text):
    """Return the error for a composite that is not what the catalogue has said of it: it may have changed since."""
    return OutdatedSchemaCacheError(text)


cdef int append_label(Builder *b, Slice value) except -1:
    cdef int64_t place
    cdef int32_t position
    if any_other and reading() is not None:
        return append_in_utf8(append_label, b, value)
    if b.length == b.capacity:
        grow(b)
    if b.table_size == 0:
        rehash(b, TABLE_FIRST)
    place = place_of(b, value)
    position = b.table[place]
    if position < 0:
        position = <int32_t>b.children.length
        b.children.append(b.children, value)
        b.table[place] = position
        if b.children.length * 2 > b.table_size:
            rehash(b, b.table_size * 2)
    b.values.int32s[b.length] = position
    b.length += 1
    return 0


cdef int64_t place_of(Builder *b, Slice label) noexcept:
    """Where a label is in the table, or where it would be."""
    cdef Builder *labels = b.children
    cdef int64_t place = <int64_t>(hash_of(seed, label.at, label.n) & <uint64_t>(b.table_size - 1))
    cdef int32_t position, at
    while b.table[place] >= 0:
        position = b.table[place]
        at = labels.offsets[position]
        if labels.offsets[position + 1] - at == label.n and memcmp(labels.values.bytes + at, label.at, label.n) == 0:
            break
        place = (place + 1) & (b.table_size - 1)
    return place


cdef int rehash(Builder *b, int64_t size) except -1:
    """Make the table anew, with room for more."""
    cdef Builder *labels = b.children
    cdef int64_t i
    cdef Slice label
    b.table = <offsets_t>resized(b.table, size * 4)
    b.table_size = size
    memset(b.table, 0xFF, size * 4)
    for i in range(labels.length):
        label.at = labels.values.bytes + labels.offsets[i]
        label.n = labels.offsets[i + 1] - labels.offsets[i]
        b.table[place_of(b, label)] = <int32_t>i
    return 0


cdef int copy_labels(Builder *to, Builder *source) except -1:
    """Let the dictionaries of a new batch begin with the labels of the last one, so that positions stay the same."""
    cdef int i
    cdef Builder *labels = to.children
    cdef Builder *known = source.children
    if source.table_size:
        while labels.capacity < known.length:
            grow(labels)
        if known.n_bytes:
            reserve_bytes(labels, known.n_bytes)
            memcpy(labels.values.bytes, known.values.bytes, known.n_bytes)
        if known.length:
            memcpy(labels.offsets, known.offsets, (known.length + 1) * 4)
        labels.n_bytes = known.n_bytes
        labels.length = known.length
        return rehash(to, source.table_size)
    for i in range(source.n_children):
        copy_labels(&to.children[i], &source.children[i])
    return 0


cdef append_t nested_of(str kind) except NULL:
    """The function for a kind of `pgproto.columns.plan`."""
    if kind == "list":
        return append_list
    if kind == "struct":
        return append_struct
    if kind == "label":
        return append_label
    raise KeyError(kind)
