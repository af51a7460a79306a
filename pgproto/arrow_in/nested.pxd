# Lists, structs, dictionaries and nulls of Arrow.

from pgproto.arrow_in.column cimport ArrowColumn

cdef enum:
    DIMENSIONS_MAX = 6

cdef int settle_null(ArrowColumn column) except -1
cdef int settle_dictionary(ArrowColumn column, ArrowColumn values) except -1
cdef int settle_list(ArrowColumn column, ArrowColumn child, int depth) except -1
cdef int settle_struct(ArrowColumn column, tuple children, tuple attributes) except -1
