# Python's whole numbers as C integers, with the range checked.

from libc.stdint cimport int64_t, uint64_t

cdef int64_t int64_of(object value, int64_t low, int64_t high, str name) except? -1
cdef uint64_t uint64_of(object value, uint64_t high, str name) except? 0xFFFFFFFFFFFFFFFF
