"""time and timetz as datetime.time: microseconds since midnight, and for timetz the seconds west of Greenwich."""
from cpython.datetime cimport (
    PyDelta_Check, PyTime_Check, get_utc, import_datetime, time_hour, time_microsecond, time_minute, time_new,
    time_second, timedelta_days, timedelta_microseconds, timedelta_new, timedelta_seconds, timezone_new,
)
from libc.stdint cimport int32_t, int64_t

from pgproto.codecs.calendar cimport Clock, clock_text, microseconds_per_day, take_clock, zone_text
from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport register
from pgproto.codecs.scan cimport refused
from pgproto.oids cimport OID_TIME, OID_TIMETZ
from pgproto.wire cimport Slice, take_end, take_int32, take_int64
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody, OutOfRange

import_datetime()

cdef object utc = get_utc()

cdef enum:
    ZONE_MAX = 57599        # the server's limit: 15:59:59 either way


cdef object time_of(Codec codec, int64_t moment, object zone):
    cdef int seconds, microseconds
    if not 0 <= moment < microseconds_per_day():
        if moment == microseconds_per_day():
            raise OutOfRange(f"{codec.name} 24:00:00 is outside what Python's time can hold (up to 23:59:59.999999)")
        raise MalformedBody(f"{codec.name}: a time of day was expected, got {moment} microseconds")
    seconds = <int>(moment // 1000000)
    microseconds = <int>(moment - <int64_t>seconds * 1000000)
    return time_new(seconds // 3600, seconds // 60 % 60, seconds % 60, microseconds, zone)


cdef object zone_of(int32_t seconds_east):
    if seconds_east == 0:
        return utc
    if not -ZONE_MAX <= seconds_east <= ZONE_MAX:
        raise MalformedBody(f"timetz: an offset within 15:59:59 was expected, got {seconds_east} seconds")
    return timezone_new(timedelta_new(0, seconds_east, 0))


cdef int64_t part_of(object value, str name, int high) except? -1:
    part = getattr(value, name, None)
    if part is None:
        raise TypeError(f"a time was expected, got {type(value).__name__}")
    number = int(part)
    if not 0 <= number <= high:
        raise ValueError(f"0 to {high} was expected for {name}, got {part!r}")
    return number


cdef int64_t moment_of(object value) except? -1:
    """Microseconds since midnight of a time, or of anything that has hour, minute, second and microsecond."""
    if PyTime_Check(value):
        return ((time_hour(value) * 3600 + time_minute(value) * 60 + time_second(value)) * 1000000LL
                + time_microsecond(value))
    return ((part_of(value, "hour", 23) * 3600 + part_of(value, "minute", 59) * 60 + part_of(value, "second", 59))
            * 1000000 + part_of(value, "microsecond", 999999))


cdef int32_t zone_east_of(object value) except? -1:
    offset = value.utcoffset() if hasattr(value, "utcoffset") else None
    if not PyDelta_Check(offset):
        raise ValueError("an aware time was expected for timetz, got one without an offset: give it a "
                         "datetime.timezone, or make the column time")
    cdef int64_t seconds = timedelta_days(offset) * 86400LL + timedelta_seconds(offset)
    if timedelta_microseconds(offset):
        raise ValueError("the offset of a timetz has whole seconds")
    if not -ZONE_MAX <= seconds <= ZONE_MAX:
        raise OverflowError("the offset of a timetz lies within 15:59:59")
    return <int32_t>seconds


cdef int time_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_int64(moment_of(value))


cdef object time_decode(Codec codec, Slice body):
    cdef int64_t moment = take_int64(&body)
    take_end(&body)
    return time_of(codec, moment, None)


cdef int timetz_encode(Codec codec, WriteBuffer out, object value) except -1:
    out.put_int64(moment_of(value))
    return out.put_int32(-zone_east_of(value))


cdef object timetz_decode(Codec codec, Slice body):
    cdef int64_t moment = take_int64(&body)
    cdef int32_t zone_west = take_int32(&body)
    take_end(&body)
    if not -ZONE_MAX <= zone_west <= ZONE_MAX:
        raise MalformedBody(f"timetz: an offset within 15:59:59 was expected, got {zone_west} seconds")
    return time_of(codec, moment, zone_of(-zone_west))


cdef int time_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(clock_text(moment_of(value)))


cdef int timetz_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(clock_text(moment_of(value)) + zone_text(zone_east_of(value)))


cdef object take_time(Codec codec, Slice body, bint has_zone):
    cdef Slice rest = body
    cdef Clock clock
    if not take_clock(&rest, &clock) or rest.n or clock.has_zone != has_zone:
        raise refused(codec.name, "HH:MM:SS with an offset" if has_zone else "HH:MM:SS", body)
    return time_of(codec, clock.microseconds, zone_of(clock.zone) if has_zone else None)


cdef object time_text_decode(Codec codec, Slice body):
    return take_time(codec, body, False)


cdef object timetz_text_decode(Codec codec, Slice body):
    return take_time(codec, body, True)


register(OID_TIME, TEXT, time_text_encode, time_text_decode, True)
register(OID_TIME, BINARY, time_encode, time_decode, True)
register(OID_TIMETZ, TEXT, timetz_text_encode, timetz_text_decode, True)
register(OID_TIMETZ, BINARY, timetz_encode, timetz_decode, True)
