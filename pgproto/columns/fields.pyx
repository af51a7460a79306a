"""Builders as a plan wants them."""
from libc.stdlib cimport calloc, free

from pgproto.columns.builder cimport (
    BITS, DICTIONARY, FIXED, LIST, STRUCT, VARIABLE, Builder, free_builder, grow)
from pgproto.columns.nested cimport nested_of
from pgproto.columns.numbers cimport number_of
from pgproto.columns.scalars cimport scalar_of


cdef extern from "columns.h":
    ctypedef struct Wide "apc_wide":
        unsigned long long low, high

    Wide power_of_ten "apc_power" (int exponent) noexcept nogil

# kind of pgproto.columns.plan -> layout, bytes of a value
cdef dict LAYOUTS = {
    "bool": (BITS, 0), "2": (FIXED, 2), "4": (FIXED, 4), "8": (FIXED, 8), "16": (FIXED, 16), "text": (VARIABLE, 0),
    "versioned text": (VARIABLE, 0), "bytes": (VARIABLE, 0), "char": (VARIABLE, 0), "date": (FIXED, 4),
    "time": (FIXED, 8), "timestamp": (FIXED, 8), "interval": (FIXED, 16), "decimal": (FIXED, 16),
    "digits": (VARIABLE, 0), "double": (FIXED, 8), "list": (LIST, 0), "struct": (STRUCT, 0), "label": (DICTIONARY, 4),
}
cdef frozenset NUMBERS = frozenset(["decimal", "digits", "double"])
cdef frozenset NESTED = frozenset(["list", "struct", "label"])


cdef Builder *new_builders(tuple fields) except NULL:
    """Return a builder for each field; the caller frees them. Room for the first values is made at once."""
    cdef Py_ssize_t i, n = len(fields)
    cdef Builder *builders = <Builder *>calloc(max(n, 1), sizeof(Builder))
    if builders == NULL:
        raise MemoryError()
    try:
        for i in range(n):
            set_up(&builders[i], fields[i])
    except BaseException:
        free_builders(builders, n)
        raise
    return builders


cdef int set_up(Builder *b, object field) except -1:
    cdef str kind = field.kind
    cdef Wide limit
    b.layout, b.width = LAYOUTS[kind]
    b.append = number_of(kind) if kind in NUMBERS else nested_of(kind) if kind in NESTED else scalar_of(kind)
    b.oid = field.oid
    b.scale = field.scale
    b.is_lenient = field.is_lenient
    b.grows = kind == "digits"
    limit = power_of_ten(field.precision)
    b.limit_low = limit.low
    b.limit_high = limit.high
    children = field.children
    if children:
        b.children = new_builders(children)
        b.n_children = <int>len(children)
        for i in range(b.n_children):
            b.grows = b.grows or b.children[i].grows
    return grow(b)


cdef void free_builders(Builder *builders, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        free_builder(&builders[i])
    free(builders)
