"""timestamp as naive datetime, timestamptz as datetime in UTC: microseconds since 2000-01-01 in eight bytes.

The ends of the range of eight bytes are infinity. A naive datetime or a date written to a timestamptz is taken in the
time zone of this machine; an aware one is refused for a timestamp, since dropping its zone would change its meaning.
"""
from datetime import datetime, timedelta

from cpython.datetime cimport (
    PyDate_Check, PyDateTime_Check, date_day, date_month, date_year, datetime_hour, datetime_microsecond,
    datetime_minute, datetime_new, datetime_second, datetime_tzinfo, get_utc, import_datetime, timedelta_days,
    timedelta_microseconds, timedelta_seconds,
)
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pgproto.codecs.calendar cimport (
    DAY_FIRST, DAY_LAST, FINITE, INFINITE, MINUS_INFINITE, Civil, Clock, Infinity, civil_of, clock_text, date_text,
    days_of, floor_quotient, floor_rest, infinity_of, microseconds_per_day, sentinel_of, take_clock, take_date,
    take_era, take_infinity,
)
from pgproto.codecs.codec cimport BINARY, TEXT, Codec, encode_t
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused, shown, skip
from pgproto.oids cimport OID_TIMESTAMP, OID_TIMESTAMPTZ
from pgproto.wire cimport Slice, whole_int64
from pgproto.write_buffer cimport WriteBuffer

from pgproto.codecs.infinity import (
    DATETIME_INFINITY, DATETIME_NEGATIVE_INFINITY, DATETIMETZ_INFINITY, DATETIMETZ_NEGATIVE_INFINITY,
)
from pgproto.errors import OutOfRange

import_datetime()

cdef object last = DATETIME_INFINITY
cdef object first = DATETIME_NEGATIVE_INFINITY
cdef object last_utc = DATETIMETZ_INFINITY
cdef object first_utc = DATETIMETZ_NEGATIVE_INFINITY
cdef object utc = get_utc()

cdef int64_t MOMENT_INFINITE = 0x7FFFFFFFFFFFFFFFLL
cdef int64_t MOMENT_MINUS_INFINITE = <int64_t>0x8000000000000000ULL


cdef extern from *:
    """
    /* One word, so that threads without the GIL read a whole day or another whole day. */
    #if defined(__GNUC__) || defined(__clang__)
    #define apc_load_day(at) __atomic_load_n(at, __ATOMIC_RELAXED)
    #define apc_store_day(at, day) __atomic_store_n(at, day, __ATOMIC_RELAXED)
    #else
    #define apc_load_day(at) (*(volatile uint64_t *)(at))
    #define apc_store_day(at, day) (*(volatile uint64_t *)(at) = (day))
    #endif
    """
    uint64_t load_day "apc_load_day" (uint64_t *at) noexcept
    void store_day "apc_store_day" (uint64_t *at, uint64_t day) noexcept

cdef extern from "datetime_in_place.h":
    ctypedef struct Moment:
        int year, month, day, hour, minute, second, microsecond

    object datetime_of_moment(Moment *moment, PyObject *zone)
    bint take_datetime_head(bint wanted) noexcept

# The civil date of the last day asked for: | day + 2^31: 32 | year: 16 | month: 8 | day of month: 8 |. The moments of a
# column mostly lie close together.
cdef uint64_t last_day = 0


cdef uint64_t remember_day(int64_t day) noexcept:
    """The word for a day between DAY_FIRST and DAY_LAST."""
    cdef Civil civil = civil_of(day)
    cdef uint64_t known = (<uint64_t>(day + 0x80000000LL) << 32 | <uint64_t>civil.year << 16
                           | <uint64_t>civil.month << 8 | <uint64_t>civil.day)
    store_day(&last_day, known)
    return known


cdef object beyond(Codec codec, int64_t moment, object zone):
    """What a moment outside Python's calendar is read as: infinity; anything else is refused."""
    if moment == MOMENT_INFINITE:
        return last if zone is None else last_utc
    if moment == MOMENT_MINUS_INFINITE:
        return first if zone is None else first_utc
    raise OutOfRange(f"{codec.name} {moment_text(moment, '+00' if zone is not None else '')} is outside what "
                     "Python's datetime can hold (years 1 to 9999)")


