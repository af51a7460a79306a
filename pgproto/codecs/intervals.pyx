"""interval as timedelta.

  | microseconds i64 | days i32 | months i32 |

PostgreSQL keeps the three apart, since a month has no fixed length and a day has 23 to 25 hours where clocks change.
Read, a year is 365 days and a month 30. A timedelta is an exact length, so it is written as microseconds only.
"""
from cpython.datetime cimport (
    PyDelta_Check, import_datetime, timedelta_days, timedelta_microseconds, timedelta_new, timedelta_seconds,
)
from libc.stdint cimport int32_t, int64_t

from pgproto.codecs.calendar cimport clock_text, floor_quotient, floor_rest
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport equals, peek, refused, shown, skip, take_digits
from pgproto.oids cimport OID_INTERVAL
from pgproto.wire cimport Slice, slice_of, take_byte, take_end, take_int32, take_int64
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import OutOfRange

import_datetime()

cdef enum:
    DELTA_DAYS_MAX = 999999999      # timedelta.max.days

# Beyond this many days the microseconds of a timedelta do not fit into 64 bits, whatever else it has.
cdef int64_t SENT_DAYS_MAX = 106751991
cdef int64_t PART_MAX = 0x7FFFFFFFLL
cdef int64_t MICROSECONDS_MAX = 0x7FFFFFFFFFFFFFFFLL


