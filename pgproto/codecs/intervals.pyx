"""interval as timedelta, or exactly as an Interval of months, days and microseconds.

  | microseconds i64 | days i32 | months i32 |

PostgreSQL keeps the three apart, since a month has no fixed length and a day has 23 to 25 hours where clocks change.
Read as a timedelta, a year is 365 days and a month 30. A timedelta is an exact length, so it is written as microseconds
only. An Interval is written part by part, whichever way intervals are read.
"""
from cpython.datetime cimport (
    PyDelta_Check, import_datetime, timedelta_days, timedelta_microseconds, timedelta_new, timedelta_seconds,
)
from libc.stdint cimport int32_t, int64_t, uint64_t

from pgproto.codecs.calendar cimport (
    FINITE, INFINITE, MINUS_INFINITE, Infinity, clock_text, floor_quotient, floor_rest, sentinel_of, sentinel_sign,
    take_infinity,
)
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.integers cimport int64_of
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport equals, peek, refused, shown, skip, take_digits
from pgproto.oids cimport OID_INTERVAL
from pgproto.wire cimport Slice, slice_of, take_byte, take_end, take_int32, take_int64
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import OutOfRange
from pgproto.types import Interval

import_datetime()

cdef object exact_type = Interval

cdef enum:
    DELTA_DAYS_MAX = 999999999      # timedelta.max.days

# Beyond this many days the microseconds of a timedelta do not fit into 64 bits, whatever else it has.
cdef int64_t SENT_DAYS_MAX = 106751991
cdef int64_t PART_MAX = 0x7FFFFFFFLL
cdef int64_t MICROSECONDS_MAX = 0x7FFFFFFFFFFFFFFFLL


# The ends of all three ranges are PostgreSQL 17's infinity; before 17 they were a length.
cdef object exact_infinity = Interval(0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFFFFFFFFFF)
cdef object exact_minus_infinity = Interval(-0x80000000, -0x80000000, -0x8000000000000000)


cdef struct Parts:
    int64_t months
    int64_t days
    int64_t microseconds


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
    # 106751991 days and 14454775807 microseconds are 2**63 - 1; 71945224192 microseconds less 106751992 days, -2**63.
    if (days > SENT_DAYS_MAX or days == SENT_DAYS_MAX and rest > 14454775807LL
            or days < -SENT_DAYS_MAX - 1 or days == -SENT_DAYS_MAX - 1 and rest < 71945224192LL):
        raise OverflowError("an interval that is sent as microseconds can have 106751991 days")
    if days < 0:    # the product of the lowest day alone would not fit
        return (days + 1) * 86400000000LL + (rest - 86400000000LL)
    return days * 86400000000LL + rest


cdef int exact_parts(object value, Parts *parts) except -1:
    """The parts of an Interval, or of the timedelta that stands where one could."""
    if sentinel_sign(value) != FINITE:
        # Before PostgreSQL 17 the server would take it for a length.
        raise TypeError(f"{value!r} is written to an interval where infinity='exact' was asked for, "
                        "by PostgreSQL 17 or later")
    if not isinstance(value, exact_type):
        parts.months = parts.days = 0
        parts.microseconds = length_of(value)
        return 0
    parts.months = int64_of(value.months, -PART_MAX - 1, PART_MAX, "int32 months")
    parts.days = int64_of(value.days, -PART_MAX - 1, PART_MAX, "int32 days")
    parts.microseconds = int64_of(value.microseconds, -MICROSECONDS_MAX - 1, MICROSECONDS_MAX, "int64 microseconds")
    return 0


cdef int interval_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Parts parts
    exact_parts(value, &parts)
    out.put_int64(parts.microseconds)
    out.put_int32(<int32_t>parts.days)
    return out.put_int32(<int32_t>parts.months)


cdef int take_parts(Slice body, Parts *parts) except -1:
    parts.microseconds = take_int64(&body)
    parts.days = take_int32(&body)
    parts.months = take_int32(&body)
    return take_end(&body)


cdef object interval_decode(Codec codec, Slice body):
    cdef Parts parts
    take_parts(body, &parts)
    if parts.days == parts.months == PART_MAX and parts.microseconds == MICROSECONDS_MAX:
        raise OutOfRange("interval infinity is outside what Python's timedelta can hold")
    if parts.days == parts.months == -PART_MAX - 1 and parts.microseconds == -MICROSECONDS_MAX - 1:
        raise OutOfRange("interval -infinity is outside what Python's timedelta can hold")
    return delta_of(parts.months, parts.days, parts.microseconds, None)


cdef object exact_decode(Codec codec, Slice body):
    cdef Parts parts
    take_parts(body, &parts)
    return exact_type(parts.months, parts.days, parts.microseconds)


cdef int interval_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Parts parts
    exact_parts(value, &parts)
    if value == exact_infinity:
        return out.put_text("infinity")
    if value == exact_minus_infinity:
        return out.put_text("-infinity")
    if parts.months or parts.days:
        out.put_text(f"{parts.months} mons {parts.days} days ")
    if parts.microseconds == -MICROSECONDS_MAX - 1:
        return out.put_text("-2562047788:00:54.775808")
    if parts.microseconds < 0:
        out.put_byte(c"-")
        parts.microseconds = -parts.microseconds
    return out.put_text(clock_text(parts.microseconds))


cdef object interval_text_decode(Codec codec, Slice body):
    cdef Parts parts
    if equals(body, b"infinity", 8) or equals(body, b"-infinity", 9):
        raise OutOfRange(f"interval {shown(body)} is outside what Python's timedelta can hold")
    take_text_parts(body, &parts)
    return delta_of(parts.months, parts.days, parts.microseconds, shown(body))


