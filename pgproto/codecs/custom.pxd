# Codecs whose functions are the user's.

from pgproto.codecs.codec cimport Codec

cdef Codec new_custom(Codec base, str format, object encoder, object decoder)
