"""A codec: the pair of functions for each format of one type, and what they need to know.

The codec is the first argument of its own functions, so an array finds its element's codec there and a user's codec
the user's functions. A codec is immutable once it is registered.
"""
cimport cython

from pgproto.wire cimport slice_of
from pgproto.write_buffer cimport WriteBuffer


@cython.final
cdef class Codec:
    def __cinit__(self, uint32_t oid, str name, *, str schema="pg_catalog", str kind="scalar", Codec element=None):
        self.oid = oid
        self.name = name
        self.schema = schema
        self.kind = kind
        self.element = element
        self.preferred = TEXT
        self.is_leaf = False
        self.delimiter = 44
        self.keeps_bounds = False
        self.encode[0] = self.encode[1] = NULL
        self.decode[0] = self.decode[1] = NULL

    def __repr__(self):
        return f"<Codec {self.schema}.{self.name} oid={self.oid}>"

    cdef int offer(self, int format, encode_t encode, bint can_encode, decode_t decode, bint can_decode) except -1:
        """Set the functions of a format, each if the parts of the type have theirs."""
        self.encode[format] = encode
        self.decode[format] = decode
        if not can_encode:
            self.encode[format] = NULL
        if not can_decode:
            self.decode[format] = NULL
        return 0

    cdef Codec twin(self, uint32_t oid):
        """A codec that does the same for another type: a domain over this one."""
        cdef Codec twin = Codec(oid, self.name, schema=self.schema, kind=self.kind, element=self.element)
        cdef int format
        twin.fields = self.fields
        twin.shape = self.shape
        twin.base = self.base
        twin.encoder = self.encoder
        twin.decoder = self.decoder
        twin.runs_user_code = self.runs_user_code
        twin.binary_is_text = self.binary_is_text
        twin.preferred = self.preferred
        twin.is_leaf = self.is_leaf
        twin.delimiter = self.delimiter
        twin.keeps_bounds = self.keeps_bounds
        twin.find = self.find
        for format in range(2):
            twin.encode[format] = self.encode[format]
            twin.decode[format] = self.decode[format]
        return twin

    def has_format(self, int format):
        """Whether the type can be read in `format` (0 text, 1 binary)."""
        return 0 <= format <= 1 and self.decode[format] != NULL

    def encode_value(self, value, int format=BINARY):
        """Return the body of `value`; for tests and tools, the hot path calls `encode` itself."""
        cdef WriteBuffer out = WriteBuffer()
        if not 0 <= format <= 1 or self.encode[format] == NULL:
            raise ValueError(f"{self.name} cannot be written in format {format}")
        self.encode[format](self, out, value)
        return out.take_all()

    def decode_value(self, bytes body not None, int format=BINARY):
        """Return the value of `body`; for tests and tools, the hot path calls `decode` itself."""
        if not 0 <= format <= 1 or self.decode[format] == NULL:
            raise ValueError(f"{self.name} cannot be read in format {format}")
        return self.decode[format](self, slice_of(body, len(body)))
