"""The driver's own limits of time, shortened for tests that wait until they are over."""
from typing import Any

from asyncpg_core import (
    canceller,
    connection,
    copy_turn,
    deadlines,
    introspection,
    pool,
    pool_member,
    pool_reset,
    pool_role,
)
from asyncpg_core import transaction as transactions

# Each is 5 s (docs/timeouts.md) but for those of the second table.
FIVE_SECONDS: list[tuple[Any, str]] = [
    (canceller, "CANCEL_SECONDS"), (connection, "CLOSE_SECONDS"), (pool_member, "CLOSE_SECONDS"),
    (deadlines, "RESET_SECONDS"), (pool_reset, "RESET_SECONDS"), (transactions, "ROLLBACK_SECONDS"),
    (introspection, "ANSWER_SECONDS"), (pool, "SETUP_END_SECONDS"), (pool_role, "ROLE_SECONDS"),
]
ONE_SECOND: list[tuple[Any, str]] = [
    (canceller, "STUCK_SECONDS"), (canceller, "RESEND_SECONDS"), (copy_turn, "FAIL_SECONDS"),
]


def shorten(monkeypatch: Any, factor: float) -> float:
    """Multiply all of them by a factor below 1 until the test is over; return what the five seconds are now."""
    for module, name in FIVE_SECONDS + ONE_SECOND:
        monkeypatch.setattr(module, name, getattr(module, name) * factor)
    return 5.0 * factor
