# Which PostgreSQL types an Arrow type can become.

from pgproto.arrow_in.column cimport ArrowColumn
from pgproto.codecs.codec cimport Codec

cdef ArrowColumn new_column(object field, Codec codec, str path)
