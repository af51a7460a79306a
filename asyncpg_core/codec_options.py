"""What `connect` and `create_pool` are told about values: json functions, and classes for types of the user's own."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgproto import oids
from pgproto.codecs.json import json_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.codecs.user_types import Alias
from pgproto.errors import ClientConfigurationError

HSTORE = "pg_contrib.hstore"
# SQL's names for types beside those of the catalogue; the last four are common slips.
ALIASES = {
    **oids.SQL_ALIASES,
    "char": "bpchar",
    "timestamp with timezone": "timestamptz",
    "timestamp without timezone": "timestamp",
    "time with timezone": "timetz",
    "time without timezone": "time",
}


@dataclass(frozen=True, slots=True)
class CodecOptions:
    """`loads` takes bytes, or str if it is the standard library's; `mappings` is keyed by (schema or None, name)."""

    loads: Callable[[Any], Any] | None = None
    dumps: Callable[[Any], Any] | None = None
    mappings: Mapping[tuple[str | None, str], Any] = field(default_factory=dict)

    def new_registry(self) -> CodecRegistry:
        """Return the codecs of a new session."""
        registry = CodecRegistry(None, self.mappings)
        if self.loads is not None or self.dumps is not None:
            for oid in (oids.OID_JSON, oids.OID_JSONB):
                registry.set(oid, json_codec(oid, encoder=self.dumps, decoder=self.loads,
                                             takes_bytes=self.loads is not json.loads))
        return registry


def codec_options(json_mode: str | None, loads: Any, dumps: Any, types: Mapping[str, Any] | None) -> CodecOptions:
    """Return checked options. Who reads JSON into objects also writes every value as JSON, a str too."""
    if json_mode not in (None, "auto"):
        raise ClientConfigurationError(f"invalid json: None or 'auto' was expected, got {json_mode!r}")
    for name, function in (("json_loads", loads), ("json_dumps", dumps)):
        if function is not None and not callable(function):
            raise ClientConfigurationError(f"invalid {name}: a callable was expected, got {function!r}")
    if json_mode == "auto":
        loads = loads or json.loads
    if loads is not None:
        dumps = dumps or json.dumps
    return CodecOptions(loads, dumps, dict(mapping_of(name, wish) for name, wish in (types or {}).items()))


def mapping_of(name: str, wish: Any) -> tuple[tuple[str | None, str], Any]:
    """Return the schema and name that `name` means, and what the type is mapped to: `"app.mood"`, `"mood"`."""
    if not isinstance(name, str) or not name:
        raise ClientConfigurationError(f"invalid types: names of types were expected, got {name!r}")
    schema, _, plain = name.rpartition(".")
    if isinstance(wish, str):
        alias = alias_of(wish)
        if alias is None:
            raise ClientConfigurationError(f"invalid types: {name!r} is mapped to {wish!r}, which is no built-in type")
        wish = alias
    elif not callable(wish):
        raise ClientConfigurationError(
            f"invalid types: {name!r} is mapped to {wish!r}, a class or callable was expected")
    return (schema or None, plain), wish


def builtin_oid(name: str) -> int | None:
    """Return the OID of a built-in type by the catalogue's name or SQL's, None if there is none."""
    return oids.OID_OF.get(ALIASES.get(name.lower(), name))


def alias_of(codec_name: str) -> Alias | None:
    """Return the codec that goes by a name: a built-in type's, or `pg_contrib.hstore`; None if there is none."""
    if codec_name == HSTORE:
        return Alias(None)
    oid = builtin_oid(codec_name)
    codec = None if oid is None else builtin_codec(oid)
    return None if codec is None or codec.kind != "scalar" else Alias(codec)
