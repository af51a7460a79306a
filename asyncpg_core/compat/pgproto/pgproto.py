"""asyncpg.pgproto.pgproto: the buffers, the class that uuid values have (here Python's own), epochs and infinities."""
import datetime
from uuid import UUID

from asyncpg_core.types import DATE_INFINITY as infinity_date
from asyncpg_core.types import DATE_NEGATIVE_INFINITY as negative_infinity_date
from asyncpg_core.types import DATETIME_INFINITY as infinity_datetime
from asyncpg_core.types import DATETIME_NEGATIVE_INFINITY as negative_infinity_datetime
from pgproto.codecs.registry import CodecRegistry as CodecContext
from pgproto.read_buffer import ReadBuffer
from pgproto.write_buffer import WriteBuffer

utc = datetime.timezone.utc
pg_UUID = UUID
pg_epoch_date = datetime.date(2000, 1, 1)
pg_epoch_datetime = datetime.datetime(2000, 1, 1)
pg_epoch_datetime_utc = datetime.datetime(2000, 1, 1, tzinfo=utc)

__all__ = (
    "BufferError", "CodecContext", "ReadBuffer", "UUID", "WriteBuffer", "infinity_date", "infinity_datetime",
    "negative_infinity_date", "negative_infinity_datetime", "pg_UUID", "pg_epoch_date", "pg_epoch_datetime",
    "pg_epoch_datetime_utc", "utc",
)


class BufferError(Exception):
    """Raised by asyncpg's buffers. Ours raise ProtocolError; the name is here for `except` clauses."""
