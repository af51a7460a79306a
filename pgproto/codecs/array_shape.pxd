# What arrays of both formats share: which Python values are arrays, and the check that they are rectangular.

from libc.stdint cimport int32_t

from pgproto.codecs.codec cimport Codec

cdef enum:
    DIMENSIONS_MAX = 6      # the server's MAXDIM

# Where an encoder or decoder is: the lengths found on the first way down, and the index at each depth.
cdef struct Shape:
    int ndim                # 0 until the first element is reached
    bint has_null
    Py_ssize_t lengths[6]
    Py_ssize_t path[6]
    int depth               # how much of `path` is meant
    bint is_bounded         # whether a lower bound is other than 1
    int n_lower             # how many of them were given; 0 for all 1
    int32_t lower[6]


cdef int begin(Shape *shape, object value) except -1
cdef int check_bounds(Shape *shape) except -1
cdef object with_bounds(Codec codec, list values, Shape *shape)
cdef tuple items_of(object value)
cdef tuple items_up_to(Py_ssize_t most, object values)
cdef bint is_array(object value) except -1
cdef bint is_inner_array(object value) except -1
cdef int enter(Shape *shape, tuple items, int depth) except -1
cdef int check_element(object item) except -1
cdef object element_error(Shape *shape, object error)
