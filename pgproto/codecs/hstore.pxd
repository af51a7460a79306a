# hstore of PostgreSQL's contrib modules.

from pgproto.codecs.codec cimport Codec

cdef Codec new_hstore(Codec base)
