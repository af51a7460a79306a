"""SQLAlchemy's dialect `postgresql+asyncpg_core`: its asyncpg dialect, over this driver and without `import asyncpg`.

create_async_engine("postgresql+asyncpg_core://user@host/database") finds it through the entry point of the installed
package.
"""
from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as dialect

from asyncpg_core import exceptions

# Ours and, where it is another one, the name of the class that SQLAlchemy raises for it.
TRANSLATED = {
    "IntegrityConstraintViolationError": "IntegrityError",
    "PostgresError": "Error",
    "SyntaxOrAccessError": "ProgrammingError",
    **{name: name for name in (
        "InterfaceError", "InvalidCachedStatementError", "InternalServerError", "RestrictViolationError",
        "NotNullViolationError", "ForeignKeyViolationError", "UniqueViolationError", "CheckViolationError",
        "ExclusionViolationError", "InternalClientError")},
}

__all__ = ("PGDialect_asyncpg_core", "AsyncAdapt_asyncpg_core_dbapi")


class AsyncAdapt_asyncpg_core_dbapi(dialect.AsyncAdapt_asyncpg_dbapi):
    """What SQLAlchemy takes for a DBAPI module."""

    @functools.cached_property
    def _asyncpg_error_translate(self) -> dict[type[BaseException], Any]:
        # SQLAlchemy looks an error's classes up in their order. 2.0 does not have all of its own yet.
        return {getattr(exceptions, ours): getattr(self, theirs)
                for ours, theirs in TRANSLATED.items() if hasattr(self, theirs)}


class PGDialect_asyncpg_core(dialect.PGDialect_asyncpg):
    """SQLAlchemy's asyncpg dialect under this driver's name."""

    driver = "asyncpg_core"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        adapted: Any = AsyncAdapt_asyncpg_core_dbapi
        module: ModuleType = adapted(sys.modules["asyncpg_core"])
        return module
