r"""Arrays of any element, in the text format, as nested lists.

  {1,NULL,"a \"quoted\" one"}    {{1,2},{3,4}}    [0:1]={1,2}

Elements are separated by the type's delimiter: a comma, but for box a semicolon. We quote every element that we write.
"""
from libc.stdint cimport int32_t, int64_t

from pgproto.codecs.array_shape cimport (
    DIMENSIONS_MAX, Shape, begin, check_bounds, check_element, element_error, enter, is_array, is_inner_array,
    items_of, with_bounds,
)
from pgproto.codecs.codec cimport TEXT
from pgproto.codecs.nested cimport is_users
from pgproto.codecs.scan cimport peek, refused, skip, take_digits
from pgproto.codecs.utf8 cimport decode_in_utf8, encode_in_utf8, reads_other
from pgproto.wire cimport slice_of, take_byte, take_end

from pgproto.errors import MalformedBody


cdef int array_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Shape shape
    cdef Py_ssize_t at = out.length
    cdef WriteBuffer elements
    if out.encoding is not None:
        return encode_in_utf8(array_text_encode, codec, out, value)
    if not is_array(value):
        raise TypeError(f"sized iterable container expected, got {type(value).__name__}")
    begin(&shape, value)
    # Bounds stand before the elements, which have to be seen for the upper ones.
    elements = WriteBuffer() if shape.is_bounded else out
    put_level(codec, elements, &shape, items_of(value), 0)
    if shape.lengths[shape.ndim - 1] == 0:
        # An array without elements has no dimensions, whatever the shape of its braces.
        out.cut(at)
        return out.put_bytes(b"{}", 2)
    check_bounds(&shape)
    if shape.is_bounded:
        put_bounds(out, &shape)
        out.put_bytes(elements.start, elements.length)
    return 0


cdef int put_bounds(WriteBuffer out, Shape *shape) except -1:
    cdef int depth
    for depth in range(shape.ndim):
        out.put_text(f"[{shape.lower[depth]}:{shape.lower[depth] + shape.lengths[depth] - 1}]")
    return out.put_byte(c"=")


cdef int put_level(Codec codec, WriteBuffer out, Shape *shape, tuple items, int depth) except -1:
    cdef char delimiter = <char>codec.element.delimiter
    enter(shape, items, depth)
    out.put_byte(c"{")
    if shape.ndim == depth + 1:
        put_elements(codec.element, out, shape, items, depth)
    else:
        for i, item in enumerate(items):
            shape.path[depth] = i
            if not is_inner_array(item):
                raise ValueError(f"non-homogeneous array: an array was expected, got {type(item).__name__}")
            if i:
                out.put_byte(delimiter)
            put_level(codec, out, shape, items_of(item), depth + 1)
    return out.put_byte(c"}")


cdef int put_elements(Codec element, WriteBuffer out, Shape *shape, tuple items, int depth) except -1:
    cdef Py_ssize_t i = 0
    cdef char delimiter = <char>element.delimiter
    cdef WriteBuffer text = WriteBuffer()
    shape.depth = depth + 1
    try:
        for item in items:
            if i:
                out.put_byte(delimiter)
            if item is None:
                out.put_bytes(b"NULL", 4)
            else:
                check_element(item)
                text.cut(0)
                element.encode[TEXT](element, text, item)
                put_quoted(out, slice_of(text.start, text.length))
            i += 1
    except (TypeError, ValueError, OverflowError) as error:
        shape.path[depth] = i
        raise element_error(shape, error) from error
    return 0


cdef int put_quoted(WriteBuffer out, Slice text) except -1:
    cdef char byte
    out.put_byte(c'"')
    while text.n:
        byte = <char>take_byte(&text)
        if byte == c'"' or byte == c"\\":
            out.put_byte(c"\\")
        out.put_byte(byte)
    return out.put_byte(c'"')


cdef object array_text_decode(Codec codec, Slice body):
    cdef Shape shape
    cdef Slice text = body
    cdef int ndim = 0
    if reads_other():
        return decode_in_utf8(array_text_decode, codec, body)
    begin(&shape, None)
    if peek(&text) == c"[":
        ndim = take_bounds(codec, &text, &shape)
    if peek(&text) != c"{":
        raise refused(codec.name, "an array in braces", body)
    if text.n == 2 and text.at[1] == c"}":
        if ndim:
            raise refused(codec.name, "as many elements as the bounds say", body)
        return []
    # The braces that open the text say how deep it is.
    shape.ndim = 0
    while shape.ndim < text.n and text.at[shape.ndim] == c"{":
        shape.ndim += 1
        if shape.ndim > DIMENSIONS_MAX:
            raise MalformedBody(f"{codec.name}: more than {DIMENSIONS_MAX} dimensions")
        if not ndim:
            shape.lengths[shape.ndim - 1] = -1
    if ndim and ndim != shape.ndim:
        raise refused(codec.name, "as many braces as there are bounds", body)
    cdef list values = take_level(codec, &text, &shape, 0)
    take_end(&text)
    return with_bounds(codec, values, &shape)


