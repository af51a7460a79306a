# Builders as a plan wants them.

from pgproto.columns.builder cimport Builder

cdef Builder *new_builders(tuple fields) except NULL
cdef void free_builders(Builder *builders, Py_ssize_t n) noexcept nogil
