"""What ranges of both formats share: the bounds of a Python value, and the value that bounds make.

A range is a Range, or a sequence: () is empty, (lower,) has no upper bound, (lower, upper) includes both. A bound of
None is infinity.
"""
from cpython.list cimport PyList_Check
from cpython.tuple cimport PyTuple_Check

from pgproto.codecs.array_shape cimport is_array, items_of
from pgproto.codecs.nested cimport nested_error

from pgproto.types import Range

cdef object empty = Range(empty=True)


cdef tuple bounds_of(object value, int *flags):
    """The lower and upper bound, and the flags that the server has for them."""
    cdef int found = 0
    if isinstance(value, Range):
        lower, upper = value.lower, value.upper
        if value.isempty:
            found = RANGE_EMPTY
        else:
            found = ((RANGE_LOWER_INCLUSIVE if value.lower_inc else 0)
                     | (RANGE_UPPER_INCLUSIVE if value.upper_inc else 0))
    elif PyTuple_Check(value) or PyList_Check(value):
        lower, upper = None, None
        if len(value) > 2:
            raise ValueError(f"expected 0, 1 or 2 elements, got {len(value)}")
        if len(value) == 0:
            found = RANGE_EMPTY
        else:
            lower = value[0]
            upper = value[1] if len(value) == 2 else None
            found = RANGE_LOWER_INCLUSIVE | RANGE_UPPER_INCLUSIVE
    else:
        raise TypeError(f"list, tuple or Range object expected, got {type(value).__name__}")
    if not found & RANGE_EMPTY:
        if lower is None:
            found = found & ~RANGE_LOWER_INCLUSIVE | RANGE_LOWER_INFINITE
        if upper is None:
            found = found & ~RANGE_UPPER_INCLUSIVE | RANGE_UPPER_INFINITE
    flags[0] = found
    return lower, upper


cdef object range_of(object lower, object upper, int flags):
    if flags & RANGE_EMPTY:
        return empty
    return Range(lower, upper, lower_inc=(flags & RANGE_LOWER_INCLUSIVE) != 0,
                 upper_inc=(flags & RANGE_UPPER_INCLUSIVE) != 0)


cdef object bound_error(Codec codec, str which, object error):
    """What to raise for the error of the `lower` or `upper` bound."""
    return nested_error(error, f".{which}", f"invalid {which} bound ({codec.element.name})")


cdef tuple ranges_of(object value):
    """The ranges of a multirange."""
    if not is_array(value):
        raise TypeError(f"expected a sequence of ranges, got {type(value).__name__}")
    return items_of(value)
