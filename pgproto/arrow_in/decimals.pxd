# Decimals and integers of Arrow into numeric.

from pgproto.arrow_in.column cimport ArrowColumn

cdef bint settle_numeric(ArrowColumn column) except -1
