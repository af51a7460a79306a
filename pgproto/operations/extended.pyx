"""The operations of the extended query protocol.

Each has its own Sync unless `ends_group` is False. `Execute` comes in two forms: of a statement that the server knows
by name, [BIND EXECUTE SYNC], and with its Parse, [PARSE BIND DESCRIBE_ROWS EXECUTE SYNC], for the unnamed statement,
which never survives its Sync. An operation whose SQL mentions COPY ends with Flush, because a Sync behind a COPY would
be read as part of it; its Sync is written when the command is answered.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
"""
from itertools import chain

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy

from pgproto.messages.backend cimport read_command_tag, read_parameter_description, read_row_description
from pgproto.messages.frontend cimport (
    put_bind_plain, put_close_portal, put_close_statement, put_copy_fail, put_describe_portal, put_describe_statement,
    put_execute, put_execute_all, put_flush, put_parse, wire_name)
from pgproto.operations.operation cimport (
    BIND, CLOSE, DESCRIBE, DESCRIBE_ROWS, EXECUTE, PARSE, READY)
from pgproto.row_sinks cimport KeptRows, kept_for
from pgproto.wire cimport take_cstring, take_end

from pgproto.errors import DataError, InterfaceError

cdef str COPY_FAIL_REASON = "COPY is not possible through fetch or execute"
COPY_IN_REFUSED = "COPY FROM STDIN has no data source here: use copy_to_table or copy_records_to_table"
COPY_OUT_REFUSED = "COPY TO STDOUT has nowhere to go here: use copy_from_table or copy_from_query"


cdef int refuse_copy(Operation op, unsigned char kind, WriteBuffer out) except -1:
    """A COPY that the user sent through fetch or execute: end it, keep the connection."""
    if kind == c'G':
        put_copy_fail(out, COPY_FAIL_REASON)
        op.on_failure(InterfaceError(COPY_IN_REFUSED))
    else:
        op.on_failure(InterfaceError(COPY_OUT_REFUSED))
    return 0


@cython.final
cdef class Prepare(Operation):
    """Parse, Describe and Sync: what a statement needs and gives."""

    def __cinit__(self, str sql not None, str name not None="", *, tuple types=()):
        self.sql = sql
        self.name = name
        self.types = types

    cdef int put(self, WriteBuffer out) except -1:
        cdef bytes name = wire_name(self.name)
        self.put_prelude(out)
        put_parse(out, name, self.sql, self.types)
        put_describe_statement(out, name)
        self.owe(PARSE)
        self.owe(DESCRIBE)
        return self.put_sync_if_ends(out)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c't':
            self.parameter_oids = read_parameter_description(body[0])
        elif kind == c'T':
            self.columns = read_row_description(body[0])
        return 0

    def type_oids(self):
        """The types that the description names, of the parameters and of the columns."""
        return [*(self.parameter_oids or ()), *[column.type_oid for column in self.columns or ()]]


cdef RowSink sink_for(Operation op, RowSink sink, Statement described):
    """Return the sink of rows that were described anew: what keeps them, if nobody knows one of their types."""
    op.kept = kept_for(sink, described)
    return sink if op.kept is None else op.kept


