from datetime import datetime, time, timedelta, timezone

from tests.types.tables import Refused, Row

UTC = timezone.utc
ODD = timezone(timedelta(hours=1, minutes=2, seconds=3))
WEST = timezone(-timedelta(hours=15, minutes=59, seconds=59))

ROWS = [
    Row("time", time.min, "00:00:00"),
    Row("time", time(12, 34, 56), "12:34:56", also=(datetime(2000, 1, 1, 12, 34, 56), time(12, 34, 56, tzinfo=UTC))),
    Row("time", time.max, "23:59:59.999999"),
    Row("timetz", time(0, tzinfo=UTC), "00:00:00+00"),
    Row("timetz", time(10, tzinfo=ODD), "10:00:00+01:02:03"),
    Row("timetz", time(23, 59, 59, 1, WEST), "23:59:59.000001-15:59:59"),
    Row("timetz", time(1, tzinfo=timezone(timedelta(hours=5, minutes=30))), "01:00:00+05:30"),
]
REFUSED = [
    Refused("time", 5, "a time was expected"),
    Refused("timetz", time(1), "an aware time was expected"),
    Refused("timetz", time(1, tzinfo=timezone(timedelta(hours=16))), "15:59:59"),
]
