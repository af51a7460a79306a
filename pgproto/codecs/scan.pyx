"""Reading the text format: numbers, and what to say of a text that is none."""
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.string cimport strchr

from pgproto.wire cimport take_byte

from pgproto.errors import MalformedBody

cdef enum:
    SHOWN_MAX = 80


cdef str shown(Slice whole):
    """The text for an error message, cut to a length that fits there."""
    cdef str text = PyUnicode_DecodeASCII(whole.at, min(whole.n, SHOWN_MAX), "backslashreplace")
    return text + "..." if whole.n > SHOWN_MAX else text


cdef object refused(str type_name, str expected, Slice whole):
    """The error for a text that is not what its type promises."""
    return MalformedBody(f"{type_name}: {expected} was expected, got {shown(whole)!r}")


cdef uint64_t take_digits(Slice *text, int n_max, int *n_taken) except? 0xFFFFFFFFFFFFFFFF:
    """The number that the next 1 to `n_max` (at most 20) digits make; `n_taken` is 0 if there is none."""
    cdef uint64_t number = 0
    cdef uint64_t digit
    cdef int n = 0
    while n < n_max and n < text.n and 48 <= text.at[n] <= 57:
        digit = <uint64_t>(text.at[n] - 48)
        if number > (0xFFFFFFFFFFFFFFFFULL - digit) // 10:
            raise MalformedBody(f"a number beyond 64 bits: {shown(text[0])!r}")
        number = number * 10 + digit
        n += 1
    text.at += n
    text.n -= n
    n_taken[0] = n
    return number


cdef int take_quoted(Slice *text, const char *ends, WriteBuffer value) except -1:
    """Replace `value` by what stands in front of the first of the bytes `ends`, which stays; it may be partly quoted.

    Composites and ranges write so: a backslash takes the next byte as it is, a doubled quote inside quotes is one."""
    cdef unsigned char byte
    cdef bint is_quoted = False
    value.cut(0)
    while is_quoted or peek(text) <= 0 or strchr(ends, peek(text)) == NULL:
        byte = take_byte(text)
        if byte == c"\\":
            value.put_byte(take_byte(text))
        elif byte != c'"':
            value.put_byte(byte)
        elif is_quoted and skip(text, c'"'):
            value.put_byte(c'"')
        else:
            is_quoted = not is_quoted
    return 0
