# What those who wait are told when the server has refused something, and when the connection is gone.

from asyncpg_core.call cimport Call
from asyncpg_core.endpoint cimport Endpoint
from pgproto.operations.operation cimport Operation

cdef int explain(Call call, Operation op, object error) except -1
cdef int tell_written(list lost, object error, object farewell, object reason, bint was_ready, int status) except -1
cdef int tell_unwritten(object queue, Endpoint owner, object error, object farewell, object reason) except -1
