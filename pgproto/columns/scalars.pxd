# What reads one value of a type that has no parts into a column.

from pgproto.columns.builder cimport append_t, Builder
from pgproto.wire cimport Slice

cdef int append_in_utf8(append_t append, Builder *b, Slice value) except -1
cdef append_t scalar_of(str kind) except NULL
