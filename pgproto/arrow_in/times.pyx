"""Dates, times and durations of Arrow into those of PostgreSQL.

Arrow counts from 1970, PostgreSQL from 2000 and in microseconds. Nanoseconds are rounded to them as the server rounds
a text with more digits: to the nearest, to the even one in the middle. What PostgreSQL's type does not reach is
refused, as are the numbers that it takes for infinity, of which Arrow knows nothing.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from pgproto.arrow_in.column cimport ArrowColumn, native_i32, native_i64, put_long, put_word
from pgproto.arrow_in.integers cimport number_of, refuse_range
from pgproto.write_buffer cimport WriteBuffer

cdef enum:
    EPOCH_DAYS = 10957              # from 1970-01-01 to 2000-01-01
    DATE_LEAST = -2451545           # 4714-11-24 BC
    DATE_MOST = 2145031948          # 5874897-12-31
    DAY_MILLISECONDS = 86400000
    INTERVAL_SIZE = 16

cdef int64_t EPOCH_MICROSECONDS = 946684800000000LL
cdef int64_t DAY_MICROSECONDS = 86400000000LL
cdef int64_t TIMESTAMP_LEAST = -211813488000000000LL        # 4714-11-24 BC
cdef int64_t INT64_LARGEST = 0x7FFFFFFFFFFFFFFFLL
# What makes microseconds of a unit; negative: what it is divided by.
cdef dict FACTORS = {"s": 1000000, "m": 1000, "ms": 1000, "us": 1, "ns": -1000}


cdef inline int64_t rounded(int64_t nanoseconds) noexcept:
    """Microseconds: the nearest, the even one of two."""
    cdef int64_t value = nanoseconds // 1000
    cdef int64_t rest = nanoseconds - value * 1000
    if rest < 0:
        rest += 1000
        value -= 1
    if rest > 500 or (rest == 500 and value & 1):
        value += 1
    return value


cdef inline int64_t microseconds(ArrowColumn column, int64_t value) except? -1:
    if column.factor < 0:
        return rounded(value)
    if not -INT64_LARGEST // column.factor <= value <= INT64_LARGEST // column.factor:
        refuse(column, value)
    return value * column.factor


cdef int refuse(ArrowColumn column, int64_t value) except -1:
    return refuse_range(column, f"{value} {column.field.unit}")


cdef int put_date(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t value = column.number(column, at)
    cdef int64_t days = value
    if column.field.kind == "date64":
        if value % DAY_MILLISECONDS:
            raise ValueError(f"{value} milliseconds are no whole days")
        days = value // DAY_MILLISECONDS
    if not DATE_LEAST <= days - EPOCH_DAYS <= DATE_MOST:
        refuse_range(column, f"day {days} from 1970-01-01")
    return put_word(out, <uint32_t>(days - EPOCH_DAYS))


cdef bint settle_date(ArrowColumn column) except -1:
    column.number = number_of(column)
    column.put = put_date
    return column.field.kind in ("date32", "date64")


cdef int put_time(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t value = column.number(column, at)
    cdef int64_t time = microseconds(column, value)
    if not 0 <= time <= DAY_MICROSECONDS:
        refuse(column, value)
    return put_long(out, <uint64_t>time)


cdef bint settle_time(ArrowColumn column) except -1:
    if column.field.kind not in ("time32", "time64"):
        return False
    column.number = number_of(column)
    column.factor = FACTORS[column.field.unit]
    column.put = put_time
    return True


cdef int put_timestamp(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef int64_t value = native_i64(column.values, column.index(at))
    cdef int64_t time = microseconds(column, value)
    # PostgreSQL's last second is later than anything that 64 bits can count from 1970.
    if time < TIMESTAMP_LEAST + EPOCH_MICROSECONDS:
        refuse(column, value)
    return put_long(out, <uint64_t>(time - EPOCH_MICROSECONDS))


cdef bint settle_timestamp(ArrowColumn column, bint has_zone) except -1:
    """An instant for timestamptz, a clock on the wall for timestamp: one is not the other."""
    if column.field.kind != "timestamp" or (column.field.zone != "") != has_zone:
        return False
    column.factor = FACTORS[column.field.unit]
    column.put = put_timestamp
    return True


cdef int put_interval_parts(WriteBuffer out, int64_t time, int32_t days, int32_t months) except -1:
    out.reserve(4 + INTERVAL_SIZE)
    out.put_int32(INTERVAL_SIZE)
    out.put_int64(time)
    out.put_int32(days)
    return out.put_int32(months)


cdef int put_duration(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_interval_parts(out, microseconds(column, native_i64(column.values, column.index(at))), 0, 0)


cdef int put_months(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    return put_interval_parts(out, 0, 0, native_i32(column.values, column.index(at)))


cdef int put_days(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    """| days i32 | milliseconds i32 |"""
    cdef int64_t i = 2 * column.index(at)
    return put_interval_parts(
        out, <int64_t>native_i32(column.values, i + 1) * 1000, native_i32(column.values, i), 0)


cdef int put_months_and_days(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    """| months i32 | days i32 | nanoseconds i64 |"""
    cdef int64_t i = column.index(at)
    return put_interval_parts(
        out, rounded(native_i64(column.values, 2 * i + 1)), native_i32(column.values, 4 * i + 1),
        native_i32(column.values, 4 * i))


cdef bint settle_interval(ArrowColumn column) except -1:
    cdef str format = column.field.format
    if column.field.kind == "duration":
        column.factor = FACTORS[column.field.unit]
        column.put = put_duration
    elif format == "tiM":
        column.put = put_months
    elif format == "tiD":
        column.put = put_days
    elif format == "tin":
        column.put = put_months_and_days
    else:
        return False
    return True
