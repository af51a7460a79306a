# From a call and its statement to an operation, and from the settled operation to the call's value.

from asyncpg_core.call cimport Call
from asyncpg_core.statement_cache cimport CachedStatement, StatementCache
from pgproto.frontend cimport Frontend
from pgproto.operations.operation cimport Group, Operation
from pgproto.statement cimport Statement

cdef int bind_described(Call call, CachedStatement entry, StatementCache statements) except -1
cdef int bind_explicit(Call call) except -1
cdef int bind_call(Call call, Statement statement, bint with_parse) except -1
cdef int refuse_inside_copy(object gate) except -1
cdef bint names_types(Call call, Operation op)
cdef object value_of(Call call, Operation op)
cdef bint has_members(object queue, Group group) except -1
cdef bint lacks_statement(object queue, Group group) except -1
cdef bint is_in_group(Frontend frontend) except -1
