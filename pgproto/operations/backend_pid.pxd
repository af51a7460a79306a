# The question which process of the server answers.

cimport cython

from pgproto.operations.operation cimport Operation


@cython.final
cdef class AskBackendPid(Operation):
    cdef readonly object pid            # int; None until it is told, or if what was told is no number