@cython.final
cdef class Execute(Operation):
    """Execute one statement with its arguments.

    `row_limit` 0 means all rows. `arguments` are encoded when the operation is sent, not before.
    """

    def __init__(self, Statement statement not None, arguments=(), RowSink sink=None, *, int row_limit=0,
                  bint with_parse=False):
        self.statement = statement
        self.arguments = arguments
        self.sink = sink if sink is not None else RowSink()
        self.row_limit = row_limit
        self.with_parse = with_parse
        self.closes_gate = statement.mentions_copy

    cdef int put(self, WriteBuffer out) except -1:
        cdef Statement statement = self.statement
        cdef bytes name = statement.wire_name
        if self.prelude is not None:
            self.put_prelude(out)
        if self.with_parse:
            put_parse(out, name, statement.sql, statement.parameter_oids)
            self.owe(PARSE)
        statement.put_bind(out, b"", self.arguments, -1)
        self.owe(BIND)
        if self.with_parse:
            put_describe_portal(out, b"")
            self.owe(DESCRIBE_ROWS)
        put_execute(out, b"", self.row_limit)
        self.owe(EXECUTE)
        if self.closes_gate:
            self.is_open = True
            return put_flush(out)
        return self.put_sync_if_ends(out)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'D':
            if not self.discards:
                self.sink.on_row(self.statement, body)
        elif kind == c'2':
            self.was_bound = True
        elif kind == c'C' or kind == c's' or kind == c'I':
            if kind == c'C':
                self.keep_tag(body)
            elif kind == c's':
                self.is_suspended = True
            if self.is_open:
                self.put_missing_sync(out)
        elif kind == c'T':
            self.describe_rows(body)
        elif kind == c'G' or kind == c'H':
            refuse_copy(self, kind, out)
        return 0

    cdef int describe_rows(self, Slice *body) except -1:
        """The rows are described; with a type that nobody knows they are kept until the catalogue has told."""
        cdef Statement described = self.statement.redescribe(body)
        if described is self.statement:
            return 0
        self.statement = described
        self.sink = sink_for(self, self.sink, described)
        return 0

    def read_kept(self):
        """Read what was kept, as the types are known now; raises the error of a value that cannot be read."""
        if self.kept is not None:
            self.statement = (<KeptRows>self.kept).read()
            self.sink, self.kept = (<KeptRows>self.kept).sink, None

    cdef int keep_tag(self, Slice *body) except -1:
        cdef Slice tag = take_cstring(body)
        take_end(body)
        self.n_tag = <int>min(tag.n, TAG_KEPT)
        memcpy(self.tag_text, tag.at, self.n_tag)
        if self.n_tag == 6 and memcmp(self.tag_text, b"COMMIT", 6) == 0:
            self.is_durable = True
        return 0

    cdef int on_failure(self, object error) except -1:
        if self.error is None:
            self.error = error
            self.sink.take()
        self.discards = True
        return 0

    cdef object explain_row(self, object error):
        return self.sink.explain(self.statement, error)

    @property
    def tag(self):
        """The tag of CommandComplete, None if it did not come."""
        return self.tag_text[:self.n_tag].decode("utf-8", "replace") if self.n_tag else None

    def take_rows(self):
        """Hand over what the sink has."""
        return self.sink.take()

    def abandon(self):
        """Nobody waits any more: throw the rest away."""
        self.is_abandoned = True
        self.discards = True
        self.sink.take()


cdef Execute new_execute(Statement statement, object arguments, RowSink sink, int row_limit, bint with_parse):
    """Return what Execute(..) returns, without the cost of a Python call."""
    cdef Execute op = Execute.__new__(Execute)
    op.statement = statement
    op.arguments = arguments
    op.sink = sink
    op.row_limit = row_limit
    op.with_parse = with_parse
    op.closes_gate = statement.mentions_copy
    return op


