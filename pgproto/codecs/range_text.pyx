"""Ranges and multiranges in the text format, which is used when their subtype has no binary one.

  empty   [1,5)   (,"a ""quoted"" one"]      {}   {[1,3),[5,7)}

Nothing on one side of the comma is infinity. We quote every bound that we write.
"""
from pgproto.codecs.array_text cimport put_quoted
from pgproto.codecs.codec cimport TEXT
from pgproto.codecs.nested cimport is_users, nested_error
from pgproto.codecs.range_values cimport (
    RANGE_EMPTY, RANGE_LOWER_INCLUSIVE, RANGE_LOWER_INFINITE, RANGE_UPPER_INCLUSIVE, RANGE_UPPER_INFINITE, bound_error,
    bounds_of, range_of, ranges_of,
)
from pgproto.codecs.scan cimport peek, refused, skip, take_quoted
from pgproto.codecs.utf8 cimport decode_in_utf8, encode_in_utf8, reads_other
from pgproto.wire cimport slice_of, take_end


cdef int range_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef int flags = 0
    cdef tuple bounds
    if out.encoding is not None:
        return encode_in_utf8(range_text_encode, codec, out, value)
    bounds = bounds_of(value, &flags)
    if flags & RANGE_EMPTY:
        return out.put_bytes(b"empty", 5)
    out.put_byte(c"[" if flags & RANGE_LOWER_INCLUSIVE else c"(")
    if not flags & RANGE_LOWER_INFINITE:
        put_bound(codec, out, bounds[0], "lower")
    out.put_byte(c",")
    if not flags & RANGE_UPPER_INFINITE:
        put_bound(codec, out, bounds[1], "upper")
    return out.put_byte(c"]" if flags & RANGE_UPPER_INCLUSIVE else c")")


cdef int put_bound(Codec codec, WriteBuffer out, object bound, str which) except -1:
    cdef Codec subtype = codec.element
    cdef WriteBuffer text = WriteBuffer()
    try:
        subtype.encode[TEXT](subtype, text, bound)
    except (TypeError, ValueError, OverflowError) as error:
        raise bound_error(codec, which, error) from error
    return put_quoted(out, slice_of(text.start, text.length))


cdef object range_text_decode(Codec codec, Slice body):
    cdef Slice text = body
    if reads_other():
        return decode_in_utf8(range_text_decode, codec, body)
    value = take_range(codec, &text)
    take_end(&text)
    return value


cdef object take_range(Codec codec, Slice *text):
    """Take one range from the front."""
    cdef Slice whole = text[0]
    cdef int flags = 0
    cdef object lower = None
    cdef object upper = None
    if is_empty(text):
        return range_of(None, None, RANGE_EMPTY)
    if skip(text, c"["):
        flags |= RANGE_LOWER_INCLUSIVE
    elif not skip(text, c"("):
        raise refused(codec.name, "a range", whole)
    if peek(text) != c",":
        lower = take_bound(codec, text, "lower")
    if not skip(text, c","):
        raise refused(codec.name, "a comma between two bounds", whole)
    if not is_end(text):
        upper = take_bound(codec, text, "upper")
    if skip(text, c"]"):
        flags |= RANGE_UPPER_INCLUSIVE
    elif not skip(text, c")"):
        raise refused(codec.name, "the end of a range", whole)
    return range_of(lower, upper, flags)


cdef bint is_empty(Slice *text) noexcept:
    """Whether the next word is `empty`; if so it is taken."""
    cdef Py_ssize_t i
    cdef const char *word = "empty"
    if text.n < 5:
        return False
    for i in range(5):
        if text.at[i] | 0x20 != word[i]:
            return False
    text.at += 5
    text.n -= 5
    return True


cdef bint is_end(Slice *text) noexcept:
    cdef int byte = peek(text)
    return byte == c"]" or byte == c")"


cdef object take_bound(Codec codec, Slice *text, str which):
    cdef Codec subtype = codec.element
    cdef WriteBuffer value = WriteBuffer()
    take_quoted(text, b",])", value)
    try:
        return subtype.decode[TEXT](subtype, slice_of(value.start, value.length))
    except (ValueError, OverflowError) as error:
        if is_users(subtype, error):
            raise
        raise bound_error(codec, which, error) from error


cdef int multirange_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Codec element = codec.element
    cdef Py_ssize_t i
    if out.encoding is not None:
        return encode_in_utf8(multirange_text_encode, codec, out, value)
    out.put_byte(c"{")
    for i, item in enumerate(ranges_of(value)):
        if i:
            out.put_byte(c",")
        try:
            element.encode[TEXT](element, out, item)
        except (TypeError, ValueError, OverflowError) as error:
            raise nested_error(error, f"[{i}]", f"invalid range at index {i}") from error
    return out.put_byte(c"}")


cdef object multirange_text_decode(Codec codec, Slice body):
    cdef Slice text = body
    cdef list values = []
    if reads_other():
        return decode_in_utf8(multirange_text_decode, codec, body)
    if not skip(&text, c"{"):
        raise refused(codec.name, "ranges in braces", body)
    while not skip(&text, c"}"):
        if values and not skip(&text, c","):
            raise refused(codec.name, "a comma or the closing brace", text)
        values.append(take_range(codec.element, &text))
    take_end(&text)
    return values
