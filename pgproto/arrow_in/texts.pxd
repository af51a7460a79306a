# Text and binary of Arrow into everything that PostgreSQL has as characters or bytes.

from pgproto.arrow_in.column cimport ArrowColumn

cdef bint settle_text(ArrowColumn column, bint has_version) except -1
cdef bint settle_bytes(ArrowColumn column) except -1
cdef bint settle_uuid(ArrowColumn column) except -1
