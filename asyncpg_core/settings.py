"""What the server reports about a session, as attributes."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgproto.codecs.codec import Codec
    from pgproto.codecs.registry import CodecRegistry


class ConnectionSettings:
    """The parameters that the server reports, by their exact names; always current."""

    def __init__(self, parameters: Mapping[str, str], registry: CodecRegistry) -> None:
        self._settings = parameters
        self._registry = registry

    def __getattr__(self, name: str) -> str:
        if not name.startswith("_"):
            try:
                return self._settings[name]
            except KeyError:
                pass
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<ConnectionSettings {dict(self._settings)!r}>"

    def get_data_codec(self, oid: int) -> Codec | None:
        """Return what writes and reads values of a type on this connection, None for a type not met yet."""
        return self._registry.codec(oid)
