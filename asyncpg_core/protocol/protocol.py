"""A connection's protocol as asyncpg's users and instrumentations see it: a thin face of the session."""
from __future__ import annotations

from typing import TYPE_CHECKING

from asyncpg_core.patchable import Patchable
from asyncpg_core.settings import ConnectionSettings

if TYPE_CHECKING:
    from asyncpg_core.session import Session


class BaseProtocol:
    """What a protocol object has; compat adds the methods that tracers replace in `Protocol`, and find here again."""

    def __init__(self, session: Session, is_ssl: bool = False) -> None:
        self.session = session
        self.is_ssl = is_ssl

    @property
    def queries_count(self) -> int:
        """How many statements were sent."""
        return self.session.n_executed

    def is_closed(self) -> bool:
        return self.session.is_closed

    def is_in_transaction(self) -> bool:
        return self.session.frontend.transaction_status != "I"

    def get_server_pid(self) -> int:
        return self.session.frontend.backend_pid

    def get_settings(self) -> ConnectionSettings:
        return ConnectionSettings(self.session.frontend.parameters, self.session.registry)

    def abort(self) -> None:
        self.session.abort()


class Protocol(BaseProtocol, metaclass=Patchable):
    """The protocol object of a connection; it takes any attribute."""
