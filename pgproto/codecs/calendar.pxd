# Days and microseconds since 2000-01-01 as PostgreSQL counts them, and civil dates in the proleptic Gregorian calendar.

from libc.stdint cimport int32_t, int64_t

from pgproto.wire cimport Slice

cdef enum:
    DAY_FIRST = -730119         # 0001-01-01, date.min
    DAY_LAST = 2921939          # 9999-12-31, date.max
    SECONDS_PER_DAY = 86400

ctypedef enum Infinity:
    FINITE = 0
    INFINITE = 1
    MINUS_INFINITE = -1

cdef struct Civil:
    int64_t year                # 0 is 1 BC
    int month
    int day

# A time of day or an offset as text gives it.
cdef struct Clock:
    int64_t microseconds        # since midnight
    bint has_zone
    int32_t zone                # seconds east of Greenwich


cdef str date_text(int64_t days)
cdef str clock_text(int64_t microseconds)
cdef str zone_text(int64_t seconds)
cdef Infinity infinity_of(object value) except? FINITE
cdef Infinity sentinel_sign(object value) noexcept
cdef object sentinel_of(Infinity infinity)
cdef Infinity take_infinity(Slice body) noexcept
cdef int64_t take_date(Slice *text, bint *is_valid) except? -1
cdef bint take_clock(Slice *text, Clock *clock) except -1
cdef bint take_era(Slice *text) noexcept


cdef inline int64_t microseconds_per_day() noexcept:
    return 86400000000LL


cdef inline int64_t floor_quotient(int64_t a, int64_t b) noexcept:
    """a / b rounded down, for b > 0; right whether // rounds to zero or down, and at both ends of 64 bits."""
    return a // b if a >= 0 else -((-(a + 1)) // b) - 1


cdef inline int64_t floor_rest(int64_t a, int64_t b) noexcept:
    """What `floor_quotient` leaves: 0 to b - 1."""
    cdef int64_t rest = a % b
    return rest + b if rest < 0 else rest


cdef inline int64_t days_of(int64_t year, int month, int day) noexcept:
    """Days since 2000-01-01. Years are counted from March, so the leap day is the last one."""
    cdef int64_t y = year - (month <= 2)
    cdef int64_t cycle = floor_quotient(y, 400)
    cdef int64_t in_cycle = y - cycle * 400
    cdef int64_t in_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return cycle * 146097 + in_cycle * 365 + in_cycle // 4 - in_cycle // 100 + in_year - 730425


cdef inline Civil civil_of(int64_t days) noexcept:
    """The civil date of days since 2000-01-01; the other way round of `days_of`."""
    cdef Civil civil
    cdef int64_t shifted = days + 730425            # days since 0000-03-01
    cdef int64_t cycle = floor_quotient(shifted, 146097)
    cdef int32_t in_cycle = <int32_t>(shifted - cycle * 146097)
    cdef int32_t year = (in_cycle - in_cycle // 1460 + in_cycle // 36524 - in_cycle // 146096) // 365
    cdef int32_t in_year = in_cycle - (365 * year + year // 4 - year // 100)
    cdef int32_t month = (5 * in_year + 2) // 153
    civil.day = in_year - (153 * month + 2) // 5 + 1
    civil.month = month + 3 if month < 10 else month - 9
    civil.year = cycle * 400 + year + (civil.month <= 2)
    return civil
