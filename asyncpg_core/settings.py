"""What the server reports about a session, as attributes."""
from __future__ import annotations

from collections.abc import Mapping


class ConnectionSettings:
    """The parameters that the server reports, by their exact names; always current."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._settings = parameters

    def __getattr__(self, name: str) -> str:
        if not name.startswith("_"):
            try:
                return self._settings[name]
            except KeyError:
                pass
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<ConnectionSettings {dict(self._settings)!r}>"