cdef object delta_of(int64_t months, int64_t days, int64_t microseconds, str text):
    """The timedelta; the three parts are below 2**63 / 365 each, so nothing here overflows."""
    # Rounded to zero, as the server shows it: -5 months are no year and -5 months.
    cdef int64_t years = months // 12 if months >= 0 else -(-months // 12)
    cdef int64_t whole_days = floor_quotient(microseconds, 86400000000LL)
    cdef int64_t rest = floor_rest(microseconds, 86400000000LL)
    cdef int64_t total = days + years * 365 + (months - years * 12) * 30 + whole_days
    if not -DELTA_DAYS_MAX <= total <= DELTA_DAYS_MAX:
        raise OutOfRange(f"interval {text or f'of {total} days'} is outside what Python's timedelta can hold "
                         f"({DELTA_DAYS_MAX} days)")
    return timedelta_new(<int>total, <int>(rest // 1000000), <int>(rest % 1000000))


cdef int64_t part_of(object value, str name) except? -1:
    part = getattr(value, name, None)
    if part is None:
        raise TypeError(f"a timedelta was expected, got {type(value).__name__}")
    number = int(part)
    if not -DELTA_DAYS_MAX <= number <= DELTA_DAYS_MAX:
        raise OverflowError(f"{name} of {part!r} is outside what a timedelta can hold")
    return number


cdef int64_t length_of(object value) except? -1:
    """Microseconds of a timedelta, or of anything that has days, seconds and microseconds."""
    cdef int64_t days, rest
    if PyDelta_Check(value):
        days = timedelta_days(value)
        rest = timedelta_seconds(value) * 1000000LL + timedelta_microseconds(value)
    else:
        days = part_of(value, "days")
        rest = part_of(value, "seconds") * 1000000LL + part_of(value, "microseconds")
        days += floor_quotient(rest, 86400000000LL)
        rest = floor_rest(rest, 86400000000LL)
    # 106751991 days and 14454775807 microseconds are 2**63 - 1.
    if (days > SENT_DAYS_MAX or days == SENT_DAYS_MAX and rest > 14454775807LL
            or days < -SENT_DAYS_MAX):
        raise OverflowError("an interval that is sent as microseconds can have 106751991 days")
    return days * 86400000000LL + rest


cdef int interval_encode(Codec codec, WriteBuffer out, object value) except -1:
    out.put_int64(length_of(value))
    return out.put_int64(0)


cdef object interval_decode(Codec codec, Slice body):
    cdef int64_t microseconds = take_int64(&body)
    cdef int32_t days = take_int32(&body)
    cdef int32_t months = take_int32(&body)
    take_end(&body)
    # The ends of all three ranges are PostgreSQL 17's infinity; before 17 they were a length, out of range too.
    if days == months == PART_MAX and microseconds == MICROSECONDS_MAX:
        raise OutOfRange("interval infinity is outside what Python's timedelta can hold")
    if days == months == -PART_MAX - 1 and microseconds == -MICROSECONDS_MAX - 1:
        raise OutOfRange("interval -infinity is outside what Python's timedelta can hold")
    return delta_of(months, days, microseconds, None)


cdef int interval_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef int64_t length = length_of(value)
    if length < 0:
        out.put_byte(c"-")
        length = -length
    return out.put_text(clock_text(length))


cdef object interval_text_decode(Codec codec, Slice body):
    """Read IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.789`."""
    cdef Slice rest = body
    cdef int64_t months = 0, days = 0, microseconds = 0, number
    cdef bint is_negative
    cdef int n = 0
    if equals(body, b"infinity", 8) or equals(body, b"-infinity", 9):
        raise OutOfRange(f"interval {shown(body)} is outside what Python's timedelta can hold")
    if body.n == 0:
        raise refused("interval", "IntervalStyle postgres", body)
    while rest.n:
        is_negative = skip(&rest, c"-")
        if not is_negative:
            skip(&rest, c"+")
        number = <int64_t>take_digits(&rest, 10, &n)
        if n == 0:
            raise refused("interval", "IntervalStyle postgres", body)
        if peek(&rest) == c":":
            microseconds = take_length(body, &rest, number)
            if is_negative:
                microseconds = -microseconds
            break
        if number > PART_MAX + 1:
            raise refused("interval", "IntervalStyle postgres", body)
        if is_negative:
            number = -number
        if is_unit(&rest, b" year", 5):
            months += number * 12
        elif is_unit(&rest, b" mon", 4):
            months += number
        elif is_unit(&rest, b" day", 4):
            days += number
        else:
            raise refused("interval", "IntervalStyle postgres", body)
        if rest.n and (not skip(&rest, c" ") or rest.n == 0):
            raise refused("interval", "IntervalStyle postgres", body)
    if rest.n or not -PART_MAX - 1 <= months <= PART_MAX or not -PART_MAX - 1 <= days <= PART_MAX:
        raise refused("interval", "IntervalStyle postgres", body)
    return delta_of(months, days, microseconds, shown(body))


cdef bint is_unit(Slice *text, const char *name, Py_ssize_t n) except -1:
    """Whether the text goes on with a unit, singular or plural, which is taken."""
    if text.n < n or not equals(slice_of(text.at, n), name, n):
        return False
    while n:
        take_byte(text)
        n -= 1
    skip(text, c"s")
    return True


cdef int64_t take_length(Slice body, Slice *text, int64_t hours) except? -1:
    """Take `:MM:SS[.ffffff]` after the hours; return all as microseconds."""
    cdef int n = 0
    cdef int64_t minutes, seconds, fraction = 0
    skip(text, c":")
    minutes = <int64_t>take_digits(text, 2, &n)
    if n != 2 or minutes > 59 or not skip(text, c":"):
        raise refused("interval", "HH:MM:SS", body)
    seconds = <int64_t>take_digits(text, 2, &n)
    if n != 2 or seconds > 59:
        raise refused("interval", "HH:MM:SS", body)
    if skip(text, c"."):
        fraction = <int64_t>take_digits(text, 6, &n)
        if n == 0:
            raise refused("interval", "HH:MM:SS.ffffff", body)
        while n < 6:
            fraction *= 10
            n += 1
    # 2562047788 hours are the most that 64 bits of microseconds hold.
    if hours > 2562047787:
        raise OutOfRange(f"interval {shown(body)} is outside what can be read from text")
    return (hours * 3600 + minutes * 60 + seconds) * 1000000 + fraction


register(OID_INTERVAL, TEXT, interval_text_encode, interval_text_decode, True)
register(OID_INTERVAL, BINARY, interval_encode, interval_decode, True)
