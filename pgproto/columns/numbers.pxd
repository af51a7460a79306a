# What reads a numeric into a column: as decimal128, as its text or as float64.

from pgproto.columns.builder cimport append_t

cdef append_t number_of(str kind) except NULL
