# What reads one value of a type that has no parts into a column.

from pgproto.columns.builder cimport append_t

cdef append_t scalar_of(str kind) except NULL
