"""What the date and time families share: the calendar's texts, infinity, and reading ISO text."""
from cpython.datetime cimport PyDate_CheckExact, PyDateTime_CheckExact, date_year, import_datetime

from pgproto.codecs.scan cimport equals, peek, skip, take_digits

from pgproto.codecs.infinity import INFINITY, NEGATIVE_INFINITY, InfiniteDate, InfiniteDatetime

import_datetime()

cdef object infinite_date = InfiniteDate
cdef object infinite_datetime = InfiniteDatetime
cdef object exact_infinity = INFINITY
cdef object exact_minus_infinity = NEGATIVE_INFINITY


cdef str date_text(int64_t days):
    """The date as the server writes it, with BC."""
    cdef Civil civil = civil_of(days)
    if civil.year > 0:
        return f"{civil.year:04d}-{civil.month:02d}-{civil.day:02d}"
    return f"{1 - civil.year:04d}-{civil.month:02d}-{civil.day:02d} BC"


cdef str clock_text(int64_t microseconds):
    """A time of day as ISO text; hours may go beyond 24."""
    cdef int64_t seconds = microseconds // 1000000
    cdef int64_t fraction = microseconds - seconds * 1000000
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:06d}" if fraction else text


cdef str zone_text(int64_t seconds):
    """An offset from Greenwich, east positive, as ISO text."""
    cdef int64_t size = seconds if seconds >= 0 else -seconds
    text = f"{'-' if seconds < 0 else '+'}{size // 3600:02d}:{size // 60 % 60:02d}"
    return f"{text}:{size % 60:02d}" if size % 60 else text


cdef Infinity sentinel_sign(object value) noexcept:
    """Whether a value is INFINITY or NEGATIVE_INFINITY."""
    return INFINITE if value is exact_infinity else MINUS_INFINITE if value is exact_minus_infinity else FINITE


cdef object sentinel_of(Infinity infinity):
    return exact_infinity if infinity == INFINITE else exact_minus_infinity


cdef Infinity infinity_of(object value) except? FINITE:
    """Whether a value is one of the infinity singletons."""
    if PyDateTime_CheckExact(value) or PyDate_CheckExact(value):
        return FINITE
    if sentinel_sign(value) != FINITE:
        return sentinel_sign(value)
    if not isinstance(value, infinite_date) and not isinstance(value, infinite_datetime):
        return FINITE
    return MINUS_INFINITE if date_year(value) == 1 else INFINITE


cdef Infinity take_infinity(Slice body) noexcept:
    if equals(body, b"infinity", 8):
        return INFINITE
    if equals(body, b"-infinity", 9):
        return MINUS_INFINITE
    return FINITE


cdef int64_t take_date(Slice *text, bint *is_valid) except? -1:
    """Take `YYYY-MM-DD` with four or more digits of the year; return its days as if it were not BC."""
    cdef int n_year = 0, n_month = 0, n_day = 0
    cdef int64_t year = <int64_t>take_digits(text, 7, &n_year)
    cdef int64_t month = 0, day = 0
    is_valid[0] = False
    if n_year < 4 or not skip(text, c"-"):
        return 0
    month = <int64_t>take_digits(text, 2, &n_month)
    if n_month != 2 or not 1 <= month <= 12 or not skip(text, c"-"):
        return 0
    day = <int64_t>take_digits(text, 2, &n_day)
    if n_day != 2 or not 1 <= day <= 31:
        return 0
    # The 30th of February would come out as another date.
    cdef int64_t days = days_of(year, <int>month, <int>day)
    is_valid[0] = civil_of(days).month == month
    return days


cdef bint take_era(Slice *text) noexcept:
    """Whether the text ends in BC, which is taken."""
    if text.n >= 3 and equals(text[0], b" BC", 3):
        text.n = 0
        return True
    return False


cdef bint take_clock(Slice *text, Clock *clock) except -1:
    """Take `HH:MM:SS[.ffffff][+HH[:MM[:SS]]]`; say whether that was there. 24:00:00 is."""
    cdef int n_hours = 0, n_minutes = 0, n_seconds = 0
    cdef int64_t hours = <int64_t>take_digits(text, 2, &n_hours)
    cdef int64_t minutes, seconds
    if n_hours != 2 or hours > 24 or not skip(text, c":"):
        return False
    minutes = <int64_t>take_digits(text, 2, &n_minutes)
    if n_minutes != 2 or minutes > 59 or not skip(text, c":"):
        return False
    seconds = <int64_t>take_digits(text, 2, &n_seconds)
    if n_seconds != 2 or seconds > 59:
        return False
    clock.microseconds = (hours * 3600 + minutes * 60 + seconds) * 1000000
    if skip(text, c".") and not take_fraction(text, clock):
        return False
    if clock.microseconds > microseconds_per_day():
        return False
    clock.has_zone = peek(text) == c"+" or peek(text) == c"-"
    clock.zone = 0
    return take_zone(text, clock) if clock.has_zone else True


cdef bint take_fraction(Slice *text, Clock *clock) except -1:
    cdef int n = 0
    cdef int64_t fraction = <int64_t>take_digits(text, 6, &n)
    if n == 0:
        return False
    while n < 6:
        fraction *= 10
        n += 1
    clock.microseconds += fraction
    return True


cdef bint take_zone(Slice *text, Clock *clock) except -1:
    cdef int n = 0, i
    cdef bint is_west = skip(text, c"-")
    cdef int64_t part, unit = 3600
    if not is_west:
        skip(text, c"+")
    for i in range(3):
        part = <int64_t>take_digits(text, 2, &n)
        if n != 2 or part > (23 if i == 0 else 59):
            return False
        clock.zone += <int32_t>(part * unit)
        unit //= 60
        if not skip(text, c":"):
            break
    if is_west:
        clock.zone = -clock.zone
    return True
