# A call's end, told to query loggers.

from asyncpg_core.call cimport Call

cdef bint has_pool_hook(Call call)
cdef int watch_call(object watchers, Call call) except -1
