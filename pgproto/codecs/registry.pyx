"""Which codec a type has.

The built-in map is shared by all sessions; the families fill it as they are imported and nothing changes it later, so
it is read without a lock. Types that the catalogue has told us of (`TypeCache`) are shared by the sessions of a pool. A
session lays its own codecs over both, and whatever contains such a type is built anew for it: arrays, ranges,
composites, domains. Nothing is built before somebody asks for it.
"""
cimport cython

from pgproto.codecs.arrays cimport new_array, set_array_formats
from pgproto.codecs.bridge cimport agree
from pgproto.codecs.codec cimport BINARY
from pgproto.codecs.composites cimport new_composite, new_record
from pgproto.codecs.enums cimport new_enum
from pgproto.codecs.ranges cimport new_multirange, new_range
from pgproto.codecs.text_fallback cimport new_text
from pgproto.limits cimport NESTING_MAX
from pgproto.oids cimport OID_RECORD

from pgproto.codecs.catalogue import ARRAY, COMPOSITE, DOMAIN, ENUM, MULTIRANGE, RANGE, TypeCache
from pgproto.codecs.mapping import mapped
from pgproto.errors import ProtocolError
from pgproto.oids import ARRAY_OF, ELEMENT_OF, MULTIRANGE_RANGE, NAME_OF, RANGE_SUBTYPE, TYPTYPE_OF

cdef dict builtins = {}
cdef dict array_of = ARRAY_OF
cdef dict element_of = ELEMENT_OF
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
    register_codec(codec)
    return codec


cdef int prefer(uint32_t oid, int format) except -1:
    """Make `format` the one in which values of `oid` and its arrays travel; it is binary where there is one."""
    cdef Codec codec = builtins[oid]
    codec.preferred = format
    return register_codec(codec)


cdef int register_codec(Codec codec) except -1:
    """Make a codec the built-in one of its type; its array type follows."""
    builtins[codec.oid] = codec
    cdef object array_oid = array_of.get(codec.oid)
    if array_oid is not None:
        if array_oid in builtins and (<Codec>builtins[array_oid]).element is codec:
            set_array_formats(builtins[array_oid])
        else:
            builtins[array_oid] = new_array(array_oid, codec)
    return 0


