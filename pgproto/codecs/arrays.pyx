"""Arrays of any element, in the binary format, as nested lists.

  | ndim i32 | has nulls i32 | element oid u32 | (length i32, lower bound i32) x ndim | (n i32, body) x elements |

An element takes at least the four bytes of its length, so the bytes left bound how many there can be. Lower bounds
other than 1 are kept where the codec says so. The text format is in array_text.
"""
from cpython.list cimport PyList_New
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t, int64_t

from pgproto.codecs.array_shape cimport (
    DIMENSIONS_MAX, Shape, begin, check_bounds, check_element, element_error, enter, is_array, is_inner_array,
    items_of, with_bounds,
)
from pgproto.codecs.array_text cimport array_text_decode, array_text_encode
from pgproto.codecs.binary_numbers cimport fill_int4, int4_decode
from pgproto.codecs.codec cimport BINARY, TEXT, read_t
from pgproto.codecs.nested cimport is_users
from pgproto.wire cimport Slice, refuse_short, store_uint32, take_end, take_int32, take_uint32, take_value
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody


cdef extern from *:
    void PyList_SET_ITEM(object values, Py_ssize_t i, PyObject *value)


cdef Codec new_array(uint32_t oid, Codec element, str schema="pg_catalog"):
    """A codec for arrays of `element`, in the formats that the element has."""
    cdef Codec codec = Codec(oid, element.name + "[]", schema=schema, kind="array", element=element)
    set_array_formats(codec)
    return codec


cdef int set_array_formats(Codec codec) except -1:
    cdef Codec element = codec.element
    if element.encode[BINARY] != NULL:
        codec.encode[BINARY] = array_encode
    if element.decode[BINARY] != NULL:
        codec.decode[BINARY] = array_decode
    if element.encode[TEXT] != NULL:
        codec.encode[TEXT] = array_text_encode
    if element.decode[TEXT] != NULL:
        codec.decode[TEXT] = array_text_decode
    # What a user's codec for the element prefers goes for its arrays as well.
    codec.preferred = element.preferred
    codec.runs_user_code = element.runs_user_code
    return 0


def array_codec(uint32_t oid, Codec element not None, str schema not None="pg_catalog"):
    """Return a codec for arrays of `element`."""
    return new_array(oid, element, schema)


cdef int array_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Shape shape
    cdef Py_ssize_t at = out.length
    if not is_array(value):
        raise TypeError(f"sized iterable container expected, got {type(value).__name__}")
    begin(&shape, value)
    put_level(codec, out, &shape, items_of(value), 0)
    if shape.has_null:
        store_uint32(out.start + at + 4, 1)
    return 0


cdef int put_head(Codec codec, WriteBuffer out, Shape *shape) except -1:
    """Write the head; `ndim` and all lengths are known. An array without elements has no dimensions."""
    cdef int depth
    cdef int ndim = shape.ndim
    if shape.lengths[ndim - 1] == 0:
        ndim = 0
    else:
        check_bounds(shape)
    out.put_int32(ndim)
    out.put_int32(0)
    out.put_int32(<int32_t>codec.element.oid)
    for depth in range(ndim):
        if shape.lengths[depth] > 0x7FFFFFFF:
            raise OverflowError("an array can have 2147483647 elements in each dimension")
        out.put_int32(<int32_t>shape.lengths[depth])
        out.put_int32(shape.lower[depth])
    return 0


cdef int put_level(Codec codec, WriteBuffer out, Shape *shape, tuple items, int depth) except -1:
    cdef bint is_first = shape.ndim == 0
    enter(shape, items, depth)
    if is_first and shape.ndim:
        put_head(codec, out, shape)
    if shape.ndim == depth + 1:
        return put_elements(codec.element, out, shape, items, depth)
    for i, item in enumerate(items):
        shape.path[depth] = i
        if not is_inner_array(item):
            raise ValueError(f"non-homogeneous array: an array was expected, got {type(item).__name__}")
        put_level(codec, out, shape, items_of(item), depth + 1)
    return 0


