"""Codecs whose functions are the user's, in one of three exchange formats.

`text`: the encoder returns str, the decoder takes str. `binary`: the encoder returns anything with a buffer, the
decoder takes bytes. `tuple`: both sides see the numbers that the type is made of, or the attributes of a composite.

  date (days,)   time, timestamp, timestamptz (microseconds,)   timetz (microseconds, seconds west of UTC)
  interval (months, days, microseconds)

Days and microseconds count from 2000-01-01 or midnight. NULL never reaches the functions. Where the binary form of a
type is its text, the codec works in both formats.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int32_t, int64_t

from pgproto.codecs.codec cimport BINARY, TEXT, decode_t, encode_t
from pgproto.codecs.utf8 cimport str_of
from pgproto.oids cimport OID_DATE, OID_INTERVAL, OID_JSONB, OID_TIME, OID_TIMESTAMP, OID_TIMESTAMPTZ, OID_TIMETZ
from pgproto.wire cimport Slice, take_byte, take_end, take_int32, take_int64
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import InterfaceError, MalformedBody

# How many numbers the tuple of a type has.
cdef dict tuple_lengths = {OID_DATE: 1, OID_TIME: 1, OID_TIMESTAMP: 1, OID_TIMESTAMPTZ: 1, OID_TIMETZ: 2,
                           OID_INTERVAL: 3}


def custom_codec(Codec base not None, str format not None, encoder, decoder):
    """Return a codec for the type of `base` that exchanges values with the user's functions in `format`."""
    return new_custom(base, format, encoder, decoder)


cdef Codec new_custom(Codec base, str format, object encoder, object decoder):
    cdef Codec codec = Codec(base.oid, base.name, schema=base.schema, kind=base.kind)
    codec.base = base
    codec.encoder = encoder
    codec.decoder = decoder
    codec.runs_user_code = True
    codec.delimiter = base.delimiter
    codec.binary_is_text = base.binary_is_text
    if base.kind == "composite":
        set_composite(codec, format)
    elif format == "text":
        set_both(codec, TEXT, text_encode, text_decode)
        if base.oid == OID_JSONB:
            codec.encode[BINARY] = jsonb_encode
            codec.decode[BINARY] = jsonb_decode
    elif format == "binary":
        set_both(codec, BINARY, binary_encode, binary_decode)
    elif base.oid in tuple_lengths:
        codec.encode[BINARY] = numbers_encode
        codec.decode[BINARY] = numbers_decode
        codec.preferred = BINARY
    else:
        refuse_format(codec, format)
    return codec


cdef int refuse_format(Codec codec, str format) except -1:
    raise InterfaceError(f"{codec.name} type does not support the {format!r} exchange format")


cdef int set_both(Codec codec, int format, encode_t encode, decode_t decode) except -1:
    """Set the functions of a format; of both where they are the same bytes."""
    codec.preferred = format
    codec.encode[format] = encode
    codec.decode[format] = decode
    if codec.binary_is_text:
        codec.encode[1 - format] = encode
        codec.decode[1 - format] = decode
    return 0


cdef int text_encode(Codec codec, WriteBuffer out, object value) except -1:
    text = codec.encoder(value)
    if PyUnicode_Check(text):
        return out.put_text(text)
    if PyBytes_Check(text):
        return out.put_utf8(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    raise TypeError(f"the encoder of {codec.name} must return str, it returned {type(text).__name__}")


cdef object text_decode(Codec codec, Slice body):
    return codec.decoder(str_of(body))


cdef int jsonb_encode(Codec codec, WriteBuffer out, object value) except -1:
    out.put_byte(1)
    return text_encode(codec, out, value)


cdef object jsonb_decode(Codec codec, Slice body):
    cdef int version = take_byte(&body)
    if version != 1:
        raise MalformedBody(f"jsonb: version 1 was expected, got {version}")
    return text_decode(codec, body)


cdef int binary_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Py_buffer view
    encoded = codec.encoder(value)
    try:
        PyObject_GetBuffer(encoded, &view, PyBUF_SIMPLE)
    except (TypeError, BufferError):
        raise TypeError(
            f"the encoder of {codec.name} must return bytes, it returned {type(encoded).__name__}") from None
    try:
        return out.put_bytes(<const char *>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef object binary_decode(Codec codec, Slice body):
    return codec.decoder(body.at[:body.n])


# Tuples of numbers

cdef int numbers_encode(Codec codec, WriteBuffer out, object value) except -1:
    numbers = codec.encoder(value)
    cdef int n = tuple_lengths[codec.oid]
    if not isinstance(numbers, (tuple, list)) or len(numbers) != n:
        raise TypeError(f"the encoder of {codec.name} must return a tuple of {n}, it returned {numbers!r:.40}")
    if codec.oid == OID_DATE:
        return out.put_int32(<int32_t>numbers[0])
    if codec.oid == OID_INTERVAL:
        out.put_int64(<int64_t>numbers[2])
        out.put_int32(<int32_t>numbers[1])
        return out.put_int32(<int32_t>numbers[0])
    out.put_int64(<int64_t>numbers[0])
    if codec.oid == OID_TIMETZ:
        out.put_int32(<int32_t>numbers[1])
    return 0


cdef object numbers_decode(Codec codec, Slice body):
    cdef int64_t microseconds = 0
    cdef int32_t days = 0
    if codec.oid == OID_DATE:
        days = take_int32(&body)
        numbers = (days,)
    elif codec.oid == OID_INTERVAL:
        microseconds = take_int64(&body)
        days = take_int32(&body)
        numbers = (take_int32(&body), days, microseconds)
    elif codec.oid == OID_TIMETZ:
        microseconds = take_int64(&body)
        numbers = (microseconds, take_int32(&body))
    else:
        microseconds = take_int64(&body)
        numbers = (microseconds,)
    take_end(&body)
    return codec.decoder(numbers)


# Composites

cdef int set_composite(Codec codec, str format) except -1:
    """The encoder returns what a composite can be written from, the decoder takes the record."""
    if format != "tuple":
        raise InterfaceError(f"only the 'tuple' exchange format is supported for the composite type "
                             f"{codec.schema}.{codec.name}")
    codec.preferred = codec.base.preferred
    codec.fields = codec.base.fields
    codec.shape = codec.base.shape
    codec.offer(BINARY, composite_encode, codec.base.encode[BINARY] != NULL, composite_decode,
                codec.base.decode[BINARY] != NULL)
    codec.offer(TEXT, composite_text_encode, codec.base.encode[TEXT] != NULL, composite_text_decode,
                codec.base.decode[TEXT] != NULL)
    return 0


cdef int composite_encode(Codec codec, WriteBuffer out, object value) except -1:
    return codec.base.encode[BINARY](codec.base, out, codec.encoder(value))


cdef int composite_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return codec.base.encode[TEXT](codec.base, out, codec.encoder(value))


cdef object composite_decode(Codec codec, Slice body):
    return codec.decoder(codec.base.decode[BINARY](codec.base, body))


cdef object composite_text_decode(Codec codec, Slice body):
    return codec.decoder(codec.base.decode[TEXT](codec.base, body))
