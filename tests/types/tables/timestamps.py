from datetime import date, datetime, timedelta, timezone

from pgproto.codecs.infinity import (
    DATETIME_INFINITY,
    DATETIME_NEGATIVE_INFINITY,
    DATETIMETZ_INFINITY,
    DATETIMETZ_NEGATIVE_INFINITY,
)
from tests.types.tables import Refused, Row

UTC = timezone.utc
EAST = timezone(timedelta(hours=5, minutes=30))

ROWS = [
    Row("timestamp", datetime(2000, 1, 1), "2000-01-01 00:00:00", also=(date(2000, 1, 1),)),
    Row("timestamp", datetime(1999, 12, 31, 23, 59, 59, 999999), "1999-12-31 23:59:59.999999"),
    Row("timestamp", datetime.min, "0001-01-01 00:00:00"),
    Row("timestamp", datetime.max, "9999-12-31 23:59:59.999999"),
    Row("timestamp", DATETIME_INFINITY, "infinity"),
    Row("timestamp", DATETIME_NEGATIVE_INFINITY, "-infinity"),
    Row("timestamptz", datetime(2000, 1, 1, 0, 0, 0, 1, UTC), "2000-01-01 00:00:00.000001+00",
        also=(datetime(2000, 1, 1, 5, 30, 0, 1, EAST),)),
    Row("timestamptz", datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 00:00:00+00"),
    Row("timestamptz", datetime.max.replace(tzinfo=UTC), "9999-12-31 23:59:59.999999+00"),
    Row("timestamptz", DATETIMETZ_INFINITY, "infinity"),
    Row("timestamptz", DATETIMETZ_NEGATIVE_INFINITY, "-infinity"),
]
REFUSED = [
    Refused("timestamp", "2024-01-01", "expected a datetime.date or datetime.datetime"),
    Refused("timestamp", datetime(2000, 1, 1, tzinfo=UTC), "make the column timestamptz"),
    Refused("timestamptz", 5, "expected a datetime.date or datetime.datetime"),
]
