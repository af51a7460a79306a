"""json and jsonb: read as their text, unless a loads function is set.

A str is JSON text and is sent as it is. A dict, list or tuple is written by `json.dumps`. Where the codec has an
encoder of its own, every value goes through it: it knows what a str means.
"""
import json

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Check
from cpython.list cimport PyList_Check
from cpython.tuple cimport PyTuple_Check
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.utf8 cimport reads_other, str_of
from pgproto.encodings cimport as_utf8
from pgproto.oids cimport OID_JSON, OID_JSONB
from pgproto.wire cimport Slice, take_byte
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody

cdef object dumps = json.dumps


cdef int json_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef object text
    if codec.encoder is not None:
        text = codec.encoder(value)
    elif PyUnicode_Check(value):
        text = value
    elif PyDict_Check(value) or PyList_Check(value) or PyTuple_Check(value):
        text = dumps(value)
    else:
        raise TypeError(f"expected str, dict or list, got {type(value).__name__}")
    if PyUnicode_Check(text):
        return out.put_text(text)
    if PyBytes_Check(text):
        return out.put_utf8(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    raise TypeError(f"the {codec.name} encoder must return str or bytes, it returned {type(text).__name__}")


cdef object json_decode(Codec codec, Slice body):
    if codec.decoder is None:
        return str_of(body)
    return codec.decoder(str_of(body))


cdef object json_bytes_decode(Codec codec, Slice body):
    """For a function that reads UTF-8 by itself: no str in between."""
    return codec.decoder(as_utf8(body) if reads_other() else body.at[:body.n])


cdef object jsonb_bytes_decode(Codec codec, Slice body):
    take_version(&body)
    return json_bytes_decode(codec, body)


cdef int jsonb_encode(Codec codec, WriteBuffer out, object value) except -1:
    out.put_byte(1)
    return json_encode(codec, out, value)


cdef int take_version(Slice *body) except -1:
    cdef int version = take_byte(body)
    if version != 1:
        raise MalformedBody(f"jsonb: version 1 was expected, got {version}")
    return 0


cdef object jsonb_decode(Codec codec, Slice body):
    take_version(&body)
    return json_decode(codec, body)


cdef Codec new_json(uint32_t oid, object encoder, object decoder, bint takes_bytes):
    cdef bint is_jsonb = oid == OID_JSONB
    cdef Codec codec = Codec(oid, "jsonb" if is_jsonb else "json")
    codec.encode[TEXT] = json_encode
    codec.decode[TEXT] = json_decode
    codec.encode[BINARY] = jsonb_encode if is_jsonb else json_encode
    codec.decode[BINARY] = jsonb_decode if is_jsonb else json_decode
    if takes_bytes and decoder is not None:
        codec.decode[TEXT] = json_bytes_decode
        codec.decode[BINARY] = jsonb_bytes_decode if is_jsonb else json_bytes_decode
    codec.preferred = BINARY
    codec.encoder = encoder
    codec.decoder = decoder
    codec.binary_is_text = not is_jsonb
    codec.is_leaf = decoder is None
    codec.runs_user_code = decoder is not None
    return codec


def json_codec(uint32_t oid, *, encoder=None, decoder=None, bint takes_bytes=False):
    """Return a codec for json (114) or jsonb (3802) with other functions than the defaults.

    `encoder` takes a value and returns JSON as str or bytes, `decoder` takes a str, or bytes if it `takes_bytes`.
    """
    if oid != OID_JSON and oid != OID_JSONB:
        raise ValueError(f"json ({OID_JSON}) or jsonb ({OID_JSONB}) was expected, got oid {oid}")
    return new_json(oid, encoder, decoder, takes_bytes)


register(OID_JSON, TEXT, json_encode, json_decode, True)
register(OID_JSON, BINARY, json_encode, json_decode, True).binary_is_text = True
register(OID_JSONB, TEXT, json_encode, json_decode, True)
register(OID_JSONB, BINARY, jsonb_encode, jsonb_decode, True)
