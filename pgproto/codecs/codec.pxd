# What encodes and decodes the values of one type.

from libc.stdint cimport uint32_t
cimport cython
from cpython.object cimport PyObject

from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer

# Body only: the caller writes the length. `value` is never None.
ctypedef int (*encode_t)(Codec codec, WriteBuffer out, object value) except -1
# `body` is exact; the function uses all of it or raises MalformedBody (or ValueError, OverflowError for values that
# Python cannot hold).
ctypedef object (*decode_t)(Codec codec, Slice body)
# The same function, for a caller that puts its result where it stays: without a reference more or less, the codec's
# included, which somebody else holds.
ctypedef PyObject *(*read_t)(PyObject *codec, Slice body) except NULL
# `encode_t` likewise, for a caller whose tuples hold the codec and the value.
ctypedef int (*write_t)(PyObject *codec, WriteBuffer out, PyObject *value) except -1

# How the values of one column or parameter are written; `write` is NULL where they cannot be.
cdef struct ValueWriter:
    write_t write
    PyObject *codec

# Anonymous, because C arrays are not indexed with a named enum.
cdef enum:
    TEXT = 0
    BINARY = 1

ctypedef int Format


@cython.final
cdef class Codec:
    cdef readonly uint32_t oid
    cdef readonly str name              # as in pg_type, 'elem[]' for an array
    cdef readonly str schema
    cdef readonly str kind              # scalar array composite range multirange
    cdef public int preferred           # the format that Bind asks for: BINARY where decode[BINARY] is there
    cdef public bint is_leaf            # values can never hold a container: rows of leaves stay out of the collector
    cdef public int delimiter           # between the elements of an array in text: a comma, rarely another
    cdef public bint keeps_bounds       # of an array: other lower bounds than 1 are read as pgproto.types.Array
    cdef readonly Codec element         # of an array or range; of a multirange its range
    cdef readonly tuple fields          # of a composite: the codecs of its attributes
    cdef readonly object shape          # of a composite: RowShape, the names of its attributes
    cdef readonly Codec base            # of a codec with a user's functions: what it stands on
    cdef public object encoder          # a user's function, or json's dumps
    cdef public object decoder          # a user's function, or json's loads
    cdef public bint runs_user_code     # a decoder of the user's is reached: what it raises is not ours to explain
    cdef public bint binary_is_text     # the binary form is the text itself
    cdef object find                    # of `record`: OID -> codec or None
    cdef int depth                      # of `record`: how deep the value that is being read is nested
    cdef encode_t encode[2]             # by format; NULL where there is none
    cdef decode_t decode[2]
    cdef int offer(self, int format, encode_t encode, bint can_encode, decode_t decode, bint can_decode) except -1
    cdef Codec twin(self, uint32_t oid)
