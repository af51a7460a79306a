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


cdef str prefixed(tuple prelude, str sql):
    """Return the text of a simple Query with its prelude in front."""
    return "; ".join(prelude) + "; " + sql if prelude else sql


cdef Py_ssize_t put_prefixed(Operation op, WriteBuffer out, str sql) except -1:
    """Put a simple Query with its operation's prelude in front; return how many commands the prelude has."""
    put_query(out, prefixed(op.prelude, sql))
    op.owe(QUERY)
    op.has_sync = True
    return len(op.prelude) if op.prelude else 0


cdef int fail_prefixed(Operation op, object error, Py_ssize_t n_prelude_left) except -1:
    """Fail an operation whose text carries its prelude: an error's position counts from the caller's own text."""
    if op.error is not None:
        return 0
    op.error = error
    if n_prelude_left > 0:
        op.failed_in_prelude = True
    position = getattr(error, "position", None)
    if op.prelude and position is not None and position.isdigit():
        at = int(position) - len(prefixed(op.prelude, ""))
        # Past __setattr__: an error with a warning's SQLSTATE (RAISE .. USING ERRCODE) refuses changes.
        vars(error)["position"] = str(at) if at > 0 else None
    return 0


@cython.final
cdef class SimpleQuery(Operation):
    def __cinit__(self, str sql not None):
        self.sql = sql
        self.closes_gate = mentions_copy(sql) is not None

    cdef int put(self, WriteBuffer out) except -1:
        self.n_prelude_left = put_prefixed(self, out, self.sql)
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
        return fail_prefixed(self, error, self.n_prelude_left)
