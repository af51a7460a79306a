# Floats of Arrow into float4, float8 and numeric.

from pgproto.arrow_in.column cimport ArrowColumn

cdef bint settle_float(ArrowColumn column, str target) except -1
cdef bint settle_float_as_numeric(ArrowColumn column) except -1
