# A number in decimal notation, for those who want its text and no Decimal.

from pgproto.wire cimport Slice

cdef struct Ascii:
    int n                   # characters
    int n_whole
    int n_fraction

cdef int measure_ascii(Ascii *size, Slice digits, int ndigits, int weight, int dscale, bint is_negative) except -1
cdef int put_ascii(char *to, Ascii *size, Slice digits, int ndigits, int weight, bint is_negative) except -1
