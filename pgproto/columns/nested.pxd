# What reads a value that has parts into a column: an array, a composite, an enum's label.

from pgproto.columns.builder cimport append_t, Builder

cdef append_t nested_of(str kind) except NULL
cdef int copy_labels(Builder *to, Builder *source) except -1