cdef int put_elements(Codec element, WriteBuffer out, Shape *shape, tuple items, int depth) except -1:
    cdef Py_ssize_t at, i = 0
    shape.depth = depth + 1
    try:
        for item in items:
            if item is None:
                shape.has_null = True
                out.put_int32(-1)
            else:
                check_element(item)
                at = out.begin_value()
                element.encode[BINARY](element, out, item)
                out.end_value(at)
            i += 1
    except (TypeError, ValueError, OverflowError) as error:
        shape.path[depth] = i
        raise element_error(shape, error) from error
    return 0


cdef object array_decode(Codec codec, Slice body):
    cdef Shape shape
    cdef int depth
    cdef int32_t ndim = take_int32(&body)
    cdef int32_t length, lower
    cdef uint32_t oid
    cdef int64_t n = 1
    take_int32(&body)       # has nulls: each element says it for itself
    oid = take_uint32(&body)
    if not 0 <= ndim <= DIMENSIONS_MAX:
        raise MalformedBody(f"{codec.name}: 0 to {DIMENSIONS_MAX} dimensions were expected, got {ndim}")
    if oid != codec.element.oid:
        raise MalformedBody(f"{codec.name}: elements of oid {codec.element.oid} were expected, got {oid}")
    begin(&shape, None)
    for depth in range(ndim):
        length = take_int32(&body)
        lower = take_int32(&body)
        if length < 0 or <int64_t>lower + length > 0x80000000LL:
            raise MalformedBody(f"{codec.name}: a dimension of {length} from {lower}")
        # Both factors are below 2^31 here: n has been checked against the bytes left, or is 0.
        n *= length
        if n * 4 > body.n:
            raise MalformedBody(f"{codec.name}: {n} elements or more in {body.n} bytes")
        shape.lengths[depth] = length
        shape.lower[depth] = lower
        shape.is_bounded = shape.is_bounded or lower != 1
    if ndim == 0 or n == 0:
        take_end(&body)
        return []
    shape.ndim = ndim
    cdef list values = take_level(codec.element, &body, &shape, 0)
    take_end(&body)
    return with_bounds(codec, values, &shape)


cdef list take_level(Codec element, Slice *body, Shape *shape, int depth):
    if depth + 1 == shape.ndim:
        return take_elements(element, body, shape, depth)
    cdef Py_ssize_t i, n = shape.lengths[depth]
    cdef list values = []
    for i in range(n):
        shape.path[depth] = i
        values.append(take_level(element, body, shape, depth + 1))
    return values


cdef list take_elements(Codec element, Slice *body, Shape *shape, int depth):
    cdef Py_ssize_t i = 0, n = shape.lengths[depth]
    cdef read_t read = <read_t>element.decode[BINARY]
    cdef Slice rest = body[0]
    cdef Slice part
    cdef PyObject *value = NULL
    cdef list values = PyList_New(n)
    if element.decode[BINARY] == int4_decode:
        i = fill_int4(&rest, values)
    try:
        while i < n:
            if take_value(&rest, &part):
                value = read(<PyObject *>element, part)
            elif part.n == -1:
                value = <PyObject *>None
                Py_INCREF(None)
            else:
                refuse_element(part.n, rest.n)
            PyList_SET_ITEM(values, i, value)   # the list takes over the reference
            i += 1
    except (ValueError, OverflowError) as error:
        shape.path[depth] = i
        shape.depth = depth + 1
        if is_users(element, error):
            raise
        raise element_error(shape, error) from error
    body[0] = rest
    return values


cdef int refuse_element(Py_ssize_t length, Py_ssize_t left) except -1:
    """Say what `take_value` could not take."""
    return refuse_short(4, left) if left < 4 else refuse_short(length, left - 4)
