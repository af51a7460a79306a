"""Ranges and multiranges of any subtype, in the binary format.

  range:       | flags u8 | (length i32, lower bound)? | (length i32, upper bound)? |
  multirange:  | n i32 | (length i32, range) x n |

A bound is there unless the range is empty or infinite on that side. The text format is in range_text.
"""
from libc.stdint cimport int32_t

from pgproto.codecs.codec cimport BINARY, TEXT
from pgproto.codecs.nested cimport is_users, nested_error
from pgproto.codecs.range_text cimport (
    multirange_text_decode, multirange_text_encode, range_text_decode, range_text_encode,
)
from pgproto.codecs.range_values cimport (
    RANGE_EMPTY, RANGE_LOWER_INCLUSIVE, RANGE_LOWER_INFINITE, RANGE_UPPER_INCLUSIVE, RANGE_UPPER_INFINITE, bound_error,
    bounds_of, range_of, ranges_of,
)
from pgproto.wire cimport Slice, take_byte, take_end, take_int32, take_slice
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody

# CONTAIN_EMPTY (0x80) never leaves an index.
cdef enum:
    KNOWN_FLAGS = 0x1F


cdef Codec new_range(uint32_t oid, str name, Codec subtype, str schema="pg_catalog"):
    """A codec for ranges of `subtype`, in the formats that it has."""
    cdef Codec codec = Codec(oid, name, schema=schema, kind="range", element=subtype)
    codec.offer(BINARY, range_encode, subtype.encode[BINARY] != NULL, range_decode, subtype.decode[BINARY] != NULL)
    codec.offer(TEXT, range_text_encode, subtype.encode[TEXT] != NULL, range_text_decode, subtype.decode[TEXT] != NULL)
    codec.preferred = subtype.preferred
    codec.runs_user_code = subtype.runs_user_code
    return codec


cdef Codec new_multirange(uint32_t oid, str name, Codec range_codec, str schema="pg_catalog"):
    """A codec for multiranges, in the formats that their ranges have."""
    cdef Codec codec = Codec(oid, name, schema=schema, kind="multirange", element=range_codec)
    codec.offer(BINARY, multirange_encode, range_codec.encode[BINARY] != NULL, multirange_decode,
                range_codec.decode[BINARY] != NULL)
    codec.offer(TEXT, multirange_text_encode, range_codec.encode[TEXT] != NULL, multirange_text_decode,
                range_codec.decode[TEXT] != NULL)
    codec.preferred = range_codec.preferred
    codec.runs_user_code = range_codec.runs_user_code
    return codec


def range_codec(uint32_t oid, str name not None, Codec subtype not None, str schema not None="public"):
    """Return a codec for ranges of `subtype`."""
    return new_range(oid, name, subtype, schema)


def multirange_codec(uint32_t oid, str name not None, Codec element not None, str schema not None="public"):
    """Return a codec for multiranges of the range `element`."""
    return new_multirange(oid, name, element, schema)


cdef int range_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef int flags = 0
    cdef tuple bounds = bounds_of(value, &flags)
    out.put_byte(<unsigned char>flags)
    if flags & RANGE_EMPTY:
        return 0
    if not flags & RANGE_LOWER_INFINITE:
        put_bound(codec, out, bounds[0], "lower")
    if not flags & RANGE_UPPER_INFINITE:
        put_bound(codec, out, bounds[1], "upper")
    return 0


cdef int put_bound(Codec codec, WriteBuffer out, object bound, str which) except -1:
    cdef Codec subtype = codec.element
    cdef Py_ssize_t at = out.begin_value()
    try:
        subtype.encode[BINARY](subtype, out, bound)
    except (TypeError, ValueError, OverflowError) as error:
        raise bound_error(codec, which, error) from error
    return out.end_value(at)


cdef object range_decode(Codec codec, Slice body):
    cdef int flags = take_byte(&body)
    cdef object lower = None
    cdef object upper = None
    if flags & ~KNOWN_FLAGS:
        raise MalformedBody(f"{codec.name}: unknown flags {flags:#04x}")
    if not flags & RANGE_EMPTY:
        if (flags & (RANGE_LOWER_INFINITE | RANGE_LOWER_INCLUSIVE) == RANGE_LOWER_INFINITE | RANGE_LOWER_INCLUSIVE
                or flags & (RANGE_UPPER_INFINITE | RANGE_UPPER_INCLUSIVE)
                == RANGE_UPPER_INFINITE | RANGE_UPPER_INCLUSIVE):
            raise MalformedBody(f"{codec.name}: an infinite bound cannot be included, flags {flags:#04x}")
        if not flags & RANGE_LOWER_INFINITE:
            lower = take_bound(codec, &body, "lower")
        if not flags & RANGE_UPPER_INFINITE:
            upper = take_bound(codec, &body, "upper")
    take_end(&body)
    return range_of(lower, upper, flags)


cdef object take_bound(Codec codec, Slice *body, str which):
    cdef Codec subtype = codec.element
    cdef int32_t length = take_int32(body)
    cdef Slice part = take_slice(body, length)
    try:
        return subtype.decode[BINARY](subtype, part)
    except (ValueError, OverflowError) as error:
        if is_users(subtype, error):
            raise
        raise bound_error(codec, which, error) from error


cdef int multirange_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Codec element = codec.element
    cdef tuple ranges = ranges_of(value)
    cdef Py_ssize_t i, at
    out.put_int32(<int32_t>len(ranges))
    for i, item in enumerate(ranges):
        at = out.begin_value()
        try:
            element.encode[BINARY](element, out, item)
        except (TypeError, ValueError, OverflowError) as error:
            raise nested_error(error, f"[{i}]", f"invalid range at index {i}") from error
        out.end_value(at)
    return 0


cdef object multirange_decode(Codec codec, Slice body):
    cdef Codec element = codec.element
    cdef int32_t n = take_int32(&body)
    cdef int32_t i, length
    cdef Slice part
    cdef list values = []
    # A range takes at least the bytes of its length and its flags.
    if n < 0 or <Py_ssize_t>n * 5 > body.n:
        raise MalformedBody(f"{codec.name}: {n} ranges in {body.n} bytes")
    for i in range(n):
        length = take_int32(&body)
        part = take_slice(&body, length)
        try:
            values.append(element.decode[BINARY](element, part))
        except (ValueError, OverflowError) as error:
            if is_users(element, error):
                raise
            raise nested_error(error, f"[{i}]", f"range at index {i}") from error
    take_end(&body)
    return values
