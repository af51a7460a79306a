"""int4, int8 and float8 in binary, read; the elements of an int4 array in one go."""
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t

from pgproto.wire cimport double_of_bits, slice_of, take_slice, whole_int32, whole_int64


cdef extern from "objects_in_place.h":
    PyObject *int_of_32(int32_t value) except NULL
    PyObject *int_of_64(int64_t value) except NULL
    PyObject *float_of(double value) except NULL
    Py_ssize_t ints_of_elements(const char *at, Py_ssize_t n_bytes, PyObject **items, Py_ssize_t n) except -1
    bint take_object_heads(bint wanted) noexcept

cdef extern from *:
    """
    #define apc_items_of(values) (((PyListObject *)(values))->ob_item)
    """
    PyObject **items_of "apc_items_of" (list values) noexcept
    object steal "(PyObject *)" (PyObject *)    # takes over the reference


cdef object int4_decode(Codec codec, Slice body):
    return steal(int_of_32(whole_int32(body)))


cdef object int8_decode(Codec codec, Slice body):
    return steal(int_of_64(whole_int64(body)))


cdef object float8_decode(Codec codec, Slice body):
    return steal(float_of(double_of_bits(<uint64_t>whole_int64(body))))


cdef Py_ssize_t fill_int4(Slice *body, list values) except -1:
    """Put elements into the empty places of `values` up to one that is NULL or no int4; return how many."""
    cdef Py_ssize_t n = ints_of_elements(body.at, body.n, items_of(values), PyList_GET_SIZE(values))
    take_slice(body, 8 * n)
    return n


def use_layout(bint wanted):
    """Make numbers in place if `wanted` and if their layout is known; say whether that is so. For tests."""
    if take_object_heads(wanted) and layout_is_known():
        return True
    take_object_heads(False)
    return False


def layout_is_known():
    """Whether numbers made in place are those that Python makes."""
    for number in (257, -257, 1000, -1000, 0x3FFFFFFF, -0x3FFFFFFF, 0x3FFFFFFE):
        if not is_same(steal(int_of_32(number)), number):
            return False
    for number in (257, -257, 0x3FFFFFFF, -0x3FFFFFFF, 0x40000000, -0x40000000, 0x700000005, (1 << 60) - 1,
                   1 - (1 << 60)):
        if not is_same(steal(int_of_64(number)), number):
            return False
    for real in (0.0, 1.5, -1e300):
        if not is_same(steal(float_of(real)), real):
            return False
    return True


cdef bint is_same(object value, object number) except -1:
    return (value == number and hash(value) == hash(number) and repr(value) == repr(number)
            and value + 1 == number + 1 and -value == -number and value * value == number * number)


def elements(bytes body not None, Py_ssize_t n):
    """Return the first of at most n elements that are int4s, and the bytes behind them: the door for tests."""
    cdef list values = [None] * n
    cdef Slice rest = slice_of(body, len(body))
    cdef Py_ssize_t n_filled = fill_int4(&rest, values)
    return values[:n_filled], rest.at[:rest.n]


use_layout(True)
