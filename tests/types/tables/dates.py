from datetime import date, datetime

from pgproto.codecs.infinity import DATE_INFINITY, DATE_NEGATIVE_INFINITY
from tests.types.tables import Refused, Row

ROWS = [
    Row("date", date(2000, 1, 1), "2000-01-01", also=(datetime(2000, 1, 1, 23, 59),)),
    Row("date", date(1999, 12, 31), "1999-12-31"),
    Row("date", date(2024, 2, 29), "2024-02-29"),
    Row("date", date.min, "0001-01-01"),
    Row("date", date.max, "9999-12-31"),
    Row("date", DATE_INFINITY, "infinity"),
    Row("date", DATE_NEGATIVE_INFINITY, "-infinity"),
]
REFUSED = [
    Refused("date", "2024-01-01", "a date was expected"),
    Refused("date", 5, "a date was expected"),
]