def add_ranges():
    """Add the built-in ranges and multiranges; called when their subtypes are registered."""
    for oid, subtype in RANGE_SUBTYPE.items():
        register_codec(new_range(oid, name_of[oid], builtins[subtype]))
    for oid, range_oid in MULTIRANGE_RANGE.items():
        register_codec(new_multirange(oid, name_of[oid], builtins[range_oid]))


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
    """The codecs of one session: its own first, the built-in ones below, then those that the catalogue gives."""

    def __cinit__(self, types=None, mappings=None):
        """`types` is a TypeCache to be shared; `mappings` says what the user wants for types by (schema, name)."""
        self.types = TypeCache() if types is None else types
        self.mappings = dict(mappings) if mappings else {}
        self.overlay = {}
        self.found = {}
        self.missing = set()
        self.version = self.types.version

    cdef Codec find(self, uint32_t oid):
        cdef Codec codec = self.found.get(oid)
        if codec is not None and self.version == self.types.version:
            return codec
        if oid in self.types.facts:
            self.find_parts(oid)
        return self.find_nested(oid, 0)

    cdef int find_parts(self, uint32_t oid) except -1:
        """Find the codecs of all that a type is made of, from the inside out and without recursion: a type of 500
        levels must not need more stack than one of two."""
        if self.version != self.types.version:
            self.found = {}
            self.version = self.types.version
        cdef dict facts = self.types.facts
        cdef list path = [(oid, iter(facts[oid].parts))]
        while path:
            oid, parts = path[len(path) - 1]
            for part in parts:
                if part in facts and part not in self.found:
                    if len(path) > NESTING_MAX:
                        raise ProtocolError(f"the type with oid {part} is nested deeper than {NESTING_MAX}")
                    path.append((part, iter(facts[part].parts)))
                    break
            else:
                path.pop()
                self.find_nested(oid, 0)
        return 0

    cdef Codec find_or_text(self, uint32_t oid):
        """The codec of `oid`; for a type that nobody knows, one that reads and writes its text."""
        cdef Codec codec = self.find(oid)
        return new_text(oid, f"oid {oid}", "pg_catalog") if codec is None else codec

    cdef Codec find_nested(self, uint32_t oid, int depth):
        cdef Codec codec
        if self.version != self.types.version:
            self.found = {}
            self.version = self.types.version
        codec = self.found.get(oid)
        if codec is not None:
            return codec
        if depth > NESTING_MAX:
            raise ProtocolError(f"the type with oid {oid} is nested deeper than {NESTING_MAX}")
        codec = self.build(oid, depth)
        if self.keeps_bounds and codec is not None and codec.kind == "array":
            codec = codec.twin(oid)
            codec.keeps_bounds = True
        if codec is not None:
            self.found[oid] = codec
        return codec

    cdef Codec build(self, uint32_t oid, int depth):
        """Put together the codec of `oid` from those of its parts; None if it is not known."""
        cdef Codec codec = self.overlay.get(oid)
        if codec is not None:
            return codec
        codec = builtins.get(oid)
        if codec is not None:
            return self.build_builtin(codec, depth)
        if oid == OID_RECORD:
            return new_record(oid, self.find_element)
        if oid in element_of:
            codec = self.find_nested(element_of[oid], depth + 1)
            return None if codec is None else new_array(oid, codec)
        facts = self.types.facts.get(oid)
        if facts is not None:
            return self.build_derived(facts, depth)
        if oid in name_of and TYPTYPE_OF[oid] != COMPOSITE:
            # Built in, and nobody has asked for more than its text so far.
            return new_text(oid, name_of[oid], "pg_catalog")
        return None

    cdef Codec build_builtin(self, Codec codec, int depth):
        """The built-in codec, or one of the same kind over what this session has laid over its element."""
        cdef Codec element
        # int2vector and oidvector have elements and are nobody's array type: they stay what they are.
        if codec.element is None or not self.overlay or (codec.kind == "array" and codec.oid not in element_of):
            return codec
        element = self.find_nested(codec.element.oid, depth + 1)
        if element is codec.element:
            return codec
        if codec.kind == "array":
            return new_array(codec.oid, element)
        if codec.kind == "range":
            return new_range(codec.oid, codec.name, element)
        return new_multirange(codec.oid, codec.name, element)

    cdef Codec build_derived(self, object facts, int depth):
        """The codec of a type from the catalogue, and what the user maps it to."""
        cdef Codec codec
        is_shared = not self.overlay and not self.mappings and not self.keeps_bounds
        if is_shared:
            codec = self.types.codecs.get(facts.oid)
            if codec is not None:
                return codec
        codec = self.build_plain(facts, depth)
        if is_shared:
            self.types.codecs[facts.oid] = codec
            return codec
        mapping = self.mapping_of(facts)
        return codec if mapping is None else mapped(codec, facts, mapping)

    cdef Codec build_plain(self, object facts, int depth):
        cdef Codec codec
        kind = facts.typtype
        if kind == COMPOSITE:
            return self.build_composite(facts, depth)
        if kind == ENUM:
            return new_enum(facts.oid, facts.name, facts.schema)
        if kind == ARRAY:
            codec = new_array(facts.oid, self.part(facts.inner, depth), facts.schema)
            if facts.inner in self.types.facts:     # the codec of a domain is called after its base
                codec.name = f"{self.types.facts[facts.inner].name}[]"
            return codec
        if kind == DOMAIN:
            return self.part(facts.inner, depth).twin(facts.oid)
        if kind == RANGE:
            return new_range(facts.oid, facts.name, self.part(facts.inner, depth), facts.schema)
        if kind == MULTIRANGE:
            return new_multirange(facts.oid, facts.name, self.part(facts.inner, depth), facts.schema)
        codec = new_text(facts.oid, facts.name, facts.schema)
        codec.delimiter = ord(facts.delimiter)
        return codec

    cdef Codec build_composite(self, object facts, int depth):
        fields = tuple([self.part(oid, depth) for oid in facts.oids])
        return new_composite(facts.oid, facts.name, facts.schema, facts.names, agree(fields))

    cdef Codec part(self, uint32_t oid, int depth):
        """The codec of a type inside another one."""
        cdef Codec codec = self.find_nested(oid, depth + 1)
        return new_text(oid, f"oid {oid}", "pg_catalog") if codec is None else codec

    cdef object mapping_of(self, object facts):
        """What the user maps a type to: by schema and name, or by the name alone if it is found without the schema."""
        mapping = self.mappings.get((facts.schema, facts.name))
        if mapping is None and facts.is_visible:
            mapping = self.mappings.get((None, facts.name))
        return mapping

    # For everybody else

    def codec(self, uint32_t oid):
        """Return the codec of `oid`, or None."""
        return self.find(oid)

    def codec_or_text(self, uint32_t oid):
        """Return the codec of `oid`, or one that reads and writes its text."""
        return self.find_or_text(oid)

    def find_element(self, uint32_t oid):
        """Return the codec of an element of a `record`; who asks the catalogue is told of one that is not known."""
        codec = self.find(oid)
        if codec is None:
            self.missing.add(oid)
        return codec

    def unknown(self, oids):
        """Return those of `oids` that only the catalogue could tell us of."""
        cdef uint32_t oid
        return [oid for oid in oids if self.find(oid) is None]

    def keep_array_bounds(self):
        """From now on, read an array whose elements are not counted from 1 as `pgproto.types.Array`."""
        self.keeps_bounds = True
        self.found = {}

    def adopt(self, types not None):
        """Go on with another TypeCache, which other sessions of the same database use as well."""
        self.types = types
        self.version = types.version
        self.found = {}

    def set(self, uint32_t oid, Codec codec not None):
        """Lay `codec` over `oid`; everything that contains the type follows."""
        self.overlay[oid] = codec
        self.found = {}

    def reset(self, uint32_t oid):
        """Take away what `set` laid over `oid`; say whether there was something."""
        self.found = {}
        return self.overlay.pop(oid, None) is not None

    def map(self, schema, str name not None, mapping):
        """Let the type of a name, whatever OID it has or will have, be what `pgproto.codecs.mapping` makes of it."""
        self.mappings[schema, name] = mapping
        self.found = {}

    def unmap(self, schema, str name not None):
        """Take away what `map` said of a name; say whether there was something."""
        self.found = {}
        return self.mappings.pop((schema, name), None) is not None

    def clear(self):
        """Take away everything that was laid over the other codecs."""
        self.overlay.clear()
        self.found = {}
