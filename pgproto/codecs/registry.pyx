"""Which codec a type has.

The built-in map is shared by all sessions; the families fill it as they are imported and nothing changes it later, so
it is read without a lock. A session lays its own codecs over it. The array type of an element comes with the element:
an array reads its element's functions through the element's codec, so a session that replaces int4 gets a new int4[].
"""
cimport cython

from pgproto.codecs.arrays cimport new_array, set_array_formats
from pgproto.codecs.codec cimport BINARY
from pgproto.codecs.text_fallback cimport new_text

from pgproto.oids import ARRAY_OF, NAME_OF

cdef dict builtins = {}
cdef dict array_of = ARRAY_OF
cdef dict name_of = NAME_OF


cdef Codec register(uint32_t oid, int format, encode_t encode, decode_t decode, bint is_leaf=False):
    """Make the pair of functions the built-in way of `oid` in `format`; return its codec.

    Either function may be NULL. The array type follows, if there is one. To register the same again changes nothing.
    """
    cdef Codec codec = builtins.get(oid)
    if codec is None:
        codec = Codec(oid, name_of[oid])
    codec.encode[format] = encode
    codec.decode[format] = decode
    codec.is_leaf = is_leaf
    if format == BINARY and decode != NULL:
        codec.preferred = BINARY
    builtins[oid] = codec
    cdef object array_oid = array_of.get(oid)
    if array_oid is not None:
        if array_oid in builtins:
            set_array_formats(builtins[array_oid])
        else:
            builtins[array_oid] = new_array(array_oid, codec)
    return codec


cdef int prefer(uint32_t oid, int format) except -1:
    """Make `format` the one in which values of `oid` and its arrays travel; it is binary where there is one."""
    cdef Codec codec = builtins[oid]
    codec.preferred = format
    if array_of.get(oid) in builtins:
        set_array_formats(builtins[array_of[oid]])
    return 0


cdef int register_codec(Codec codec) except -1:
    """Make a codec the built-in one of its type; its array type follows."""
    builtins[codec.oid] = codec
    cdef object array_oid = array_of.get(codec.oid)
    if array_oid is not None:
        builtins[array_oid] = new_array(array_oid, codec)
    return 0


cdef Codec twin_of(Codec codec):
    cdef Codec twin = Codec(codec.oid, codec.name, schema=codec.schema, kind=codec.kind, element=codec.element)
    cdef int format
    twin.preferred = codec.preferred
    twin.is_leaf = codec.is_leaf
    twin.delimiter = codec.delimiter
    twin.encoder = codec.encoder
    twin.decoder = codec.decoder
    for format in range(2):
        twin.encode[format] = codec.encode[format]
        twin.decode[format] = codec.decode[format]
    return twin


cdef Codec builtin(uint32_t oid):
    """The built-in codec of `oid`, or None."""
    return builtins.get(oid)


def builtin_codec(uint32_t oid):
    """Return the built-in codec of `oid`, or None."""
    return builtin(oid)


def builtin_oids():
    """Return the OIDs that have a built-in codec, in order."""
    return sorted(builtins)


@cython.final
cdef class CodecRegistry:
    """The codecs of one session: its own first, the built-in ones below."""

    def __cinit__(self):
        self.overlay = {}
        self.bounded = None

    cdef Codec find(self, uint32_t oid):
        cdef Codec codec = None
        if self.overlay:
            codec = self.overlay.get(oid)
        if codec is None:
            codec = builtins.get(oid)
        if self.bounded is not None and codec is not None and codec.kind == "array":
            return self.with_bounds(codec)
        return codec

    cdef Codec with_bounds(self, Codec codec):
        cdef Codec twin = self.bounded.get(codec)
        if twin is None:
            twin = twin_of(codec)
            twin.keeps_bounds = True
            self.bounded[codec] = twin
        return twin

    def keep_array_bounds(self):
        """From now on, read an array whose elements are not counted from 1 as `pgproto.types.Array`."""
        if self.bounded is None:
            self.bounded = {}

    cdef Codec find_or_text(self, uint32_t oid):
        """The codec of `oid`; for a type that nobody knows, one that reads and writes its text."""
        cdef Codec codec = self.find(oid)
        if codec is None:
            codec = new_text(oid, f"oid {oid}", "pg_catalog")
        return codec

    def codec(self, uint32_t oid):
        """Return the codec of `oid`, or None."""
        return self.find(oid)

    def codec_or_text(self, uint32_t oid):
        """Return the codec of `oid`, or one that reads and writes its text."""
        return self.find_or_text(oid)

    def set(self, uint32_t oid, Codec codec not None):
        """Lay `codec` over the built-in codec of `oid`; the built-in array type of `oid` follows."""
        self.overlay[oid] = codec
        cdef object array_oid = array_of.get(oid)
        if array_oid is not None:
            self.overlay[array_oid] = new_array(array_oid, codec)

    def reset(self, uint32_t oid):
        """Take away what `set` laid over `oid` and over its array type; say whether there was something."""
        self.overlay.pop(array_of.get(oid), None)
        return self.overlay.pop(oid, None) is not None

    def clear(self):
        """Take away everything that was laid over the built-in codecs."""
        self.overlay.clear()
