"""asyncpg.prepared_stmt."""
from asyncpg_core.prepared_statement import PreparedStatement

__all__ = ("PreparedStatement",)