cdef int take_bounds(Codec codec, Slice *text, Shape *shape) except -1:
    """Take `[l:u][l:u]=`, the bounds of an array that does not start at 1; return how many there are."""
    cdef Slice whole = text[0]
    cdef int64_t lower, upper
    cdef int n_lower = 0, n_upper = 0, ndim = 0
    cdef bint is_negative
    while skip(text, c"["):
        if ndim == DIMENSIONS_MAX:
            raise MalformedBody(f"{codec.name}: more than {DIMENSIONS_MAX} dimensions")
        is_negative = skip(text, c"-")
        lower = <int64_t>take_digits(text, 10, &n_lower)
        if is_negative:
            lower = -lower
        if not skip(text, c":"):
            raise refused(codec.name, "bounds like [0:2]", whole)
        is_negative = skip(text, c"-")
        upper = <int64_t>take_digits(text, 10, &n_upper)
        if is_negative:
            upper = -upper
        if (n_lower == 0 or n_upper == 0 or upper < lower or lower < -0x80000000LL or upper > 0x7FFFFFFFLL
                or not skip(text, c"]")):
            raise refused(codec.name, "bounds like [0:2]", whole)
        shape.lengths[ndim] = upper - lower + 1
        shape.lower[ndim] = <int32_t>lower
        shape.is_bounded = shape.is_bounded or lower != 1
        ndim += 1
    if not skip(text, c"="):
        raise refused(codec.name, "bounds like [0:2]=", whole)
    return ndim


cdef list take_level(Codec codec, Slice *text, Shape *shape, int depth):
    cdef Slice whole = text[0]
    cdef char delimiter = <char>codec.element.delimiter
    cdef list values = []
    if not skip(text, c"{"):
        raise refused(codec.name, "an opening brace", whole)
    while True:
        shape.path[depth] = len(values)
        if depth + 1 < shape.ndim:
            values.append(take_level(codec, text, shape, depth + 1))
        else:
            values.append(take_element(codec, text, shape, depth))
        if skip(text, c"}"):
            break
        if not skip(text, delimiter):
            raise refused(codec.name, "a delimiter or a closing brace", text[0])
    if shape.lengths[depth] == -1:
        shape.lengths[depth] = len(values)
    if shape.lengths[depth] != len(values):
        raise refused(codec.name, f"{shape.lengths[depth]} items", whole)
    return values


cdef object take_element(Codec codec, Slice *text, Shape *shape, int depth):
    cdef Codec element = codec.element
    cdef WriteBuffer value = WriteBuffer()
    if skip(text, c'"'):
        take_quoted(codec, text, value)
    elif take_bare(codec, text, value):
        return None
    try:
        return element.decode[TEXT](element, slice_of(value.start, value.length))
    except (ValueError, OverflowError) as error:
        if is_users(element, error):
            raise
        shape.depth = depth + 1
        raise element_error(shape, error) from error


cdef int take_quoted(Codec codec, Slice *text, WriteBuffer value) except -1:
    cdef char byte
    while True:
        byte = <char>take_byte(text)
        if byte == c'"':
            return 0
        value.put_byte(<char>take_byte(text) if byte == c"\\" else byte)


cdef bint take_bare(Codec codec, Slice *text, WriteBuffer value) except -1:
    """Take an element without quotes; say whether it is NULL."""
    cdef Slice whole = text[0]
    cdef int byte = peek(text)
    cdef bint has_escape = False
    while byte >= 0 and byte != c"}" and byte != <unsigned char>codec.element.delimiter:
        if byte == c'"' or byte == c"{":
            raise refused(codec.name, "an element", whole)
        take_byte(text)
        if byte == c"\\":
            has_escape = True
            byte = take_byte(text)
        value.put_byte(<unsigned char>byte)
        byte = peek(text)
    if value.length == 0:
        raise refused(codec.name, "an element", whole)
    return value.length == 4 and not has_escape and is_null(value.start)


cdef bint is_null(const char *at) noexcept:
    return (at[0] & 0x5F == c"N" and at[1] & 0x5F == c"U" and at[2] & 0x5F == c"L" and at[3] & 0x5F == c"L")