@cython.final
cdef class ExecuteMany(Operation):
    """Execute one statement for each element of an iterable, under one Sync, encoded chunk by chunk.

    The first chunk is put by `send`; while `is_open`, `put_more` puts the next one. When an element is bad after bytes
    were put, the group ends with ROLLBACK and Sync outside a transaction, with Sync inside one: a Sync alone would
    commit what the server has executed.
    """

    def __cinit__(self, Statement statement not None, elements, RowSink sink=None, *, bint with_parse=False,
                  Py_ssize_t chunk=65536, bint keep_tags=False):
        self.statement = self.reader = statement
        self.elements = iter(elements)
        self.unbound = []
        self.sink = sink if sink is not None else RowSink()
        self.with_parse = with_parse
        self.chunk = chunk
        self.tags = [] if keep_tags else None

    cdef int put(self, WriteBuffer out) except -1:
        self.is_open = True
        self.put_prelude(out)
        if self.with_parse:
            put_parse(out, self.statement.wire_name, self.statement.sql, self.statement.parameter_oids)
            self.owe(PARSE)
        return self.put_chunk(out)

    cdef int put_chunk(self, WriteBuffer out) except -1:
        """Put elements until the chunk is full or none is left; then the Sync."""
        cdef Py_ssize_t end = out.length + self.chunk
        while out.length < end:
            self.mark = out.length
            try:
                element = next(self.elements)
            except StopIteration:
                self.elements = None
                self.put_missing_sync(out)
                return 0
            self.check_element(element)
            self.statement.put_bind(out, b"", element, self.n_written_elements)
            self.owe(BIND)
            if self.with_parse and self.n_written_elements == 0:
                put_describe_portal(out, b"")
                self.owe(DESCRIBE_ROWS)
            put_execute_all(out)
            self.owe(EXECUTE)
            self.n_written_elements += 1
            if self.unbound is not None:
                self.unbound.append(element)
        return 0

    cdef int check_element(self, object element) except -1:
        if isinstance(element, (tuple, list, str)):
            return 0
        if isinstance(element, dict) or not (hasattr(element, "__getitem__") and hasattr(element, "__len__")):
            raise DataError(
                f"invalid input in executemany() argument sequence element #{self.n_written_elements}: expected a "
                f"sequence, got {type(element).__name__}", element=self.n_written_elements)
        return 0

    def put_more(self, WriteBuffer out not None):
        """Put the next chunk (`Frontend.put_more` calls this); on an exception of an element or of the iterator the
        operation is ended and the exception becomes its error."""
        if not self.is_open:
            return
        try:
            self.put_chunk(out)
        except BaseException as error:
            # The elements in front of the bad one were put whole and are owed.
            out.cut(self.mark)
            self.fail_here(out, error)
            if not isinstance(error, Exception):
                raise

    def fail_here(self, WriteBuffer out not None, error):
        """End the operation because of a client-side error after bytes of it were written."""
        self.on_failure(error)
        if self.is_open:
            self.elements = None
            if not self.in_transaction:
                self.put_rollback(out)
            self.put_missing_sync(out)

    cdef int put_rollback(self, WriteBuffer out) except -1:
        put_parse(out, b"", "ROLLBACK", ())
        put_bind_plain(out, b"", b"")
        put_execute(out, b"", 0)
        self.owe(PARSE)
        self.owe(BIND)
        self.owe(EXECUTE)
        self.rolls_back = True
        return 0

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'D':
            if self.error is None:
                self.sink.on_row(self.reader, body)
        elif kind == c'2':
            self.was_bound = True
            self.unbound = None
        elif kind == c'T':
            self.reader = self.statement.redescribe(body)
            if self.reader is not self.statement:
                self.sink = sink_for(self, self.sink, self.reader)
        elif kind == c'C' or kind == c'I' or kind == c's':
            self.n_done += 1
            if self.tags is not None and kind == c'C':
                self.tags.append(read_command_tag(body[0]))
        return 0

    cdef int on_failure(self, object error) except -1:
        if self.error is None:
            self.error = error
            if not self.is_abandoned:
                self.mark_batch_index(error)
            self.sink.take()
        return 0

    def mark_batch_index(self, error):
        """Say which element the server was at."""
        if getattr(error, "severity", None) is not None:
            # Past __setattr__: an error with a warning's SQLSTATE (RAISE .. USING ERRCODE) refuses changes.
            vars(error)["batch_index"] = self.n_done

    cdef object explain_row(self, object error):
        return self.sink.explain(self.reader, error)

    def take_rows(self):
        return self.sink.take()

    def read_kept(self):
        """Read what was kept, as the types are known now; raises the error of a value that cannot be read."""
        if self.kept is not None:
            self.reader = (<KeptRows>self.kept).read()
            self.sink, self.kept = (<KeptRows>self.kept).sink, None

    def elements_again(self):
        """Return an iterator of all elements, those that were put included; None once the server has bound one."""
        return None if self.unbound is None else chain(self.unbound, self.elements or ())


