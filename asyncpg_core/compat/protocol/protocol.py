"""What asyncpg.protocol.protocol has beside our own names."""
from __future__ import annotations

import base64
import time
from types import TracebackType
from typing import Any

from asyncpg_core.compat.protocol import BUILTIN_TYPE_NAME_MAP, BUILTIN_TYPE_OID_MAP, NO_TIMEOUT
from asyncpg_core.settings import ConnectionSettings
from pgproto.codecs.codec import Codec
from pgproto.codecs.registry import CodecRegistry as DataCodecConfig
from pgproto.record import Record, RowShape, make_record
from pgproto.record import RowShape as RecordDescriptor
from pgproto.scram import ScramClient, salted_password
from pgproto.secret import Secret
from pgproto.statement import Statement as PreparedStatementState

__all__ = ("BUILTIN_TYPE_NAME_MAP", "BUILTIN_TYPE_OID_MAP", "Codec", "ConnectionSettings", "DataCodecConfig",
           "NO_TIMEOUT", "PreparedStatementState", "Record", "RecordDescriptor", "SCRAMAuthentication", "Timer",
           "_create_record")


class SCRAMAuthentication(ScramClient):
    """An exchange by asyncpg's name; what sends the messages is pgproto.auth."""

    __slots__ = ("authentication_method",)

    def __init__(self, authentication_method: bytes) -> None:
        super().__init__()
        self.authentication_method = authentication_method

    def _generate_salted_password(self, password: str, salt: bytes, iterations: int) -> bytes:
        """Return the salted password of RFC 5802; `salt` is base64, as the server sends it."""
        return salted_password(Secret(password), base64.b64decode(salt), iterations)


class Timer:
    """A budget of seconds, None for no limit, less what was spent inside `with` blocks."""

    def __init__(self, budget: float | None) -> None:
        self._budget = budget
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._budget is not None:
            self._budget -= time.monotonic() - self._began

    def get_remaining_budget(self) -> float | None:
        """Return the seconds that are left, None for no limit."""
        return self._budget

    def has_budget_greater_than(self, amount: float) -> bool:
        return self._budget is None or self._budget > amount


def _create_record(mapping: Any, elems: tuple[Any, ...]) -> Record:
    """Return a record; `mapping` maps names to positions, or has the names in order. What no name has is named ''."""
    pairs = mapping.items() if hasattr(mapping, "items") else [(name, at) for at, name in enumerate(mapping or ())]
    names = [""] * len(elems)
    for name, at in pairs:
        if at < len(names):
            names[at] = name
    return make_record(RowShape(names), elems)
