# What makes calls for an endpoint.

cimport cython

from asyncpg_core.call cimport Call
from asyncpg_core.endpoint cimport Endpoint

cdef str sql_text(sql)
cdef double seconds_of(timeout) except? -1


@cython.final
cdef class CallMaker:
    cdef readonly Endpoint owner
    cdef public double default_timeout      # command_timeout in seconds, 0 none
    cdef public type record_class
    cdef type class_of(self, object record_class)
    cdef Call new_call(self, str name, int kind, sql, arguments, timeout)