@cython.final
cdef class FetchPortal(Operation):
    """Fetch the next `row_limit` rows of a portal; with `arguments` the portal is bound first."""

    def __cinit__(self, Statement statement not None, str portal not None, RowSink sink not None, *, int row_limit=0,
                  arguments=None, bint with_parse=False):
        self.statement = statement
        self.portal = portal
        self.sink = sink
        self.row_limit = row_limit
        self.arguments = arguments
        self.with_parse = with_parse

    cdef int put(self, WriteBuffer out) except -1:
        cdef bytes portal = wire_name(self.portal)
        self.put_prelude(out)
        if self.arguments is not None:
            if self.with_parse:
                put_parse(out, self.statement.wire_name, self.statement.sql, self.statement.parameter_oids)
                self.owe(PARSE)
            self.statement.put_bind(out, portal, self.arguments, -1)
            self.owe(BIND)
            if self.with_parse:
                put_describe_portal(out, portal)
                self.owe(DESCRIBE_ROWS)
        put_execute(out, portal, self.row_limit)
        self.owe(EXECUTE)
        return self.put_sync_if_ends(out)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'D':
            if self.error is None and not self.is_abandoned:
                self.sink.on_row(self.statement, body)
        elif kind == c'2':
            self.was_bound = True
        elif kind == c's':
            self.is_suspended = True
        elif kind == c'T':
            described = self.statement.redescribe(body)
            if described is not self.statement:
                self.statement = described
                self.sink = sink_for(self, self.sink, described)
        return 0

    cdef int on_failure(self, object error) except -1:
        if self.error is None:
            self.error = error
            self.sink.take()
        return 0

    cdef object explain_row(self, object error):
        return self.sink.explain(self.statement, error)

    def take_rows(self):
        return self.sink.take()

    def read_kept(self):
        """Read what was kept, as the types are known now; raises the error of a value that cannot be read."""
        if self.kept is not None:
            self.statement = (<KeptRows>self.kept).read()
            self.sink, self.kept = (<KeptRows>self.kept).sink, None

    def parsed_again(self):
        """Return the operation that binds the portal to the same statement, parsed with it."""
        return FetchPortal(self.statement.without_name(), self.portal, self.sink, row_limit=self.row_limit,
                           arguments=self.arguments, with_parse=True)


@cython.final
cdef class Stream(Operation):
    """Execute with a row limit and Flush, again and again: READY with every batch, Sync at the end.

    It has the connection for itself from its first byte to its Sync. `go_on` asks for the next batch, `finish` for
    none.
    """

    def __cinit__(self, Statement statement not None, arguments, RowSink sink not None, *, int batch,
                  bint with_parse=False):
        if batch <= 0:
            raise InterfaceError(f"batch must be positive, {batch} was passed")
        self.statement = statement
        self.arguments = arguments
        self.sink = sink
        self.batch = batch
        self.with_parse = with_parse
        self.closes_gate = True

    cdef int put(self, WriteBuffer out) except -1:
        self.is_open = True
        self.put_prelude(out)
        if self.with_parse:
            put_parse(out, self.statement.wire_name, self.statement.sql, self.statement.parameter_oids)
            self.owe(PARSE)
        self.statement.put_bind(out, b"", self.arguments, -1)
        self.owe(BIND)
        if self.with_parse:
            put_describe_portal(out, b"")
            self.owe(DESCRIBE_ROWS)
        put_execute(out, b"", self.batch)
        self.owe(EXECUTE)
        return put_flush(out)

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if self.at < self.n_prelude:
            return 0
        if kind == c'D':
            if not self.discards:
                self.sink.on_row(self.statement, body)
        elif kind == c'2':
            self.was_bound = True
        elif kind == c's':
            if self.discards:
                self.put_missing_sync(out)
            else:
                self.is_full = True
                self.event = READY
        elif kind == c'C' or kind == c'I':
            self.put_missing_sync(out)
        elif kind == c'T':
            self.statement = self.statement.redescribe(body)
        elif kind == c'G' or kind == c'H':
            refuse_copy(self, kind, out)
        return 0

    cdef int on_failure(self, object error) except -1:
        if self.error is None:
            self.error = error
        self.discards = True
        return 0

    cdef object explain_row(self, object error):
        return self.sink.explain(self.statement, error)

    def take_rows(self):
        return self.sink.take()

    def go_on(self, WriteBuffer out not None):
        """Ask for the next batch; the rows of the last one have been taken."""
        if self.is_full:
            self.is_full = False
            put_execute(out, b"", self.batch)
            self.owe(EXECUTE)
            put_flush(out)

    def finish(self, WriteBuffer out not None):
        """Ask for no more: what still comes is thrown away, the Sync is written as soon as it may be."""
        self.discards = True
        self.sink.take()
        if self.is_full:
            self.is_full = False
            self.put_missing_sync(out)