cdef inline object datetime_of(Codec codec, int64_t moment, object zone):
    cdef int64_t day = floor_quotient(moment, 86400000000LL)
    # Of minus infinity's day the beginning is out of reach of 64 bits, its rest is not.
    cdef int64_t rest = <int64_t>(<uint64_t>moment - <uint64_t>day * 86400000000ULL)
    cdef uint64_t date = load_day(&last_day)
    if date >> 32 != <uint64_t>(day + 0x80000000LL):
        if not DAY_FIRST <= day <= DAY_LAST:
            return beyond(codec, moment, zone)
        date = remember_day(day)
    cdef uint32_t seconds = <uint32_t>(<uint64_t>rest // 1000000)
    cdef uint32_t minutes = seconds // 60
    cdef Moment fields
    fields.year = <int>(date >> 16 & 0xFFFF)
    fields.month = <int>(date >> 8 & 0xFF)
    fields.day = <int>(date & 0xFF)
    fields.hour = <int>(minutes // 60)
    fields.minute = <int>(minutes % 60)
    fields.second = <int>(seconds - minutes * 60)
    fields.microsecond = <int>(rest - <int64_t>seconds * 1000000)
    return datetime_of_moment(&fields, <PyObject *>zone)


def use_layout(bint wanted):
    """Make datetimes in place if `wanted` and if their layout is known; say whether that is so. For tests."""
    if take_datetime_head(wanted) and layout_is_known():
        return True
    take_datetime_head(False)
    return False


def layout_is_known():
    """Whether datetimes made in place are those that Python makes."""
    for moment in (0, 1, -1, 631_152_000_123_456, -60_000_000_000_000_001):
        for zone in (None, utc):
            value = datetime_of(None, moment, zone)
            known = datetime(2000, 1, 1, tzinfo=zone) + timedelta(microseconds=moment)
            if not (value == known and hash(value) == hash(known) and repr(value) == repr(known)
                    and value.tzinfo is zone and value.fold == 0 and value + timedelta(1) == known + timedelta(1)
                    and value.replace(fold=1).isoformat() == known.isoformat()):
                return False
    return True


cdef int64_t wall_clock(object value) noexcept:
    """Microseconds since 2000-01-01 00:00 on the clock that a datetime or date shows."""
    cdef int64_t moment = days_of(date_year(value), date_month(value), date_day(value)) * 86400000000LL
    if PyDateTime_Check(value):
        moment += (datetime_hour(value) * 3600 + datetime_minute(value) * 60 + datetime_second(value)) * 1000000LL
        moment += datetime_microsecond(value)
    return moment


cdef object offset_of(object value):
    """The timedelta to UTC of an aware datetime; None of a naive one or a date."""
    if not PyDateTime_Check(value) or datetime_tzinfo(value) is None:
        return None
    return value.utcoffset()


cdef int64_t infinite_moment(object value, Infinity infinity) except? -1:
    return MOMENT_INFINITE if infinity == INFINITE else MOMENT_MINUS_INFINITE


cdef int64_t local_moment(object value) except? -1:
    """The moment of a datetime for a timestamp."""
    cdef Infinity infinity = infinity_of(value)
    if infinity != FINITE:
        return infinite_moment(value, infinity)
    if not PyDate_Check(value):
        raise TypeError(f"expected a datetime.date or datetime.datetime, got {type(value).__name__!r}")
    if offset_of(value) is not None:
        raise ValueError("a naive datetime was expected for timestamp, got one with a time zone: make the column "
                         "timestamptz, or pass value.astimezone(timezone.utc).replace(tzinfo=None)")
    return wall_clock(value)


cdef int64_t moment_here(object value) except? -1:
    """The moment of a naive datetime in the time zone of this machine.

    astimezone looks a day to both sides, which the first and the last year have not; the calendar repeats itself after
    400 years."""
    cdef int64_t days = 0
    if date_year(value) == 1:
        value = value.replace(year=401)
        days = 146097
    elif date_year(value) == 9999:
        value = value.replace(year=9599)
        days = -146097
    return wall_clock(value.astimezone(utc)) - days * 86400000000LL


cdef int64_t zoned_moment(object value) except? -1:
    """The moment of a datetime for a timestamptz."""
    cdef Infinity infinity = infinity_of(value)
    cdef object offset
    if infinity != FINITE:
        return infinite_moment(value, infinity)
    if not PyDate_Check(value):
        raise TypeError(f"expected a datetime.date or datetime.datetime, got {type(value).__name__!r}")
    if PyDateTime_Check(value) and datetime_tzinfo(value) is utc:
        return wall_clock(value)
    offset = offset_of(value)
    if offset is None:
        if not PyDateTime_Check(value):
            value = datetime_new(date_year(value), date_month(value), date_day(value), 0, 0, 0, 0, None)
        return moment_here(value.replace(tzinfo=None))
    return wall_clock(value) - ((timedelta_days(offset) * 86400LL + timedelta_seconds(offset)) * 1000000LL
                                + timedelta_microseconds(offset))


cdef int timestamp_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int64(local_moment(value))


cdef int timestamptz_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int64(zoned_moment(value))


cdef object timestamp_decode(Codec codec, Slice body):
    return datetime_of(codec, whole_int64(body), None)


cdef object timestamptz_decode(Codec codec, Slice body):
    return datetime_of(codec, whole_int64(body), utc)


cdef str moment_text(int64_t moment, str zone):
    """A moment as the server writes it: `0044-03-15 00:00:00+00 BC`."""
    cdef int64_t day = floor_quotient(moment, microseconds_per_day())
    cdef str text = date_text(day)
    clock = clock_text(floor_rest(moment, microseconds_per_day())) + zone
    return f"{text[:len(text) - 3]} {clock} BC" if text.endswith(" BC") else f"{text} {clock}"


cdef int put_moment(WriteBuffer out, int64_t moment, str zone) except -1:
    if moment == MOMENT_INFINITE:
        return out.put_text("infinity")
    if moment == MOMENT_MINUS_INFINITE:
        return out.put_text("-infinity")
    return out.put_text(moment_text(moment, zone))


cdef int timestamp_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_moment(out, local_moment(value), "")


cdef int timestamptz_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return put_moment(out, zoned_moment(value), "+00")


cdef object take_moment(Codec codec, Slice body, object zone):
    cdef Slice rest = body
    cdef Clock clock
    cdef bint is_valid = False
    cdef int64_t days = take_date(&rest, &is_valid)
    if not is_valid or not (skip(&rest, c" ") or skip(&rest, c"T")) or not take_clock(&rest, &clock):
        raise refused(codec.name, "an ISO date and time (DateStyle ISO)", body)
    if clock.has_zone != (zone is not None):
        raise refused(codec.name, "an offset" if zone is not None else "no offset", body)
    if take_era(&rest):
        raise OutOfRange(f"{codec.name} {shown(body)} is outside what Python's datetime can hold (years 1 to 9999)")
    if rest.n or clock.microseconds >= microseconds_per_day():
        raise refused(codec.name, "an ISO date and time (DateStyle ISO)", body)
    if days > DAY_LAST + 1:    # a day more: its offset may bring it back
        raise OutOfRange(f"{codec.name} {shown(body)} is outside what Python's datetime can hold (years 1 to 9999)")
    return datetime_of(codec, days * microseconds_per_day() + clock.microseconds - clock.zone * 1000000LL, zone)


cdef object timestamp_text_decode(Codec codec, Slice body):
    cdef Infinity infinity = take_infinity(body)
    if infinity != FINITE:
        return last if infinity == INFINITE else first
    return take_moment(codec, body, None)


cdef object timestamptz_text_decode(Codec codec, Slice body):
    cdef Infinity infinity = take_infinity(body)
    if infinity != FINITE:
        return last_utc if infinity == INFINITE else first_utc
    return take_moment(codec, body, utc)


cdef object exact_decode(Codec codec, Slice body):
    cdef int64_t moment = whole_int64(body)
    if moment == MOMENT_INFINITE or moment == MOMENT_MINUS_INFINITE:
        return sentinel_of(INFINITE if moment > 0 else MINUS_INFINITE)
    return datetime_of(codec, moment, utc if codec.oid == OID_TIMESTAMPTZ else None)


cdef object exact_text_decode(Codec codec, Slice body):
    cdef Infinity infinity = take_infinity(body)
    if infinity != FINITE:
        return sentinel_of(infinity)
    return take_moment(codec, body, utc if codec.oid == OID_TIMESTAMPTZ else None)


cdef Codec new_exact(uint32_t oid, str name, encode_t text_encode, encode_t encode):
    cdef Codec codec = Codec(oid, name)
    codec.encode[TEXT] = text_encode
    codec.decode[TEXT] = exact_text_decode
    codec.encode[BINARY] = encode
    codec.decode[BINARY] = exact_decode
    codec.preferred = BINARY
    codec.is_leaf = True
    return codec


def exact_timestamp_codec():
    """Return a codec that reads infinity as `pgproto.codecs.infinity.INFINITY` or its negative, not as a datetime."""
    return new_exact(OID_TIMESTAMP, "timestamp", timestamp_text_encode, timestamp_encode)


def exact_timestamptz_codec():
    """Return a codec that reads infinity as `pgproto.codecs.infinity.INFINITY` or its negative, not as a datetime."""
    return new_exact(OID_TIMESTAMPTZ, "timestamptz", timestamptz_text_encode, timestamptz_encode)


register(OID_TIMESTAMP, TEXT, timestamp_text_encode, timestamp_text_decode, True)
register(OID_TIMESTAMP, BINARY, timestamp_encode, timestamp_decode, True)
register(OID_TIMESTAMPTZ, TEXT, timestamptz_text_encode, timestamptz_text_decode, True)
register(OID_TIMESTAMPTZ, BINARY, timestamptz_encode, timestamptz_decode, True)
use_layout(True)
