"""SimpleQuery: the text of any number of statements, in one implicit transaction, with its Sync built in.

Rows are thrown away; the tag of the last command is the result. The prelude becomes a prefix of the text, and the
positions in errors are corrected for it.

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


@cython.final
cdef class SimpleQuery(Operation):
    def __cinit__(self, str sql not None):
        self.sql = sql
        self.closes_gate = mentions_copy(sql) is not None
        self.has_sync = True

    cdef int put(self, WriteBuffer out) except -1:
        cdef str text = self.sql
        self.n_prefix = self.n_prelude_left = 0
        if self.prelude:
            prefix = "; ".join(self.prelude) + "; "
            self.n_prefix = len(prefix)
            self.n_prelude_left = len(self.prelude)
            text = prefix + text
        put_query(out, text)
        self.owe(QUERY)
        self.has_sync = True
        return 0

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if kind == c'C':
            self.was_bound = True
            if self.n_prelude_left > 0:
                self.n_prelude_left -= 1
            else:
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

    cdef int on_failure(self, object error) except -1:
        if self.error is None:
            if self.n_prelude_left > 0:
                self.failed_in_prelude = True
            position = getattr(error, "position", None)
            if self.n_prefix and position is not None and position.isdigit():
                at = int(position) - self.n_prefix
                error.position = str(at) if at > 0 else None
            self.error = error
        return 0