@cython.final
cdef class Close(Operation):
    """Close a prepared statement or a portal; to close what does not exist is no error."""

    def __cinit__(self, str name not None, *, bint is_portal=False):
        self.name = name
        self.is_portal = is_portal

    cdef int put(self, WriteBuffer out) except -1:
        if self.is_portal:
            put_close_portal(out, wire_name(self.name))
        else:
            put_close_statement(out, wire_name(self.name))
        self.owe(CLOSE)
        return self.put_sync_if_ends(out)


# What scripts are sent as, by their statements: pools send the same one at every release.
cdef dict scripts = {}
cdef enum:
    SCRIPTS_KEPT = 16


@cython.final
cdef class Script(Operation):
    """Statements without arguments and without rows that are wanted, under one Sync: the reset of a session.

    The last one is a COMMIT or needs none: when it is answered, what another member of the group does cannot undo it.
    """

    def __cinit__(self, tuple statements not None, bytes messages=None, *, bint parses=True):
        """`messages` are what the statements are sent as, one of `named_script`'s; without Parse if not `parses`."""
        self.statements = statements
        self.messages = messages
        self.parses = parses
        self.n_answered = 0

    cdef int put(self, WriteBuffer out) except -1:
        cdef bytes messages = self.messages
        if messages is None:
            messages = scripts.get(self.statements)
        if messages is None:
            messages = self.remember()
        out.put_bytes(PyBytes_AS_STRING(messages), PyBytes_GET_SIZE(messages))
        for _ in range(len(self.statements)):
            if self.parses:
                self.owe(PARSE)
            self.owe(BIND)
            self.owe(EXECUTE)
        return self.put_sync_if_ends(out)

    def remember(self):
        """Return the messages of the statements; the next script of the same statements is copied from them."""
        cdef WriteBuffer out = WriteBuffer()
        for sql in self.statements:
            put_parse(out, b"", sql, ())
            put_bind_plain(out, b"", b"")
            put_execute(out, b"", 0)
        cdef bytes messages = out.take_all()
        if len(scripts) < SCRIPTS_KEPT:
            scripts[self.statements] = messages
        return messages

    cdef int on_message(self, unsigned char kind, Slice *body, WriteBuffer out) except -1:
        if kind == c'C' or kind == c'I':
            self.n_answered += 1
            if self.n_answered == len(self.statements) and self.statements[self.n_answered - 1] == "COMMIT":
                self.is_durable = True
        return 0

    @property
    def answered(self):
        """How many statements were executed."""
        return self.n_answered


cdef Script script_again(tuple statements, bytes messages):
    """Return a script of statements that have their names: `messages` are the second ones of `named_script`."""
    cdef Script script = Script.__new__(Script, statements, messages)
    script.parses = False
    return script


def named_script(tuple statements not None, str name not None):
    """Return the messages that give the statements names and execute them, and those that execute them again.

    A statement that has a name is not parsed each time: for a reset that is a third of the server's work."""
    cdef WriteBuffer first = WriteBuffer(), again = WriteBuffer()
    cdef bytes wire
    for i, sql in enumerate(statements):
        wire = wire_name(f"{name}_{i}")
        put_parse(first, wire, sql, ())
        put_bind_plain(first, b"", wire)
        put_execute(first, b"", 0)
        put_bind_plain(again, b"", wire)
        put_execute(again, b"", 0)
    return first.take_all(), again.take_all()