cdef object exact_text_decode(Codec codec, Slice body):
    cdef Parts parts
    if equals(body, b"infinity", 8):
        return exact_infinity
    if equals(body, b"-infinity", 9):
        return exact_minus_infinity
    take_text_parts(body, &parts)
    return exact_type(parts.months, parts.days, parts.microseconds)


cdef int take_text_parts(Slice body, Parts *parts) except -1:
    """Read IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.789`."""
    cdef Slice rest = body
    cdef int64_t number
    cdef bint is_negative
    cdef int n = 0
    parts.months = parts.days = parts.microseconds = 0
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
            parts.microseconds = take_length(body, &rest, number, is_negative)
            break
        if number > PART_MAX + 1:
            raise refused("interval", "IntervalStyle postgres", body)
        if is_negative:
            number = -number
        if is_unit(&rest, b" year", 5):
            parts.months += number * 12
        elif is_unit(&rest, b" mon", 4):
            parts.months += number
        elif is_unit(&rest, b" day", 4):
            parts.days += number
        else:
            raise refused("interval", "IntervalStyle postgres", body)
        if rest.n and (not skip(&rest, c" ") or rest.n == 0):
            raise refused("interval", "IntervalStyle postgres", body)
    if rest.n or not -PART_MAX - 1 <= parts.months <= PART_MAX or not -PART_MAX - 1 <= parts.days <= PART_MAX:
        raise refused("interval", "IntervalStyle postgres", body)
    return 0


cdef bint is_unit(Slice *text, const char *name, Py_ssize_t n) except -1:
    """Whether the text goes on with a unit, singular or plural, which is taken."""
    if text.n < n or not equals(slice_of(text.at, n), name, n):
        return False
    while n:
        take_byte(text)
        n -= 1
    skip(text, c"s")
    return True


cdef int64_t take_length(Slice body, Slice *text, int64_t hours, bint is_negative) except? -1:
    """Take `:MM:SS[.ffffff]` after the hours; return all as microseconds."""
    cdef int n = 0
    cdef int64_t minutes, seconds, fraction = 0
    cdef uint64_t size
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
    # Ten digits of hours: as microseconds they fit into 65 bits, so the limit is checked before they are multiplied.
    if hours > 2562047788:
        raise refused("interval", "64 bits of microseconds", body)
    size = <uint64_t>(hours * 3600 + minutes * 60 + seconds) * 1000000 + <uint64_t>fraction
    if size > <uint64_t>MICROSECONDS_MAX + is_negative:
        raise refused("interval", "64 bits of microseconds", body)
    if not is_negative or size == 0:
        return <int64_t>size
    return -1 - <int64_t>(size - 1)


cdef int infinite_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Infinity infinity = sentinel_sign(value)
    if infinity != FINITE:
        value = exact_infinity if infinity == INFINITE else exact_minus_infinity
    return interval_encode(codec, out, value)


cdef int infinite_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef Infinity infinity = sentinel_sign(value)
    if infinity != FINITE:
        return out.put_text("infinity" if infinity == INFINITE else "-infinity")
    return interval_text_encode(codec, out, value)


cdef Infinity infinity_of_parts(Slice body) except? FINITE:
    cdef Parts parts
    take_parts(body, &parts)
    if parts.days == parts.months == PART_MAX and parts.microseconds == MICROSECONDS_MAX:
        return INFINITE
    if parts.days == parts.months == -PART_MAX - 1 and parts.microseconds == -MICROSECONDS_MAX - 1:
        return MINUS_INFINITE
    return FINITE


cdef object infinite_decode(Codec codec, Slice body):
    cdef Infinity infinity = infinity_of_parts(body)
    return interval_decode(codec, body) if infinity == FINITE else sentinel_of(infinity)


cdef object infinite_text_decode(Codec codec, Slice body):
    cdef Infinity infinity = take_infinity(body)
    return interval_text_decode(codec, body) if infinity == FINITE else sentinel_of(infinity)


cdef object exact_infinite_decode(Codec codec, Slice body):
    cdef Infinity infinity = infinity_of_parts(body)
    return exact_decode(codec, body) if infinity == FINITE else sentinel_of(infinity)


cdef object exact_infinite_text_decode(Codec codec, Slice body):
    cdef Infinity infinity = take_infinity(body)
    return exact_text_decode(codec, body) if infinity == FINITE else sentinel_of(infinity)


def exact_interval_codec(*, bint parts=True, bint infinity=False):
    """Return a codec that reads an interval as `pgproto.types.Interval` if `parts`, else as a timedelta.

    With `infinity`, which is for PostgreSQL 17 and later, INFINITY and NEGATIVE_INFINITY are read and written.
    """
    cdef Codec codec = Codec(OID_INTERVAL, "interval")
    codec.encode[TEXT] = infinite_text_encode if infinity else interval_text_encode
    codec.encode[BINARY] = infinite_encode if infinity else interval_encode
    if infinity:
        codec.decode[TEXT] = exact_infinite_text_decode if parts else infinite_text_decode
        codec.decode[BINARY] = exact_infinite_decode if parts else infinite_decode
    else:
        codec.decode[TEXT] = exact_text_decode if parts else interval_text_decode
        codec.decode[BINARY] = exact_decode if parts else interval_decode
    codec.preferred = BINARY
    codec.is_leaf = True
    return codec


register(OID_INTERVAL, TEXT, interval_text_encode, interval_text_decode, True)
register(OID_INTERVAL, BINARY, interval_encode, interval_decode, True)
