from datetime import timedelta

from tests.types.tables import Refused, Row

ROWS = [
    Row("interval", timedelta(0), "00:00:00"),
    Row("interval", timedelta(hours=-3), "-03:00:00"),
    Row("interval", timedelta(microseconds=1), "00:00:00.000001"),
    Row("interval", timedelta(days=1, seconds=1), "24:00:01"),
    Row("interval", timedelta(days=-1, microseconds=1), "-23:59:59.999999"),
    Row("interval", timedelta(days=106751991, microseconds=14454775807), "2562047788:00:54.775807", since=15),
    # Months and days are read as days, and written as microseconds.
    Row("interval", timedelta(days=425), "1 year 2 mons", writes=False),
    Row("interval", timedelta(days=-512), "-1 years -5 mons +3 days", writes=False),
    Row("interval", timedelta(days=3, hours=4), "3 days 04:00:00", writes=False),
]
REFUSED = [
    Refused("interval", 5, "a timedelta was expected"),
    Refused("interval", timedelta.max, "106751991 days"),
    Refused("interval", timedelta.min, "106751991 days"),
]
