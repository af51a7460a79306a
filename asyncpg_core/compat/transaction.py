"""What asyncpg.transaction has beside our own names."""
from __future__ import annotations

from asyncpg_core.transaction import ISOLATION_LEVELS
from asyncpg_core.transaction import State as TransactionState

ISOLATION_LEVELS_BY_VALUE = {name.replace("_", " "): name for name in sorted(ISOLATION_LEVELS)}

__all__ = ("ISOLATION_LEVELS", "ISOLATION_LEVELS_BY_VALUE", "TransactionState")
