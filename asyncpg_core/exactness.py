"""What a user asks for where Python's own types cannot hold all that PostgreSQL's can."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncpg_core.server_version import split_server_version_string
from pgproto.codecs.dates import exact_date_codec
from pgproto.codecs.intervals import exact_interval_codec
from pgproto.codecs.registry import CodecRegistry
from pgproto.codecs.timestamps import exact_timestamp_codec, exact_timestamptz_codec
from pgproto.errors import ClientConfigurationError
from pgproto.oids import OID_DATE, OID_INTERVAL, OID_TIMESTAMP, OID_TIMESTAMPTZ

# The first server whose intervals can be infinite; before, the same bytes were a length.
INFINITE_INTERVALS_SINCE = 17


@dataclass(frozen=True, slots=True)
class Exactness:
    """Infinity as sentinels that are no dates, intervals part by part, arrays with their lower bounds."""

    infinity: bool = False
    interval: bool = False
    array_bounds: bool = False

    def apply(self, registry: CodecRegistry, parameters: Mapping[str, str]) -> None:
        """Lay what was asked for over the built-in codecs of a session with the server that reported `parameters`."""
        if self.infinity:
            registry.set(OID_DATE, exact_date_codec())
            registry.set(OID_TIMESTAMP, exact_timestamp_codec())
            registry.set(OID_TIMESTAMPTZ, exact_timestamptz_codec())
        is_infinite = self.infinity and has_infinite_intervals(parameters)
        if self.interval or is_infinite:
            registry.set(OID_INTERVAL, exact_interval_codec(parts=self.interval, infinity=is_infinite))
        if self.array_bounds:
            registry.keep_array_bounds()


def has_infinite_intervals(parameters: Mapping[str, str]) -> bool:
    version = parameters.get("server_version")
    return version is not None and split_server_version_string(version).major >= INFINITE_INTERVALS_SINCE


def exactness(infinity: str | None, interval: str | None, array_bounds: str | None) -> Exactness:
    """Return checked wishes; ClientConfigurationError names the one that asks for something else."""
    for name, value, known in (("infinity", infinity, "exact"), ("interval", interval, "exact"),
                               ("array_bounds", array_bounds, "keep")):
        if value is not None and value != known:
            raise ClientConfigurationError(f"invalid {name}: None or {known!r} was expected, got {value!r}")
    return Exactness(infinity is not None, interval is not None, array_bounds is not None)
