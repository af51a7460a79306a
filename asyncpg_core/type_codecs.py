"""set_type_codec, set_builtin_type_codec and reset_type_codec.

A built-in type is laid over by its OID, any other by its name: so the codec stays when the type is dropped and made
again. Statements of the cache are described anew; statements that the user has prepared keep the codecs they have.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncpg_core.codec_options import alias_of, builtin_oid
from asyncpg_core.type_query import by_name
from pgproto.codecs.catalogue import ARRAY, COMPOSITE, DOMAIN, ENUM, SCALAR, TypeFacts, read_facts
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.mapping import mapped
from pgproto.codecs.user_types import Alias, UserFunctions
from pgproto.errors import InterfaceError, UnsupportedClientFeatureError
from pgproto.oids import ELEMENT_OF, NAME_OF, TYPTYPE_OF

if TYPE_CHECKING:
    from asyncpg_core.connection import Connection

FORMATS = ("text", "binary", "tuple")


async def find_type(connection: Connection[Any], name: str, schema: str) -> TypeFacts:
    """Return the type of a name; no query for a built-in type, nor for one that the pool knows. ValueError if there is
    none."""
    oid = builtin_oid(name) if schema == "pg_catalog" else None
    if oid is not None:
        typtype = ARRAY if oid in ELEMENT_OF else TYPTYPE_OF[oid]
        return TypeFacts(oid, NAME_OF[oid], schema, typtype, ELEMENT_OF.get(oid, 0), ",", True)
    types = connection._session.registry.types
    facts = types.named(name, schema)
    if facts is None:
        version = connection._session.frontend.parameters.get("server_version", "")
        op: Any = await connection._calls.run("set_type_codec", by_name(name, schema, version), None)
        types.learn(read_facts(op.take_rows()))
        facts = types.named(name, schema)
    if facts is None:
        raise ValueError(f"unknown type: {schema}.{name}")
    return facts


def is_builtin(facts: TypeFacts) -> bool:
    return facts.oid in NAME_OF and facts.typtype != COMPOSITE


def lay(connection: Connection[Any], facts: TypeFacts, mapping: Any) -> None:
    """Let the type be what `mapping` says, from the next description on."""
    session = connection._session
    registry = session.registry
    if is_builtin(facts):
        registry.reset(facts.oid)
        base = registry.codec_or_text(facts.oid)
        if isinstance(mapping, UserFunctions):
            codec = custom_codec(base, mapping.format, mapping.encoder, mapping.decoder)
        else:
            codec = mapped(base, facts, mapping)
        registry.set(facts.oid, codec)
    else:
        registry.unmap(facts.schema, facts.name)
        # To know now whether the two go together.
        mapped(registry.codec_or_text(facts.oid), facts, mapping)
        registry.map(facts.schema, facts.name, mapping)
    session.statements.clear()


async def set_type_codec(
    connection: Connection[Any], name: str, schema: str, encoder: Callable[[Any], Any], decoder: Callable[[Any], Any],
    format: str,
) -> None:
    """Let the user's functions write and read a type."""
    if format not in FORMATS:
        raise InterfaceError(f"invalid `format` argument, expected 'text', 'binary' or 'tuple', got {format!r}")
    facts = await find_type(connection, name, schema)
    if facts.typtype == DOMAIN:
        raise UnsupportedClientFeatureError(
            "custom codecs on domain types are not supported",
            detail="A result does not say that a column is of a domain, it names the type below.",
            hint="Set the codec on the base type.")
    if facts.typtype == COMPOSITE and format != "tuple":
        raise UnsupportedClientFeatureError(
            "only tuple-format codecs can be used on composite types",
            hint="Pass format='tuple': the encoder returns a tuple, the decoder takes a record.")
    if facts.typtype not in (SCALAR, ENUM, COMPOSITE, "p"):
        raise InterfaceError(f"cannot use custom codec on type {schema}.{name}: it is neither a scalar type nor a "
                             "composite type")
    lay(connection, facts, UserFunctions(format, encoder, decoder))


async def set_builtin_type_codec(
    connection: Connection[Any], name: str, schema: str, codec_name: str, format: str | None
) -> None:
    """Let a built-in codec write and read a scalar type."""
    if format not in (None, "text", "binary"):
        raise InterfaceError(f"invalid `format` argument, expected 'text' or 'binary', got {format!r}")
    facts = await find_type(connection, name, schema)
    if facts.typtype not in (SCALAR, ENUM, DOMAIN):
        raise InterfaceError(f"cannot alias non-scalar type {schema}.{name}")
    alias = alias_of(codec_name)
    if alias is not None and format is not None:
        alias = in_format(alias, FORMATS.index(format))
    if alias is None:
        raise InterfaceError(f"cannot alias {name} to {codec_name}: there is no {format or 'text'} codec for "
                             f"{codec_name}")
    lay(connection, facts, alias)


def in_format(alias: Alias, format: int) -> Alias | None:
    """Return an alias that is exchanged in a format, None if it has no codec for that; hstore is binary only."""
    has_it = format == 1 if alias.codec is None else alias.codec.has_format(format)
    return Alias(alias.codec, format) if has_it else None


async def reset_type_codec(connection: Connection[Any], name: str, schema: str) -> None:
    """Let a type be written and read as if no codec had been set."""
    facts = await find_type(connection, name, schema)
    registry = connection._session.registry
    if is_builtin(facts):
        registry.reset(facts.oid)
    else:
        registry.unmap(facts.schema, facts.name)
    connection._session.statements.clear()


