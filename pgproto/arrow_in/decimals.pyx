"""Decimals and integers of Arrow into numeric, exact.

An Arrow decimal is a whole number in two's complement, little words first on a little machine, and a scale that its
type has. PostgreSQL's numeric has digits of base 10000, counted from the point: zeros are put behind the number until
its scale is a multiple of four, and it is then divided by 10000 until nothing is left.
"""
import sys

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pgproto.arrow_in.column cimport ArrowColumn, native_u32
from pgproto.arrow_in.floats cimport settle_float_as_numeric
from pgproto.arrow_in.integers cimport number_of
from pgproto.wire cimport store_uint16
from pgproto.write_buffer cimport WriteBuffer

from pgproto.arrow_in.fields import INDEX_FORMATS

cdef enum:
    WORDS_MAX = 9           # of 32 bits: the largest decimal, and the zeros put behind it
    GROUPS_MAX = 21         # 78 digits and three zeros
    NEGATIVE = 0x4000
    NUMERIC_HEAD = 8

cdef frozenset WHOLE = INDEX_FORMATS
cdef bint is_big_endian = sys.byteorder == "big"
cdef uint32_t[4] POWERS_OF_TEN = [1, 10, 100, 1000]


cdef int multiply(uint32_t *words, int n, uint32_t factor) noexcept:
    """Multiply a number in place; return how many words it has now."""
    cdef uint64_t carry = 0
    cdef int i
    for i in range(n):
        carry += <uint64_t>words[i] * factor
        words[i] = <uint32_t>carry
        carry >>= 32
    if carry:
        words[n] = <uint32_t>carry
        return n + 1
    return n


cdef uint32_t divide(uint32_t *words, int n) noexcept:
    """Divide a number by 10000 in place; return the rest."""
    cdef uint64_t rest = 0
    cdef int i
    for i in range(n - 1, -1, -1):
        rest = rest << 32 | words[i]
        words[i] = <uint32_t>(rest // 10000)
        rest = rest % 10000
    return <uint32_t>rest


cdef int put_words(ArrowColumn column, uint32_t *words, int n, bint is_negative, WriteBuffer out) except -1:
    """Put the number in `words`, least first."""
    cdef uint32_t[GROUPS_MAX] groups
    cdef int n_groups = 0, n_zero = 0, i
    cdef uint64_t small
    cdef char *at
    n = multiply(words, n, POWERS_OF_TEN[column.pad])
    while n > 0 and words[n - 1] == 0:
        n -= 1
    while n > 2:
        groups[n_groups] = divide(words, n)
        n_groups += 1
        while n > 0 and words[n - 1] == 0:
            n -= 1
    small = (<uint64_t>words[1] << 32 if n > 1 else 0) | (words[0] if n > 0 else 0)
    while small:
        groups[n_groups] = <uint32_t>(small % 10000)
        small //= 10000
        n_groups += 1
    while n_zero < n_groups and groups[n_zero] == 0:
        n_zero += 1
    out.reserve(4 + NUMERIC_HEAD + 2 * (n_groups - n_zero))
    out.put_int32(NUMERIC_HEAD + 2 * (n_groups - n_zero))
    out.put_int16(<short>(n_groups - n_zero))
    out.put_int16(<short>(n_groups - 1 - column.groups) if n_groups else 0)
    out.put_int16(NEGATIVE if is_negative and n_groups else 0)
    out.put_int16(<short>column.scale)
    at = out.start + out.length
    for i in range(n_groups - 1, n_zero - 1, -1):
        store_uint16(at, <unsigned short>groups[i])
        at += 2
    out.length += 2 * (n_groups - n_zero)
    return 0


cdef int put_decimal(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef uint32_t[WORDS_MAX] words
    cdef int n = <int>column.width // 4, i
    cdef int64_t first = column.index(at) * n
    cdef uint64_t carry = 1
    cdef bint is_negative
    for i in range(n):
        words[i] = native_u32(column.values, first + (n - 1 - i if is_big_endian else i))
    is_negative = native_u32(column.values, first + (0 if is_big_endian else n - 1)) >> 31
    if is_negative:
        for i in range(n):
            carry += <uint32_t>~words[i]
            words[i] = <uint32_t>carry
            carry >>= 32
    return put_words(column, words, n, is_negative, out)


cdef int put_integer(ArrowColumn column, int64_t at, WriteBuffer out) except -1:
    cdef uint32_t[WORDS_MAX] words
    cdef int64_t value = column.number(column, at)
    cdef bint is_negative = value < 0 and not column.is_wide
    cdef uint64_t size = 0 - <uint64_t>value if is_negative else <uint64_t>value
    words[0] = <uint32_t>size
    words[1] = <uint32_t>(size >> 32)
    return put_words(column, words, 2, is_negative, out)


cdef bint settle_numeric(ArrowColumn column) except -1:
    """Settle how numbers become numeric; False if the column has none."""
    cdef int scale = column.field.scale
    if column.field.kind == "decimal":
        column.width = column.field.width
        column.put = put_decimal
        column.pad = (4 - scale % 4) % 4 if scale >= 0 else -scale % 4
        column.groups = (scale + column.pad) // 4
        column.scale = max(scale, 0)
        return True
    if column.field.format in WHOLE:
        column.number = number_of(column)
        column.put = put_integer
        return True
    return settle_float_as_numeric(column)
