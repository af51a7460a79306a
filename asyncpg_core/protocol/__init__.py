"""The names that asyncpg's users import from its protocol package."""
from asyncpg_core.protocol.protocol import Protocol
from pgproto.record import Record

__all__ = ("Protocol", "Record")
