# Dates, times and durations of Arrow into those of PostgreSQL.

from pgproto.arrow_in.column cimport ArrowColumn

cdef bint settle_date(ArrowColumn column) except -1
cdef bint settle_time(ArrowColumn column) except -1
cdef bint settle_timestamp(ArrowColumn column, bint has_zone) except -1
cdef bint settle_interval(ArrowColumn column) except -1
