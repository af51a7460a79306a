"""asyncpg.protocol.record: the row and what iterates over it."""
from pgproto.record import Record, RecordItemsIterator, RecordIterator
from pgproto.record import RowShape as RecordDescriptor

__all__ = ("Record", "RecordDescriptor", "RecordIterator", "RecordItemsIterator")
