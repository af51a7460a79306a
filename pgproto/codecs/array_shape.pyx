"""What arrays of both formats share: which Python values are arrays, and the check that they are rectangular.

An array is anything that has a length and can be iterated, but for strings, buffers and mappings. Inside an array a
tuple is an element (a composite value), and so is a path or polygon; only others nest. Every level is copied to a tuple
before it is read: an encoder may run the caller's code, which may change the container.
"""
from collections.abc import Iterable, Mapping, Sized

from cpython.bool cimport PyBool_Check
from cpython.bytearray cimport PyByteArray_Check
from cpython.bytes cimport PyBytes_Check
from cpython.float cimport PyFloat_Check
from cpython.list cimport PyList_AsTuple, PyList_CheckExact
from cpython.long cimport PyLong_Check
from cpython.memoryview cimport PyMemoryView_Check
from cpython.tuple cimport PyTuple_Check, PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_Check

from pgproto.codecs.nested cimport nested_error

from pgproto.types import Array, Path

cdef object path_type = Path
cdef object array_type = Array


cdef bint is_array(object value) except -1:
    if PyList_CheckExact(value):
        return True
    if (value is None or PyLong_Check(value) or PyUnicode_Check(value) or PyFloat_Check(value) or PyBool_Check(value)
            or PyBytes_Check(value) or PyByteArray_Check(value) or PyMemoryView_Check(value)):
        return False
    if PyTuple_Check(value):
        return True
    # What has keys is a composite value by name: a Mapping, or a Record.
    return (isinstance(value, Sized) and isinstance(value, Iterable) and not isinstance(value, Mapping)
            and not hasattr(value, "keys"))


cdef bint is_inner_array(object value) except -1:
    return not PyTuple_Check(value) and is_array(value) and not isinstance(value, path_type)


cdef tuple items_of(object value):
    """The items of an array as they are now; ValueError if there are not as many as its length says."""
    if PyList_CheckExact(value):
        return PyList_AsTuple(value)
    if PyTuple_CheckExact(value):
        return value
    cdef Py_ssize_t n = len(value)
    cdef list items = []
    for item in value:
        if len(items) == n:
            raise ValueError(f"{type(value).__name__} has a length of {n} but gives more items")
        items.append(item)
    if len(items) != n:
        raise ValueError(f"{type(value).__name__} has a length of {n} but gives {len(items)} items")
    return tuple(items)


cdef tuple items_up_to(Py_ssize_t most, object values):
    """The items of an iterable, but no more than one beyond `most`. It is not asked for its length, which may lie."""
    cdef list items = []
    if PyList_CheckExact(values):
        return PyList_AsTuple(values)
    for item in values:
        items.append(item)
        if len(items) > most:
            break
    return tuple(items)


cdef int begin(Shape *shape, object value) except -1:
    """Empty the shape; for a value that is to be written, take its lower bounds if it has any."""
    cdef int depth
    shape.ndim = 0
    shape.has_null = False
    shape.depth = 0
    shape.is_bounded = False
    shape.n_lower = 0
    for depth in range(DIMENSIONS_MAX):
        shape.lower[depth] = 1
    if value is None or PyList_CheckExact(value) or not isinstance(value, array_type):
        return 0
    bounds = value.lower_bounds
    if len(bounds) > DIMENSIONS_MAX:
        raise ValueError(f"too many lower bounds: {DIMENSIONS_MAX} are the limit, got {len(bounds)}")
    for lower in bounds:
        if not -0x80000000LL <= lower <= 0x7FFFFFFFLL:
            raise OverflowError(f"a lower bound of 32 bits was expected, got {lower}")
        shape.lower[shape.n_lower] = lower
        shape.n_lower += 1
        shape.is_bounded = shape.is_bounded or lower != 1
    return 0


cdef int check_bounds(Shape *shape) except -1:
    """Refuse bounds that do not go with the dimensions, which are known by now."""
    cdef int depth
    if shape.n_lower and shape.n_lower != shape.ndim and shape.is_bounded:
        raise ValueError(f"a lower bound for each of {shape.ndim} dimensions was expected, got {shape.n_lower}")
    for depth in range(shape.ndim):
        if shape.lengths[depth] + <Py_ssize_t>shape.lower[depth] - 1 > 0x7FFFFFFF:
            raise OverflowError(f"an upper bound of 32 bits was expected, got {shape.lengths[depth]} elements from "
                                f"{shape.lower[depth]}")
    return 0


cdef object with_bounds(Codec codec, list values, Shape *shape):
    """The values that were read, with their lower bounds if that is asked for."""
    if not shape.is_bounded or not codec.keeps_bounds:
        return values
    return array_type(values, [shape.lower[depth] for depth in range(shape.ndim)])


cdef int enter(Shape *shape, tuple items, int depth) except -1:
    """Take up or check the length of one level; on the first way down, find out whether it holds the elements."""
    cdef Py_ssize_t n = len(items)
    if shape.ndim:
        if shape.lengths[depth] != n:
            raise ValueError(f"non-homogeneous array: {shape.lengths[depth]} items were expected{place(shape, depth)}, "
                             f"got {n}")
        return 0
    shape.lengths[depth] = n
    if n == 0 or not is_inner_array(items[0]):
        shape.ndim = depth + 1
    elif depth + 1 == DIMENSIONS_MAX:
        raise ValueError(f"too many array dimensions: {DIMENSIONS_MAX} are the limit")
    return 0


cdef int check_element(object item) except -1:
    """Refuse an array where an element is due."""
    if PyLong_Check(item) or PyUnicode_Check(item) or PyFloat_Check(item):
        return 0
    if is_inner_array(item):
        raise ValueError(f"non-homogeneous array: an element was expected, got {type(item).__name__}")
    return 0


cdef str place(Shape *shape, int depth):
    cdef int i
    return " at index " + "".join([f"[{shape.path[i]}]" for i in range(depth)]) if depth else ""


cdef object element_error(Shape *shape, object error):
    """What to raise for the error of one element: the same kind, its text naming the element's index."""
    cdef int i
    indexes = [shape.path[i] for i in range(shape.depth)]
    path = "".join([f"[{at}]" for at in indexes])
    shown = str(indexes[0]) if len(indexes) == 1 else path
    return nested_error(error, path, f"invalid array element at index {shown}")
