# Which failed operations are executed once more, and in which form.

from asyncpg_core.call cimport Call
from asyncpg_core.preludes cimport Preludes
from asyncpg_core.statement_cache cimport StatementCache
from pgproto.frontend cimport Frontend
from pgproto.operations.operation cimport Operation

cdef bint has_lost_name(Operation op)
cdef bint is_healable(Call call, Operation op, bint was_held) except -1
cdef int note_outdated(Call call, Operation op, StatementCache statements, Py_ssize_t n_deallocations) except -1
cdef bint bind_again(Call call, Operation op, StatementCache statements, Py_ssize_t n_deallocations) except -1
cdef int begin_again(Operation op, Preludes preludes, Frontend frontend) except -1
