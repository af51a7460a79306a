"""Types that are read and written as their text: what a type has of which nothing else is known."""
from pgproto.codecs.codec cimport TEXT
from pgproto.codecs.utf8 cimport text_decode, text_encode


cdef Codec new_text(uint32_t oid, str name, str schema):
    """A codec for a type of which only the text format is known."""
    cdef Codec codec = Codec(oid, name, schema=schema)
    codec.encode[TEXT] = text_encode
    codec.decode[TEXT] = text_decode
    return codec


def text_codec(uint32_t oid, str name not None, str schema not None="pg_catalog"):
    """Return a codec that reads and writes the text of a type's values."""
    return new_text(oid, name, schema)
