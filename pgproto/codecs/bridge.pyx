"""Making the attributes of a composite agree on one format.

A user's codec often knows one format only: text for one attribute, binary for another. If they do not agree, a scalar
is taken across by the built-in codec of its type, which knows both: its text is read and written again in binary, or
the other way round. This costs time, and is the last resort.
"""
from pgproto.codecs.arrays cimport new_array
from pgproto.codecs.codec cimport BINARY, TEXT
from pgproto.codecs.composites cimport new_composite
from pgproto.codecs.ranges cimport new_multirange, new_range
from pgproto.codecs.utf8 cimport reads_other
from pgproto.encodings cimport Encoding, read_as, reading
from pgproto.wire cimport Slice, slice_of
from pgproto.write_buffer cimport WriteBuffer


cdef bint has(Codec codec, int format) noexcept:
    return codec.encode[format] != NULL and codec.decode[format] != NULL


cdef tuple agree(tuple fields):
    """The same codecs, or such that have a format in common; the same ones if there is no way."""
    cdef Codec field
    cdef int format
    for format in (BINARY, TEXT):
        if all([has(field, format) for field in fields]):
            return fields
    for format in (TEXT, BINARY):
        bridged = [in_format(field, format) for field in fields]
        if None not in bridged:
            return tuple(bridged)
    return fields


cdef Codec in_format(Codec codec, int format):
    """The codec, or one of the same type that has `format`; None if there is no way."""
    cdef Codec inner
    if has(codec, format):
        return codec
    if codec.base is not None and codec.kind == "composite":
        return None
    if codec.base is not None:
        return new_bridge(codec, format) if has(codec, 1 - format) and has(codec.base, TEXT) and (
            has(codec.base, BINARY)) else None
    if codec.fields is not None:
        fields = tuple([in_format(field, format) for field in codec.fields])
        if None in fields:
            return None
        inner = new_composite(codec.oid, codec.name, codec.schema, codec.shape.names, fields)
        inner.decoder = codec.decoder
        return inner
    inner = in_format(codec.element, format) if codec.element is not None else None
    if inner is None:
        return None
    if codec.kind == "array":
        return new_array(codec.oid, inner, codec.schema)
    if codec.kind == "range":
        return new_range(codec.oid, codec.name, inner, codec.schema)
    return new_multirange(codec.oid, codec.name, inner, codec.schema)


cdef Codec new_bridge(Codec codec, int format):
    """A codec that exchanges in `format` what `codec` can only exchange in the other one."""
    cdef Codec bridge = codec.twin(codec.oid)
    bridge.element = codec
    bridge.preferred = format
    if format == TEXT:
        bridge.offer(TEXT, text_bridge_encode, True, text_bridge_decode, True)
    else:
        bridge.offer(BINARY, binary_bridge_encode, True, binary_bridge_decode, True)
    return bridge


cdef int put_across(Codec bridge, WriteBuffer out, object value, int format) except -1:
    cdef Codec inner = bridge.element
    cdef WriteBuffer written = WriteBuffer()
    inner.encode[1 - format](inner, written, value)
    crossed = bridge.base.decode[1 - format](bridge.base, slice_of(written.start, written.length))
    return bridge.base.encode[format](bridge.base, out, crossed)


cdef object take_across(Codec bridge, Slice body, int format):
    cdef Codec inner = bridge.element
    cdef WriteBuffer written = WriteBuffer()
    cdef Encoding encoding
    crossed = bridge.base.decode[format](bridge.base, body)
    bridge.base.encode[1 - format](bridge.base, written, crossed)
    body = slice_of(written.start, written.length)
    if not reads_other():
        return inner.decode[1 - format](inner, body)
    # What was written here is UTF-8, whatever the session's encoding is.
    encoding = reading()
    read_as(None)
    try:
        return inner.decode[1 - format](inner, body)
    finally:
        read_as(encoding)


cdef int text_bridge_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_across(codec, out, value, TEXT)


cdef int binary_bridge_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_across(codec, out, value, BINARY)


cdef object text_bridge_decode(Codec codec, Slice body):
    return take_across(codec, body, TEXT)


cdef object binary_bridge_decode(Codec codec, Slice body):
    return take_across(codec, body, BINARY)
