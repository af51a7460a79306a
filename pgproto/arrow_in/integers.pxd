# Integers of Arrow, and what PostgreSQL has for them.

from libc.stdint cimport int64_t

from pgproto.arrow_in.column cimport ArrowColumn, number_t

cdef number_t number_of(ArrowColumn column)
cdef bint settle_bool(ArrowColumn column) except -1
cdef bint settle_integer(ArrowColumn column, str target) except -1
cdef int refuse_range(ArrowColumn column, object value) except -1
cdef object number_shown(ArrowColumn column, int64_t value)
