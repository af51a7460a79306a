"""What a user maps a type of his own to, by its name: the codec that comes of it.

A mapping is `UserFunctions`, an `Alias` of another codec, the Enum class of an enum, or what makes a value of a
composite's attributes, called with them by name; for any other type it makes a value of the text.
"""
from enum import EnumMeta

from pgproto.codecs.codec cimport Codec
from pgproto.codecs.composites cimport set_composite_formats
from pgproto.codecs.custom cimport new_custom
from pgproto.codecs.hstore cimport new_hstore

from pgproto.codecs.catalogue import ARRAY, ENUM, MULTIRANGE, RANGE
from pgproto.codecs.user_types import Alias, UserFunctions, functions_of
from pgproto.errors import InterfaceError


def mapped(Codec codec not None, facts, mapping):
    """Return what the user wants for the type that `codec` would read; InterfaceError if the two do not go together."""
    cdef Codec other
    if isinstance(mapping, UserFunctions):
        return new_custom(codec, mapping.format, mapping.encoder, mapping.decoder)
    if isinstance(mapping, Alias):
        other = new_hstore(codec) if mapping.codec is None else (<Codec>mapping.codec).twin(codec.oid)
        if mapping.format is not None:
            other.preferred = mapping.format
        other.name = facts.name
        other.schema = facts.schema
        return other
    if isinstance(mapping, EnumMeta):
        if facts.typtype != ENUM:
            raise InterfaceError(f"{facts.schema}.{facts.name} is no enum, it cannot be mapped to {mapping!r}")
        encoder, decoder = functions_of(mapping)
        return new_custom(codec, "text", encoder, decoder)
    if facts.typtype in (ARRAY, RANGE, MULTIRANGE) or not callable(mapping):
        raise InterfaceError(f"{facts.schema}.{facts.name} cannot be mapped to {mapping!r}: only enums, composites and "
                             "scalar types can be mapped")
    if codec.kind == "composite" and codec.base is None:
        other = codec.twin(codec.oid)
        other.decoder = mapping
        set_composite_formats(other)
        return other
    return new_custom(codec, "text", str, mapping)
