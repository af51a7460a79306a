"""Lists as arrays, structs as composites, dictionaries as the values that their indexes stand for.

A list inside a list is a further dimension, as PostgreSQL has it: all lists of one level are equally long, and none of
them is null.

  array      | ndim i32 | has nulls i32 | element oid u32 | (length i32, lower bound i32) x ndim | (n i32, body) .. |
  composite  | n i32 | (type oid u32, n i32, body) x n |
"""
from libc.stdint cimport int32_t, int64_t

from pgproto.arrow_in.column cimport ArrowColumn, native_i32, native_i64
from pgproto.arrow_in.integers cimport number_of
from pgproto.wire cimport store_uint32
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import DataError

cdef enum:
    # Of what PostgreSQL takes for an array; below this, a sum of a few lengths does not overflow either.
    ELEMENTS_MAX = 0x7FFFFFF


cdef int put_null(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return out.put_int32(-1)


cdef int settle_null(ArrowColumn column) except -1:
    column.put = put_null
    return 0


cdef int put_indexed(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t index = column.number(column, at)
    if not 0 <= index < column.dictionary.length:
        raise ValueError(f"the Arrow data are broken: value {index} of a dictionary of {column.dictionary.length}")
    return column.dictionary.put_field(index, out)


cdef int settle_dictionary(ArrowColumn column, ArrowColumn values) except -1:
    column.dictionary = values
    column.number = number_of(column)
    column.put = put_indexed
    return 0


# Lists

cdef int bounds(ArrowColumn column, int64_t at, int64_t *first, int64_t *n) except -1:
    """Where the values of list `at` are in its child."""
    cdef int64_t i = column.index(at), end
    if column.field.kind == "fixed_size_list":
        first[0] = i * column.width
        end = first[0] + column.width
    elif column.field.kind == "list":
        first[0] = native_i32(column.values, i)
        end = native_i32(column.values, i + 1)
    else:
        first[0] = native_i64(column.values, i)
        end = native_i64(column.values, i + 1)
    n[0] = end - first[0]
    if first[0] < 0 or end < first[0] or end > (<ArrowColumn>column.children[0]).length:
        raise ValueError(f"the Arrow data are broken: a list from {first[0]} to {end} of "
                         f"{(<ArrowColumn>column.children[0]).length} values")
    if n[0] > ELEMENTS_MAX:
        raise OverflowError(f"an array can have {ELEMENTS_MAX} elements, this has {n[0]}")
    return 0


cdef int put_level(ArrowColumn column, int64_t at, int64_t *lengths, int level, WriteBuffer out) except -1:
    """Put the elements of list `at`; return 1 if one of them is null."""
    cdef ArrowColumn child = column.children[0]
    cdef int64_t first = 0, n = 0, i
    cdef int has_null = 0
    bounds(column, at, &first, &n)
    if n != lengths[level]:
        raise ValueError(f"lists of {lengths[level]} and of {n} values cannot be one dimension of an array")
    for i in range(first, first + n):
        if child.depth:
            if child.is_null(i):
                raise ValueError("a list in a list is null: an array has no room for that")
            has_null |= put_level(child, i, lengths, level + 1, out)
        else:
            if child.put == put_null or child.is_null(i):
                has_null = 1
            child.put_field(i, out)
    return has_null


cdef int put_array(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t lengths[DIMENSIONS_MAX]
    cdef int64_t first = at
    cdef int level, ndim = column.depth
    cdef bint is_empty = False
    cdef ArrowColumn part = column
    cdef Py_ssize_t mark = out.begin_value(), head = out.length
    for level in range(ndim):
        lengths[level] = 0
        if not is_empty and not part.is_null(first):
            bounds(part, first, &first, &lengths[level])
        is_empty = lengths[level] == 0
        part = part.children[0]
    out.put_int32(0 if lengths[ndim - 1] == 0 else ndim)
    out.put_int32(0)
    out.put_int32(<int32_t>part.codec.oid)
    if lengths[ndim - 1] == 0:
        # Looked at all the same: lists that are not of one length are refused.
        put_level(column, at, lengths, 0, out)
        return out.end_value(mark)
    for level in range(ndim):
        out.put_int32(<int32_t>lengths[level])
        out.put_int32(1)
    if put_level(column, at, lengths, 0, out):
        store_uint32(out.start + head + 4, 1)
    return out.end_value(mark)


cdef int settle_list(ArrowColumn column, ArrowColumn child, int depth) except -1:
    """The child is a list of `depth` - 1 dimensions, or the elements."""
    if depth > DIMENSIONS_MAX:
        raise DataError(f"column {column.path!r}: {column.field} has more than the {DIMENSIONS_MAX} dimensions that "
                        "an array can have", column=column.path)
    column.children = (child,)
    column.depth = depth
    column.width = column.field.width
    column.put = put_array
    return 0


# Structs

cdef int put_composite(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef ArrowColumn child
    cdef Py_ssize_t mark = out.begin_value()
    out.put_int32(<int32_t>len(column.attributes))
    for child in column.attributes:
        out.put_int32(<int32_t>child.codec.oid)
        child.put_field(column.index(at), out)
    return out.end_value(mark)


cdef int settle_struct(ArrowColumn column, tuple children, tuple attributes) except -1:
    """`children` are the columns as Arrow has them, `attributes` the same ones as PostgreSQL has them."""
    column.children = children
    column.attributes = attributes
    column.put = put_composite
    return 0
