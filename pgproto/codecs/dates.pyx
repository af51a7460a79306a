"""date as datetime.date: days since 2000-01-01 in four bytes, the ends of whose range are infinity."""
from cpython.datetime cimport PyDate_Check, date_day, date_month, date_new, date_year, import_datetime
from libc.stdint cimport int32_t, int64_t

from pgproto.codecs.calendar cimport (
    DAY_FIRST, DAY_LAST, FINITE, INFINITE, MINUS_INFINITE, Civil, Infinity, civil_of, date_text, days_of, infinity_of,
    sentinel_of, take_date, take_era, take_infinity,
)
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused, shown
from pgproto.oids cimport OID_DATE
from pgproto.wire cimport Slice, whole_int32
from pgproto.write_buffer cimport WriteBuffer

from pgproto.codecs.infinity import DATE_INFINITY, DATE_NEGATIVE_INFINITY
from pgproto.errors import OutOfRange

import_datetime()

cdef object last = DATE_INFINITY
cdef object first = DATE_NEGATIVE_INFINITY

cdef enum:
    DAY_INFINITE = 0x7FFFFFFF

cdef int32_t DAY_MINUS_INFINITE = -DAY_INFINITE - 1


cdef int32_t day_of(object value) except? -1:
    """Days since 2000-01-01 of a date, of a datetime's date, or of anything that has toordinal()."""
    cdef Infinity infinity = infinity_of(value)
    if infinity != FINITE:
        return DAY_INFINITE if infinity == INFINITE else DAY_MINUS_INFINITE
    if PyDate_Check(value):
        return <int32_t>days_of(date_year(value), date_month(value), date_day(value))
    if not hasattr(value, "toordinal"):
        raise TypeError(f"a date was expected, got {type(value).__name__}")
    ordinal = int(value.toordinal())
    if not 1 <= ordinal <= 3652059:
        raise OverflowError(f"a date from 0001-01-01 to 9999-12-31 was expected, got ordinal {ordinal}")
    return <int32_t>(<int64_t>ordinal - 730120)


cdef object date_of(int64_t days):
    if not DAY_FIRST <= days <= DAY_LAST:
        raise OutOfRange(f"date {date_text(days)} is outside what Python's date can hold (0001-01-01 to 9999-12-31)")
    cdef Civil civil = civil_of(days)
    return date_new(<int>civil.year, civil.month, civil.day)


cdef int date_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int32(day_of(value))


cdef object date_decode(Codec codec, Slice body):
    cdef int32_t days = whole_int32(body)
    if days == DAY_INFINITE:
        return last
    if days == DAY_MINUS_INFINITE:
        return first
    return date_of(days)


cdef int date_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    cdef int32_t days = day_of(value)
    if days == DAY_INFINITE:
        return out.put_text("infinity")
    if days == DAY_MINUS_INFINITE:
        return out.put_text("-infinity")
    return out.put_text(date_text(days))


cdef object date_text_decode(Codec codec, Slice body):
    cdef Slice rest = body
    cdef bint is_valid = False
    cdef Infinity infinity = take_infinity(body)
    if infinity != FINITE:
        return last if infinity == INFINITE else first
    cdef int64_t days = take_date(&rest, &is_valid)
    if is_valid and take_era(&rest):
        raise OutOfRange(f"date {shown(body)} is outside what Python's date can hold (0001-01-01 to 9999-12-31)")
    if not is_valid or rest.n:
        raise refused("date", "an ISO date (DateStyle ISO)", body)
    return date_of(days)


cdef object exact_decode(Codec codec, Slice body):
    cdef int32_t days = whole_int32(body)
    if days == DAY_INFINITE or days == DAY_MINUS_INFINITE:
        return sentinel_of(INFINITE if days > 0 else MINUS_INFINITE)
    return date_of(days)


cdef object exact_text_decode(Codec codec, Slice body):
    cdef Infinity infinity = take_infinity(body)
    return date_text_decode(codec, body) if infinity == FINITE else sentinel_of(infinity)


def exact_date_codec():
    """Return a codec that reads infinity as `pgproto.codecs.infinity.INFINITY` or its negative, not as a date."""
    cdef Codec codec = Codec(OID_DATE, "date")
    codec.encode[TEXT] = date_text_encode
    codec.decode[TEXT] = exact_text_decode
    codec.encode[BINARY] = date_encode
    codec.decode[BINARY] = exact_decode
    codec.preferred = BINARY
    codec.is_leaf = True
    return codec


register(OID_DATE, TEXT, date_text_encode, date_text_decode, True)
register(OID_DATE, BINARY, date_encode, date_decode, True)
