"""The dates, times and intervals that PostgreSQL calls infinity and -infinity.

INFINITY and NEGATIVE_INFINITY are what they are read as on request: before or after everything, and no dates. The
others are for code that knows only dates. Each is a date or datetime and equal to the last or first one that Python
has, so code that compares and sorts goes on working; written back it is infinity again, while `date.max` itself is
9999-12-31. What arithmetic with one gives is an ordinary date or datetime.
"""
from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any, final

__all__ = [
    "DATETIMETZ_INFINITY",
    "DATETIMETZ_NEGATIVE_INFINITY",
    "DATETIME_INFINITY",
    "DATETIME_NEGATIVE_INFINITY",
    "DATE_INFINITY",
    "DATE_NEGATIVE_INFINITY",
    "INFINITY",
    "NEGATIVE_INFINITY",
    "InfiniteDate",
    "InfiniteDatetime",
    "Infinity",
]


@final
class Infinity:
    """After or before every date, datetime and timedelta; equal to nothing but itself. There are two."""

    __slots__ = ("_sign",)

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def __repr__(self) -> str:
        return "infinity" if self._sign > 0 else "-infinity"

    def __neg__(self) -> Infinity:
        return NEGATIVE_INFINITY if self._sign > 0 else INFINITY

    def _is_less(self, other: object) -> Any:
        if isinstance(other, Infinity):
            return self._sign < other._sign
        return self._sign < 0 if isinstance(other, (date, timedelta)) else NotImplemented

    def _is_greater(self, other: object) -> Any:
        if isinstance(other, Infinity):
            return self._sign > other._sign
        return self._sign > 0 if isinstance(other, (date, timedelta)) else NotImplemented

    def __lt__(self, other: object) -> Any:
        return self._is_less(other)

    def __gt__(self, other: object) -> Any:
        return self._is_greater(other)

    def __le__(self, other: object) -> Any:
        return self is other or self._is_less(other)

    def __ge__(self, other: object) -> Any:
        return self is other or self._is_greater(other)

    def __reduce__(self) -> str:
        return "INFINITY" if self._sign > 0 else "NEGATIVE_INFINITY"

    def __copy__(self) -> Infinity:
        return self

    def __deepcopy__(self, memo: object) -> Infinity:
        return self


INFINITY = Infinity(1)
NEGATIVE_INFINITY = Infinity(-1)


class InfiniteDate(date):
    """A date after or before all others."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return date(*args, **kwargs)

    def __repr__(self) -> str:
        return "-infinity" if self.year == 1 else "infinity"

    __str__ = __repr__

    # date.replace() would make another InfiniteDate.
    def replace(self, *args: Any, **kwargs: Any) -> Any:
        return date(self.year, self.month, self.day).replace(*args, **kwargs)

    __replace__ = replace

    def __reduce__(self) -> str:
        return "DATE_NEGATIVE_INFINITY" if self.year == 1 else "DATE_INFINITY"

    def __reduce_ex__(self, protocol: Any) -> str:
        return self.__reduce__()


class InfiniteDatetime(datetime):
    """A moment after or before all others, aware for timestamptz."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return datetime(*args, **kwargs)

    def __repr__(self) -> str:
        return "-infinity" if self.year == 1 else "infinity"

    __str__ = __repr__

    # A zone given or taken away leaves infinity what it is; any other part makes an ordinary datetime.
    def replace(self, *args: Any, **kwargs: Any) -> Any:
        if not args and list(kwargs) == ["tzinfo"] and kwargs["tzinfo"] in (None, timezone.utc):
            if kwargs["tzinfo"] is None:
                return DATETIME_NEGATIVE_INFINITY if self.year == 1 else DATETIME_INFINITY
            return DATETIMETZ_NEGATIVE_INFINITY if self.year == 1 else DATETIMETZ_INFINITY
        return datetime.combine(self.date(), self.timetz()).replace(*args, **kwargs)

    __replace__ = replace

    def __reduce__(self) -> str:
        zone = "" if self.tzinfo is None else "TZ"
        return f"DATETIME{zone}_NEGATIVE_INFINITY" if self.year == 1 else f"DATETIME{zone}_INFINITY"

    def __reduce_ex__(self, protocol: Any) -> str:
        return self.__reduce__()


def _infinite_date(last: date) -> InfiniteDate:
    return date.__new__(InfiniteDate, last.year, last.month, last.day)


def _infinite_datetime(last: datetime, zone: timezone | None) -> InfiniteDatetime:
    return datetime.__new__(InfiniteDatetime, last.year, last.month, last.day, last.hour, last.minute, last.second,
                            last.microsecond, zone)


DATE_INFINITY = _infinite_date(date.max)
DATE_NEGATIVE_INFINITY = _infinite_date(date.min)
DATETIME_INFINITY = _infinite_datetime(datetime.max, None)
DATETIME_NEGATIVE_INFINITY = _infinite_datetime(datetime.min, None)
DATETIMETZ_INFINITY = _infinite_datetime(datetime.max, timezone.utc)
DATETIMETZ_NEGATIVE_INFINITY = _infinite_datetime(datetime.min, timezone.utc)
