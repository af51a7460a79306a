"""SimpleQuery: the text of any number of statements, in one implicit transaction, with its Sync built in.

Rows are thrown away; the tag of the last command is the result. A prelude travels in messages of its own: as a prefix
of the text it would not be executed when the text cannot be parsed, and what follows would be outside of it.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY
"""
import re

cimport cython

from pgproto.messages.backend cimport read_command_tag
from pgproto.messages.frontend cimport put_copy_done, put_copy_fail, put_query
from pgproto.operations.operation cimport QUERY

from pgproto.errors import InterfaceError
from pgproto.operations.extended import COPY_IN_REFUSED, COPY_OUT_REFUSED

cdef object mentions_copy = re.compile("copy", re.IGNORECASE).search
cdef str COPY_FAIL_REASON = "COPY is not possible through execute"


cdef int put_query_behind_prelude(Operation op, WriteBuffer out, str sql) except -1:
    """Put a simple Query. Behind a prelude, which is extended, it needs a Sync: if a statement of the prelude fails the
    server skips the Query too. In front of a text that may copy the Sync waits for the Query's end, because inside a
    COPY the server would swallow it."""
    op.put_prelude(out)
    put_query(out, sql)
    op.owe(QUERY)
    if op.n_prelude == 0:
        op.has_sync = True
        return 0
    return 0 if op.closes_gate else op.put_sync_if_ends(out)


@cython.final
cdef class SimpleQuery(Operation):
    def __cinit__(self, str sql not None):
        self.sql = sql
        self.closes_gate = mentions_copy(sql) is not None

    cdef int put(self, WriteBuffer out) except -1:
        return put_query_behind_prelude(self, out, self.sql)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'C':
            self.was_bound = True
            self.tag = read_command_tag(body[0])
        elif kind == c'I':
            if self.tag is None:
                self.tag = ""
        elif kind == c'T':
            self.was_bound = True
        elif kind == c'G':
            put_copy_fail(out, COPY_FAIL_REASON)
            self.on_failure(InterfaceError(COPY_IN_REFUSED))
        elif kind == c'H':
            self.on_failure(InterfaceError(COPY_OUT_REFUSED))
        elif kind == c'W':
            put_copy_done(out)
            self.on_failure(InterfaceError("replication is not possible through execute"))
        return 0
