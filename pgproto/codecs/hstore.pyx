r"""hstore as dict[str, str | None], for who asks for it: by default an hstore is its text.

  | n i32 | (length i32, key, length i32 or -1, value) x n |        "a"=>"1", "b"=>NULL
"""
from collections.abc import Mapping

from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int32_t

from pgproto.codecs.array_text cimport put_quoted
from pgproto.codecs.codec cimport BINARY, TEXT
from pgproto.codecs.scan cimport refused, skip
from pgproto.codecs.utf8 cimport decode_in_utf8, encode_in_utf8, reads_other, str_of
from pgproto.wire cimport Slice, slice_of, take_byte, take_end, take_int32, take_slice
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody


cdef Codec new_hstore(Codec base):
    """A codec for the type of `base`, which is hstore under whatever OID it was created."""
    cdef Codec codec = Codec(base.oid, base.name, schema=base.schema)
    codec.encode[TEXT] = hstore_text_encode
    codec.decode[TEXT] = hstore_text_decode
    codec.encode[BINARY] = hstore_encode
    codec.decode[BINARY] = hstore_decode
    codec.preferred = BINARY
    return codec


def hstore_codec(Codec base not None):
    """Return a codec that reads and writes dicts for the type of `base`."""
    return new_hstore(base)


cdef list pairs_of(object value):
    """The pairs of a mapping or of an iterable of pairs, all str or, as a value, None."""
    cdef list pairs = []
    if not isinstance(value, Mapping) and (PyUnicode_Check(value) or not hasattr(value, "__iter__")):
        raise TypeError(f"a mapping or an iterable of pairs was expected, got {type(value).__name__}")
    for pair in value.items() if isinstance(value, Mapping) else value:
        key, item = pair
        if key is None:
            raise TypeError("null value not allowed in hstore key")
        if not PyUnicode_Check(key):
            raise TypeError(f"keys are expected to be str, got {type(key).__name__}")
        if item is not None and not PyUnicode_Check(item):
            raise TypeError(f"values are expected to be str or None, got {type(item).__name__}")
        pairs.append((key, item))
    return pairs


cdef int put_string(WriteBuffer out, str text) except -1:
    cdef Py_ssize_t at = out.begin_value()
    out.put_text(text)
    return out.end_value(at)


cdef int hstore_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef list pairs = pairs_of(value)
    out.put_int32(<int32_t>len(pairs))
    for key, item in pairs:
        put_string(out, key)
        if item is None:
            out.put_int32(-1)
        else:
            put_string(out, item)
    return 0


cdef object hstore_decode(Codec codec, Slice body):
    cdef int32_t n = take_int32(&body)
    cdef int32_t _i, length
    cdef dict found = {}
    # A pair takes at least the bytes of its two lengths.
    if n < 0 or <Py_ssize_t>n * 8 > body.n:
        raise MalformedBody(f"hstore: {n} pairs in {body.n} bytes")
    for _i in range(n):
        key = str_of(take_slice(&body, take_int32(&body)))
        length = take_int32(&body)
        found[key] = None if length == -1 else str_of(take_slice(&body, length))
    take_end(&body)
    return found


cdef int put_quoted_text(WriteBuffer out, str text) except -1:
    cdef WriteBuffer part = WriteBuffer()
    part.put_text(text)
    return put_quoted(out, slice_of(part.start, part.length))


cdef int hstore_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef bint is_first = True
    if out.encoding is not None:
        return encode_in_utf8(hstore_text_encode, codec, out, value)
    for key, item in pairs_of(value):
        if not is_first:
            out.put_byte(c",")
        is_first = False
        put_quoted_text(out, key)
        out.put_bytes(b"=>", 2)
        if item is None:
            out.put_bytes(b"NULL", 4)
        else:
            put_quoted_text(out, item)
    return 0


cdef str take_quoted(Slice *text, Slice whole):
    cdef WriteBuffer value = WriteBuffer()
    cdef unsigned char byte
    if not skip(text, c'"'):
        raise refused("hstore", "a quoted string", whole)
    while True:
        byte = take_byte(text)
        if byte == c'"':
            return str_of(slice_of(value.start, value.length))
        value.put_byte(take_byte(text) if byte == c"\\" else byte)


cdef object hstore_text_decode(Codec codec, Slice body):
    """Read what the server writes: everything is quoted but NULL."""
    cdef Slice text = body
    cdef dict found = {}
    if reads_other():
        return decode_in_utf8(hstore_text_decode, codec, body)
    while text.n:
        if found and not (skip(&text, c",") and skip(&text, c" ")):
            raise refused("hstore", "a comma and a space between pairs", body)
        key = take_quoted(&text, body)
        if not (skip(&text, c"=") and skip(&text, c">")):
            raise refused("hstore", "=> between a key and its value", body)
        if skip(&text, c"N"):
            if not (skip(&text, c"U") and skip(&text, c"L") and skip(&text, c"L")):
                raise refused("hstore", "a quoted value or NULL", body)
            found[key] = None
        else:
            found[key] = take_quoted(&text, body)
    return found
